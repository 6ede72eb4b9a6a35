"""Feeds that turn out to be one: a feed has moved to where another is, or has another under a twin of its address."""

from __future__ import annotations

from django.db import connection, transaction

from reader import search
from reader.models import URL_LENGTH, Entry, Feed, Fetch, State, Subscription
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
    SET starred_at = COALESCE(reader_state.starred_at, excluded.starred_at)
"""


def move(feed: Feed, url: str) -> Feed:
    """Give ``feed`` its new address; the feed it is from now on, which is another one if that had the address."""
    if url == feed.url or len(url) > URL_LENGTH:
        return feed
    other = Feed.objects.filter(url=url).first()
    if other is None:
        Feed.objects.filter(pk=feed.pk).update(url=url, host=host_of(url))
        feed.url, feed.host = url, host_of(url)
        return feed
    merge(feed, into=other)
    return other


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
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [into.pk, feed.pk])
    there = Entry.objects.filter(feed=into).values("guid")
    twice = Entry.objects.filter(feed=feed, guid__in=there)
    State.objects.filter(entry__in=twice).delete()
    search.forget(list(twice.values_list("pk", flat=True)))
    twice.delete()
    moved = Entry.objects.filter(feed=feed)
    State.objects.filter(entry__in=moved).update(feed=into)
    moved.update(feed=into)
    already = Subscription.objects.filter(feed=into).values("user")
    Subscription.objects.filter(feed=feed).exclude(user__in=already).update(feed=into)
    Fetch.objects.filter(feed=feed).delete()
    feed.delete()
