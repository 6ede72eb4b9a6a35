"""Who reads which feed: subscriptions, what they bring, and feeds that nobody reads any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from reader import search
from reader.models import URL_LENGTH, Entry, Feed, State, Subscription
from reader.text import feed_url, host_of

# A feed may come with all that was ever in it: of what was there before the subscription, this much is unread.
FIRST_UNREAD = 100

_HAND_OUT = """
    INSERT INTO reader_state (user_id, entry_id, feed_id, published)
    SELECT subscription.user_id, entry.id, entry.feed_id, entry.published
    FROM reader_entry entry JOIN reader_subscription subscription ON subscription.feed_id = entry.feed_id
    WHERE entry.feed_id = %s AND entry.id > %s
    ON CONFLICT DO NOTHING
"""


class Left(NamedTuple):
    """When a subscription ended, and the id of the last entry that there was (0: none)."""

    at: datetime
    newest: int


@transaction.atomic
def subscribe(user: User, address: str, *, title: str = "") -> tuple[Subscription, bool]:
    """Subscribe ``user`` to the feed at ``address``, and say whether that is new; a feed gone before is tried again.

    Raises ValueError if it is no address of the web, or a longer one than can be kept.
    """
    subscription, is_new = _subscription(user, address, title)
    if is_new:
        # What an earlier subscription left is not taken back, this is another one.
        State.objects.filter(user=user, feed=subscription.feed_id, starred_at=None).delete()
        hand_out_first(user, subscription.feed)
    return subscription, is_new


@transaction.atomic
def subscribe_again(user: User, address: str, left: Left, *, title: str = "") -> Subscription:
    """Take an ``unsubscribe`` back: unread is what was then, and what has come since."""
    subscription, is_new = _subscription(user, address, title)
    if is_new:
        State.objects.filter(user=user, feed=subscription.feed_id, read_at=left.at).update(read_at=None)
        _hand_out_to(user, Entry.objects.filter(feed=subscription.feed_id, pk__gt=left.newest))
    return subscription


def _subscription(user: User, address: str, title: str) -> tuple[Subscription, bool]:
    url = feed_url(address)
    if len(url) > URL_LENGTH:
        raise ValueError(f"an address of more than {URL_LENGTH} characters cannot be kept")
    # Whoever stores the feed has its row locked, and hands out to those who were subscribed before.
    feed, _ = Feed.objects.select_for_update().get_or_create(url=url, defaults={"host": host_of(url)})
    subscription, is_new = Subscription.objects.get_or_create(user=user, feed=feed, defaults={"title": title})
    if is_new:
        Feed.objects.filter(pk=feed.pk, gone_at__isnull=False).update(gone_at=None, failures=0)
    return subscription, is_new


def hand_out_first(user: User, feed: Feed) -> None:
    """Make the newest entries that ``feed`` has unread for a new subscriber."""
    _hand_out_to(user, Entry.objects.filter(feed=feed)[:FIRST_UNREAD])


def _hand_out_to(user: User, entries: QuerySet[Entry]) -> None:
    State.objects.bulk_create(
        [
            State(user=user, entry_id=pk, feed_id=feed, published=published)
            for pk, feed, published in entries.values_list("pk", "feed", "published")
        ],
        ignore_conflicts=True,
    )


def hand_out(feed_id: int, *, after: int) -> None:
    """Make the entries of a feed with an id above ``after`` unread for each of its subscribers. May be done twice."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OUT, [feed_id, after])


@transaction.atomic
def unsubscribe(subscription: Subscription) -> Left:
    """End a subscription, and say what ``subscribe_again`` has to know. What its user starred stays.

    What was unread is read from that moment on. If nobody reads the feed any more, it goes when there is tidied up.
    """
    feed = Feed.objects.select_for_update().get(pk=subscription.feed_id)  # nobody is storing entries of it
    newest = Entry.objects.filter(feed=feed).aggregate(Max("pk"))["pk__max"] or 0
    left = Left(timezone.now(), newest)
    states = State.objects.filter(user=subscription.user_id, feed=feed, starred_at=None)
    states.exclude(read_at=None).delete()
    states.update(read_at=left.at)
    subscription.delete()
    return left


def drop_unread_feeds(feed_ids: Iterable[int]) -> int:
    """Delete those of these feeds that nobody reads, with nothing in them that is starred or unread; how many."""
    dropped = 0
    for feed in Feed.objects.filter(pk__in=list(feed_ids), subscriptions=None):
        if State.objects.filter(Q(starred_at__isnull=False) | Q(read_at=None), entry__feed=feed).exists():
            continue
        State.objects.filter(entry__feed=feed).delete()
        search.forget_feed(feed.pk)
        feed.delete()
        dropped += 1
    return dropped
