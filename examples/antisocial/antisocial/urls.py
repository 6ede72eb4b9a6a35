from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path

from antisocial.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("", include("reader.urls")),
]
