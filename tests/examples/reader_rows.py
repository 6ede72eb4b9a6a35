"""Run by the feed reader's own Python, in its folder: makes rows that a test begins with."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any


def readers(entries: dict[str, int]) -> dict[str, dict[str, str]]:
    """Users who are logged in, each with a feed of their own."""
    return {name: _reader(name, count) for name, count in entries.items()}


def arrive(name: str, titles: list[str], content: str = "") -> None:
    """New entries of a reader's feed."""
    from django.utils import timezone
    from reader.models import Entry, Feed
    from reader.subscribing import hand_out

    feed = Feed.objects.get(subscriptions__user__username=name)
    last = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    now = timezone.now()
    Entry.objects.bulk_create(
        Entry(feed=feed, guid=title, title=title, summary="Text.", content=content, published=now) for title in titles
    )
    hand_out(feed.pk, after=last)


def _reader(name: str, count: int) -> dict[str, str]:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.utils import timezone
    from reader import search
    from reader.api.auth import make_password
    from reader.models import Entry, Feed
    from reader.subscribing import hand_out, subscribe

    user = User.objects.create(username=name, email=f"{name}@example.org", password="!never-logs-in-here")
    feed = subscribe(user, f"https://example.org/{name}.xml")[0].feed
    now = timezone.now()
    Feed.objects.filter(pk=feed.pk).update(
        title=f"Feed of {name}", site_url="https://example.org/", last_fetched=now, last_error="it answered 503"
    )
    if count:
        made = Entry.objects.bulk_create(
            Entry(
                feed=feed, guid=str(n), title=f"Title {n}", link=f"https://example.org/{n}", summary=f"Summary {n}.",
                content=f"<p>Content {n}. {'A line of text. ' * 80}</p>", published=now - timedelta(hours=n),
            )
            for n in range(count)
        )  # fmt: skip
        hand_out(feed.pk, after=made[0].pk - 1)
        for entry in made:
            search.index_entry(entry)
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"session": session.session_key, "app_password": make_password(user, "a test")}


def main() -> None:
    """``reader_rows.py ACTION JSON``: do it, print what came of it as JSON."""
    import django

    sys.path.insert(0, str(Path.cwd()))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "antisocial.settings")
    django.setup()
    actions: dict[str, Any] = {"readers": readers, "arrive": arrive}
    sys.stdout.write(json.dumps(actions[sys.argv[1]](**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
