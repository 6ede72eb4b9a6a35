"""Feeds that turn out to be one: a feed has moved to where another is, or has another under a twin of its address."""

from __future__ import annotations

from django.db import connection, transaction

from reader import search
from reader.models import Entry, Feed, Fetch, State, Subscription
from reader.subscribing import FIRST_UNREAD, drop_unread_feeds
from reader.text import host_of

# The entries that both have are the other's; what users did with them stays.
_STATES = """
    INSERT INTO reader_state (user_id, entry_id, feed_id, published, read_at, starred_at)
    SELECT state.user_id, kept.id, kept.feed_id, kept.published, state.read_at, state.starred_at
    FROM reader_state state
    JOIN reader_entry double ON double.id = state.entry_id
    JOIN reader_entry kept ON kept.guid = double.guid AND kept.feed_id = %s
    WHERE double.feed_id = %s
    ON CONFLICT (entry_id, user_id) DO UPDATE
    SET starred_at = COALESCE(reader_state.starred_at, excluded.starred_at),
        read_at = COALESCE(reader_state.read_at, excluded.read_at)
"""


def move(feed: Feed, url: str) -> None:
    """Give ``feed`` its new address; if another feed has that, they become one."""
    other = Feed.objects.select_for_update().filter(url=url).first()
    if other is None:
        Feed.objects.filter(pk=feed.pk).update(url=url, host=host_of(url))
    else:
        merge(feed, into=other)


def join_twin(feed: Feed) -> None:
    """Make ``feed``, which was just fetched, one with a feed that has most of its entries and nearly its address.

    That is ``http`` for ``https``, a leading ``www.``, a slash at the end. The one that can be fetched stays, of two
    such ``https``, else the older.
    """
    for other in Feed.objects.filter(url__in=_twins(feed.url), last_fetched__isnull=False).order_by("pk"):
        both = Entry.objects.filter(feed=other, guid__in=Entry.objects.filter(feed=feed).values("guid")).count()
        if both * 2 > Entry.objects.filter(feed=feed).count():
            is_safer = feed.url.startswith("https:") and not other.url.startswith("https:")
            is_better = is_safer or bool(other.last_error)
            merge(*((other, feed) if is_better else (feed, other)))
            return


def _twins(url: str) -> list[str]:
    rest = url.partition("://")[2]
    host, slash, path = rest.partition("/")
    bare = host.removeprefix("www.")
    path = path.removesuffix("/")
    found = {
        f"{s}://{h}{slash}{p}" for s in ("http", "https") for h in (bare, f"www.{bare}") for p in (path, f"{path}/")
    }
    return sorted(found - {url})


@transaction.atomic
def merge(feed: Feed, into: Feed) -> None:
    """Make two feeds one: subscribers, entries, what was read and what was starred."""
    _join_doubles(feed, into)
    _hand_out_news(feed, into)
    moved = Entry.objects.filter(feed=feed)
    State.objects.filter(entry__in=moved).update(feed=into)
    moved.update(feed=into)
    _join_subscribers(feed, into)
    feed.delete()


@transaction.atomic
def hand_over(feed: Feed, into: Feed) -> None:
    """Give ``into`` the subscribers of ``feed``, and what they did with the entries that both have.

    No other entry goes along: those that are unread or starred are their readers' for as long as they are that.
    """
    _join_doubles(feed, into)
    _join_subscribers(feed, into)
    drop_unread_feeds([feed.pk])


def is_one_site(url: str, other: str) -> bool:
    """Whether two addresses are of one site: with or without ``www.``, by ``http`` or ``https``."""
    return host_of(url).removeprefix("www.") == host_of(other).removeprefix("www.")


def _join_doubles(feed: Feed, into: Feed) -> None:
    # What somebody had not read when they unsubscribed is marked read there, and was not.
    marked = State.objects.filter(read_at__isnull=False, starred_at=None)
    readers = Subscription.objects.filter(feed=feed).values("user")
    marked.filter(feed=feed).exclude(user__in=readers).delete()
    already = Subscription.objects.filter(feed=into).values("user")
    marked.filter(feed=into, user__in=readers).exclude(user__in=already).delete()
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [into.pk, feed.pk])
    there = Entry.objects.filter(feed=into).values("guid")
    twice = Entry.objects.filter(feed=feed, guid__in=there)
    State.objects.filter(entry__in=twice).delete()
    search.forget(list(twice.values_list("pk", flat=True)))
    twice.delete()


def _hand_out_news(feed: Feed, into: Feed) -> None:
    """Make what is newer than all that ``into`` has unread for its subscribers."""
    newest = Entry.objects.filter(feed=into).values_list("published", flat=True).first()
    news = Entry.objects.filter(feed=feed)
    if newest is not None:
        news = news.filter(published__gte=newest)
    both = Subscription.objects.filter(feed=feed).values("user")
    users = list(Subscription.objects.filter(feed=into).exclude(user__in=both).values_list("user", flat=True))
    State.objects.bulk_create(
        [
            State(user_id=user, entry_id=pk, feed=into, published=published)
            for pk, published in news.values_list("pk", "published")[:FIRST_UNREAD]
            for user in users
        ],
        ignore_conflicts=True,
    )


def _join_subscribers(feed: Feed, into: Feed) -> None:
    already = Subscription.objects.filter(feed=into).values("user")
    Subscription.objects.filter(feed=feed).exclude(user__in=already).update(feed=into)
    Subscription.objects.filter(feed=feed).delete()
    Fetch.objects.filter(feed=feed).delete()
