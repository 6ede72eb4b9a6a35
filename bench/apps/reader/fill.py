"""Fills the example app's database: ``fill.py N`` makes N unread entries and half as many read ones, of one user.

Prints how many are unread, and the key of a session.
"""

import os
import sys
from datetime import timedelta

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "antisocial.settings"
FEEDS = 200
CONTENT = "<p>A pawl is the catch that lets a <b>ratchet</b> turn one way only.</p>" * 12


def main() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import connection
    from django.utils import timezone
    from reader.models import Entry, Feed, State, Subscription

    unread = int(sys.argv[1])
    now = timezone.now()
    user = User.objects.create_user("ada", password="a long password")
    later = now + timedelta(days=1)
    feeds = Feed.objects.bulk_create(
        Feed(url=f"https://{n}.example/feed", host=f"{n}.example", title=f"Feed {n}", next_fetch_at=later)
        for n in range(FEEDS)
    )
    Subscription.objects.bulk_create(Subscription(user=user, feed=feed) for feed in feeds)
    for start in range(0, unread * 3 // 2, 10_000):
        entries = Entry.objects.bulk_create(
            Entry(
                feed=feeds[n % FEEDS], guid=str(n), title=f"Entry {n} about pawls", link=f"https://x.example/{n}",
                summary="A pawl is the catch.", content=CONTENT, published=now - timedelta(minutes=n),
            )
            for n in range(start, start + 10_000)
        )  # fmt: skip
        State.objects.bulk_create(
            State(
                user=user, entry=entry, feed_id=entry.feed_id, published=entry.published,
                read_at=now if number % 3 == 2 else None,
            )
            for number, entry in enumerate(entries, start)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(State.objects.filter(read_at=None).count(), session.session_key)


if __name__ == "__main__":
    main()
