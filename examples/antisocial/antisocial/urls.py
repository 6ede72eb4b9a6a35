from django.urls import include, path

from antisocial.health import healthz, smoketest

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("smoketest/", smoketest, name="smoketest"),
    path("", include("reader.api.urls")),
    path("", include("reader.urls")),
]
