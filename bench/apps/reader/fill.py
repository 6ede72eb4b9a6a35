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
# Every third entry is read; each is a minute older than the one before. SQL, because objects would take minutes.
ENTRIES = """
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < %s)
    INSERT INTO reader_entry (feed_id, guid, title, link, author, summary, content, digest, published, fetched_at)
    SELECT %s + n %% %s, n, 'Entry ' || n || ' about pawls', 'https://x.example/' || n, '', 'A pawl is the catch.',
        %s, '', datetime('now', '-' || n || ' minutes'), datetime('now')
    FROM numbers
"""
STATES = """
    INSERT INTO reader_state (user_id, entry_id, feed_id, published, read_at)
    SELECT %s, id, feed_id, published, CASE WHEN guid %% 3 = 2 THEN datetime('now') END FROM reader_entry
"""


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
    from reader.models import Feed, State, Subscription

    unread = int(sys.argv[1])
    now = timezone.now()
    user = User.objects.create_user("ada", password="a long password")
    later = now + timedelta(days=1)
    feeds = Feed.objects.bulk_create(
        Feed(url=f"https://{n}.example/feed", host=f"{n}.example", title=f"Feed {n}", next_fetch_at=later)
        for n in range(FEEDS)
    )
    Subscription.objects.bulk_create(Subscription(user=user, feed=feed) for feed in feeds)
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES, [unread * 3 // 2, feeds[0].pk, FEEDS, CONTENT])
        cursor.execute(STATES, [user.pk])
        cursor.execute("INSERT INTO reader_search (rowid, words) SELECT id, lower(title) FROM reader_entry")
        cursor.execute("ANALYZE")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(State.objects.filter(read_at=None).count(), session.session_key)


if __name__ == "__main__":
    main()
