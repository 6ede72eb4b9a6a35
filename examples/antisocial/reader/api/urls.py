"""Apps put these paths behind the address that they are given, which may end as FreshRSS's does."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from reader.api import auth, views

CALLS = [
    ("token", views.token),
    ("user-info", views.user_info),
    ("tag/list", views.tag_list),
    ("rename-tag", views.tag_change),
    ("disable-tag", views.tag_change),
    ("preference/list", views.nothing(prefs=[])),
    ("preference/stream/list", views.nothing(streamprefs={})),
    ("friend/list", views.nothing(friends=[])),
    ("subscription/list", views.subscription_list),
    ("subscription/edit", views.subscription_edit),
    ("subscription/quickadd", views.quickadd),
    ("unread-count", views.unread_count),
    ("stream/items/ids", views.item_ids),
    ("stream/items/contents", views.item_contents),
    ("stream/contents", views.contents),
    ("stream/contents/", views.contents),
    ("edit-tag", views.edit_tag),
    ("mark-all-as-read", views.mark_all_as_read),
]


def paths(prefix: str) -> list[URLPattern]:
    """Every call, with ``prefix`` before it."""
    return [
        path(f"{prefix}accounts/ClientLogin", auth.client_login),
        *(path(f"{prefix}reader/api/0/{name}", view) for name, view in CALLS),
        re_path(rf"^{prefix}reader/api/0/stream/contents/(?P<name>.+)$", views.contents),
    ]


urlpatterns = paths("") + paths("api/greader.php/")
