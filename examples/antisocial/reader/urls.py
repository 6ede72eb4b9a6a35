from django.contrib.auth.views import LogoutView
from django.urls import path

from reader.views import accounts, entries, feeds

app_name = "reader"
urlpatterns = [
    path("", entries.stream, name="stream"),
    path("starred/", entries.starred, name="starred"),
    path("search/", entries.search, name="search"),
    path("news", entries.news, name="news"),
    path("undo/", entries.undo, name="undo"),
    path("entries/mark/", entries.mark, name="mark"),
    path("entries/<int:entry_id>/", entries.entry, name="entry"),
    path("feeds/", feeds.feeds, name="feeds"),
    path("feeds/import/", feeds.import_opml, name="import"),
    path("feeds/export/", feeds.export_opml, name="export"),
    path("feeds/<int:feed_id>/", feeds.feed, name="feed"),
    path("feeds/<int:feed_id>/rename/", feeds.rename, name="rename"),
    path("feeds/<int:feed_id>/fetch/", feeds.fetch_now, name="fetch-now"),
    path("feeds/<int:feed_id>/unsubscribe/", feeds.unsubscribe, name="unsubscribe"),
    path("account/", accounts.account, name="account"),
    path("account/apps/", accounts.app_passwords, name="app-passwords"),
    path("account/apps/<int:app_id>/revoke/", accounts.revoke, name="revoke"),
    path("account/password/", accounts.Password.as_view(), name="password"),
    path("login/", accounts.LogIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("sign-up/", accounts.sign_up, name="sign-up"),
    path("reset/", accounts.Reset.as_view(), name="reset"),
    path("reset/sent/", accounts.ResetSent.as_view(), name="reset-sent"),
    path("reset/<uidb64>/<token>/", accounts.ResetConfirm.as_view(), name="reset-confirm"),
]
