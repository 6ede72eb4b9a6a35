"""Who fetches what: a feed is claimed in the database before it is fetched, and its server with it.

However many rounds are asked for, and however many workers there are, a feed is fetched by one of them, and a server is
asked for one thing at a time. A claim ends by itself: a killed worker's feeds are others' after a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from reader.models import Feed, Subscription

CLAIM_LASTS = timedelta(minutes=5)
# Whoever asks for a fetch at once gets one, but not the next one.
LEAST_PAUSE = timedelta(minutes=1)
_LOCK = 0x616E7469  # any number that nothing else takes


@transaction.atomic
def claim_due(*, now: datetime, limit: int) -> list[Feed]:
    """Claim at most ``limit`` feeds that are due, those that have waited longest first."""
    return _claim(due(now).order_by("next_fetch_at", "pk")[:limit], now)


@transaction.atomic
def claim_one(feed_id: int, *, now: datetime) -> Feed | None:
    """Claim one feed, due or not; None if it or its server is being fetched from, or is to be left alone."""
    found = _free(now).filter(pk=feed_id).exclude(not_before__gt=now).exclude(last_fetched__gt=now - LEAST_PAUSE)
    return next(iter(_claim(found, now)), None)


def due(now: datetime) -> QuerySet[Feed]:
    """Feeds that somebody reads, whose time has come, and that nobody fetches."""
    return _free(now).filter(next_fetch_at__lte=now, gone_at=None)


def make_due(feed_id: int, *, now: datetime) -> None:
    """Have one feed fetched in the next round, unless that is done already or it is to be left alone."""
    waiting = Feed.objects.filter(pk=feed_id, claimed_until=None, next_fetch_at__gt=now)
    waiting.exclude(not_before__gt=now).exclude(last_fetched__gt=now - LEAST_PAUSE).update(next_fetch_at=now)


def release(feed_ids: Iterable[int]) -> None:
    """Give claimed feeds back that were not fetched."""
    Feed.objects.filter(pk__in=list(feed_ids)).update(claimed_until=None)


def _free(now: datetime) -> QuerySet[Feed]:
    _one_at_a_time()
    at_work = Feed.objects.filter(host=OuterRef("host"), claimed_until__gt=now)
    return Feed.objects.filter(Q(claimed_until=None) | Q(claimed_until__lte=now)).filter(
        Exists(Subscription.objects.filter(feed=OuterRef("pk"))), ~Exists(at_work)
    )


def _claim(found: QuerySet[Feed], now: datetime) -> list[Feed]:
    feeds = list(found)
    Feed.objects.filter(pk__in=[feed.pk for feed in feeds]).update(claimed_until=now + CLAIM_LASTS)
    return feeds


def _one_at_a_time() -> None:
    """Two that look for free servers at once would find the same. SQLite's transactions begin with a lock anyway."""
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
