from django.urls import include, path

from antisocial.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("", include("reader.api.urls")),
    path("", include("reader.urls")),
]
