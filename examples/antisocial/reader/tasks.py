"""What the worker does, and how the web asks for it."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

from antisocial.celery import app
from reader.models import Feed

logger = logging.getLogger(__name__)


@app.task
def fetch_feed(feed_id: int) -> None:
    """Fetch one feed; nothing if it was unsubscribed in the meantime."""
    from reader.fetch import fetch  # the web process never fetches: its boot need not wait for an HTTP client

    feed = Feed.objects.filter(pk=feed_id).first()
    if feed is None:
        return
    added = fetch(feed)
    logger.info("%s: %s", feed.url, feed.last_error or f"{added} new")


@app.task
def fetch_all() -> None:
    """Have every feed fetched, each by its own task, so that a slow one does not hold up the rest."""
    for feed_id in Feed.objects.exclude(subscriptions=None).order_by("last_fetched").values_list("id", flat=True):
        fetch_feed.delay(feed_id)


def ask_to_fetch(feed: Feed) -> bool:
    """Queue a fetch; False if the queue cannot be reached."""
    try:
        fetch_feed.delay(feed.pk)
    except (OperationalError, OSError):
        logger.exception("cannot queue a fetch")
        return False
    return True
