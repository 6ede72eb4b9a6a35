from django.urls import path

from reader import views

app_name = "reader"
urlpatterns = [
    path("", views.stream, name="stream"),
    path("entries/read/", views.read_all, name="read-all"),
    path("entries/<int:entry_id>/read/", views.read_one, name="read-one"),
    path("feeds/", views.feeds, name="feeds"),
    path("feeds/<int:feed_id>/fetch/", views.fetch_now, name="fetch-now"),
    path("feeds/<int:feed_id>/unsubscribe/", views.unsubscribe, name="unsubscribe"),
]
