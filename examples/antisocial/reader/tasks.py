"""What the worker does, and how the web asks for it. Each task may be done twice: what it does is claimed first."""

from __future__ import annotations

import logging

from django.utils import timezone
from kombu.exceptions import OperationalError

from antisocial.celery import app
from reader.models import Feed

logger = logging.getLogger(__name__)
# A round that was asked for a minute ago has been asked for again since.
ROUND_EXPIRES_S = 60


@app.task
def fetch_due() -> None:
    """Fetch every feed whose time has come. Asked for again and again, and twice at once without harm."""
    # The web process never fetches: its boot need not wait for an HTTP client.
    from reader.fetching import claims, rounds

    fetched, added = rounds.fetch_due()
    logger.info("a round: %s feeds, %s new entries", fetched, added)
    if fetched and claims.due(timezone.now()).exists():
        fetch_due.apply_async(expires=ROUND_EXPIRES_S)


@app.task
def fetch_feed(feed_id: int) -> None:
    """Fetch one feed now, or in the next round if its server is busy; nothing if it was unsubscribed meanwhile."""
    from reader.fetching import claims, rounds

    if not rounds.fetch_one(feed_id):
        claims.make_due(feed_id, now=timezone.now())


@app.task
def tidy_up() -> None:
    """Drop what is not needed any more: rows of what was read long ago, feeds of those who left, old sessions."""
    from django.contrib.sessions.backends.db import SessionStore

    from reader import reading, subscribing

    reading.forget_read()
    subscribing.drop_unread_feeds(Feed.objects.filter(subscriptions=None).values_list("pk", flat=True))
    SessionStore.clear_expired()


def ask_to_fetch(feed: Feed) -> bool:
    """Queue a fetch; False if the queue cannot be reached."""
    try:
        fetch_feed.delay(feed.pk)
    except (OperationalError, OSError):
        logger.exception("cannot queue a fetch")
        return False
    return True
