"""What a user does with entries: read, mark, take back, star. Every page and every interface goes through here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Count, QuerySet
from django.utils import timezone

from reader.models import Entry, Feed, State, Subscription

# What was read longer ago is known by having no row: it cannot be taken back all at once any more.
KEPT_READ = timedelta(days=30)


def unread(user: User, *, feed: Feed | int | None = None) -> QuerySet[State]:
    """What ``user`` has not read, newest first, with entries and feeds."""
    states = State.objects.filter(user=user, read_at=None).order_by("-published", "-entry_id")
    if feed is not None:
        states = states.filter(feed=feed)
    return states.select_related("entry", "feed")


def starred(user: User) -> QuerySet[State]:
    """What ``user`` has starred, the last one first, with entries and feeds."""
    states = State.objects.filter(user=user, starred_at__isnull=False).order_by("-starred_at", "-entry_id")
    return states.select_related("entry", "feed")


def after(states: QuerySet[State], moment: datetime, entry_id: int, *, by: str = "published") -> QuerySet[State]:
    """What follows the entry with this id and time ``by`` in a list that is newest first: the next page."""
    # The first condition is a stretch of the index, the second leaves out what is at its very beginning.
    return states.filter(**{f"{by}__lte": moment}).exclude(**{by: moment, "entry__gte": entry_id})


def count_unread(user: User) -> int:
    """How many entries ``user`` has not read."""
    return State.objects.filter(user=user, read_at=None).count()


def unread_by_feed(user: User) -> dict[int, int]:
    """How many entries of each feed ``user`` has not read; a feed without any is not in it."""
    counts = State.objects.filter(user=user, read_at=None).order_by().values_list("feed").annotate(unread=Count("pk"))
    return dict(counts)


def is_subscribed_to(user: User, entry: Entry) -> bool:
    """Whether ``user`` may see ``entry``: by a subscription to its feed, or because it was starred."""
    return (
        Subscription.objects.filter(user=user, feed=entry.feed_id).exists()
        or State.objects.filter(user=user, entry=entry).exists()
    )


def mark_read(user: User, entry_ids: Iterable[int]) -> tuple[int, datetime]:
    """Mark these entries read: how many were not, and the moment that ``undo`` takes."""
    return _mark(State.objects.filter(user=user, read_at=None, entry__in=list(entry_ids)))


def mark_all_read(user: User, *, newest: int, feed: Feed | int | None = None) -> tuple[int, datetime]:
    """Mark read what has an id up to ``newest``: what came after the page was made has not been seen."""
    states = State.objects.filter(user=user, read_at=None, entry__lte=newest)
    return _mark(states if feed is None else states.filter(feed=feed))


def mark_unread(user: User, entry_ids: Iterable[int]) -> int:
    """Make these entries unread, and say how many there are; those of feeds not subscribed to stay as they are."""
    ids = list(entry_ids)
    _ensure_rows(user, ids)
    return State.objects.filter(user=user, entry__in=ids).update(read_at=None)


def undo(user: User, marked_at: datetime) -> int:
    """Take back what was marked read at that moment, and say how many entries it was."""
    return State.objects.filter(user=user, read_at=marked_at).update(read_at=None)


def star(user: User, entry_ids: Iterable[int], *, starred: bool = True) -> int:
    """Star these entries or take their stars away; those of feeds not subscribed to stay as they are."""
    ids = list(entry_ids)
    if not starred:
        return State.objects.filter(user=user, entry__in=ids).update(starred_at=None)
    _ensure_rows(user, ids)
    return State.objects.filter(user=user, entry__in=ids, starred_at=None).update(starred_at=timezone.now())


def forget_read(*, before: datetime | None = None) -> int:
    """Drop the rows that only say what no row says too."""
    before = before or timezone.now() - KEPT_READ
    return State.objects.filter(read_at__lt=before, starred_at=None).delete()[0]


def _mark(states: QuerySet[State]) -> tuple[int, datetime]:
    now = timezone.now()
    return states.update(read_at=now), now


def _ensure_rows(user: User, entry_ids: list[int]) -> None:
    """Rows, as read, for entries that have none."""
    now = timezone.now()
    entries = Entry.objects.filter(pk__in=entry_ids, feed__subscriptions__user=user)
    State.objects.bulk_create(
        [
            State(user=user, entry_id=pk, feed_id=feed, published=published, read_at=now)
            for pk, feed, published in entries.values_list("pk", "feed", "published")
        ],
        ignore_conflicts=True,
    )
