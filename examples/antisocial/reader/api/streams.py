"""The entries of a stream, in the order they came (``timestampUsec`` is when), a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from reader.api.ids import BadNameError, Stream, stream
from reader.models import Entry, State, Subscription
from reader.text import feed_url

_UNREAD = ("unread", "kept-unread", "fresh")
_EMPTY = ("label", "like", "broadcast", "broadcast-friends", "created")


@dataclass(frozen=True)
class Asked:
    """What a call wants of a stream: filters, order, and where the page begins and how long it may be."""

    stream: Stream
    included: tuple[Stream, ...]
    excluded: tuple[Stream, ...]
    since: datetime | None
    until: datetime | None
    is_oldest_first: bool
    after: int | None
    most: int


def asked(query: QueryDict, stream_id: str, *, usual: int, most: int) -> Asked:
    """What ``query`` says. Numbers that are none, or too great, count as left out. Raises BadNameError."""
    wanted = whole_number(query.get("n", ""))
    return Asked(
        stream=stream(stream_id),
        included=tuple(stream(name) for name in query.getlist("it") if name),
        excluded=tuple(stream(name) for name in query.getlist("xt") if name),
        since=moment(query.get("ot", "")),
        until=moment(query.get("nt", "")),
        is_oldest_first=query.get("r") == "o",
        after=whole_number(query.get("c", "")),
        most=min(usual if wanted is None else wanted, most),
    )


def page_of(user: User, wanted: Asked) -> tuple[list[int], str]:
    """The ids of a page, and where the next one begins, or nothing if this is the last."""
    rows, name = _rows(user, wanted)
    if wanted.after is not None:
        rows = rows.filter(**{f"{name}__{'gt' if wanted.is_oldest_first else 'lt'}": wanted.after})
    ordered = rows.order_by(name if wanted.is_oldest_first else f"-{name}")
    ids = list(ordered.values_list(name, flat=True)[: wanted.most + 1])
    page = ids[: wanted.most]
    return page, str(page[-1]) if page and len(ids) > len(page) else ""


def feed_id(user: User, name: str) -> int | None:
    """The feed of ``user`` that a stream id names by number or by address; None if there is none."""
    subscriptions = Subscription.objects.filter(user=user)
    if name.isdecimal() and len(name) < 19:
        found = subscriptions.filter(feed=int(name))
    else:
        try:
            found = subscriptions.filter(feed__url__in=[name, feed_url(name)])
        except ValueError:
            return None
    return found.values_list("feed", flat=True).first()


def whole_number(text: str) -> int | None:
    """A number of at most eighteen digits, or None."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None


def moment(text: str) -> datetime | None:
    """A time in seconds, milliseconds or microseconds since 1970, as apps send them; None if it is none of these."""
    number = whole_number(text.partition(".")[0])
    if not number:
        return None
    seconds = number / (1_000_000 if number >= 10**15 else 1000 if number >= 10**12 else 1)
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError):
        return None


def _rows(user: User, wanted: Asked) -> tuple[QuerySet[Any], str]:
    """The rows of a stream, and the name of the entry's id in them.

    What is unread or starred has a state, and its states are few among all entries: those are looked through.
    """
    needed = {found.kind for found in (wanted.stream, *wanted.included)} & {"starred", *_UNREAD}
    if needed or any(found.kind == "read" for found in wanted.excluded):
        rows, name, when = State.objects.filter(user=user), "entry_id", "entry__fetched_at"
        condition: Callable[[User, Stream], Q] = _of_states
    else:
        rows, name, when = Entry.objects.filter(feed__subscriptions__user=user), "pk", "fetched_at"
        condition = _of_entries
    for target in (wanted.stream, *wanted.included):
        rows = rows.filter(condition(user, target))
    for target in wanted.excluded:
        rows = rows.exclude(condition(user, target))
    if wanted.since:  # a later entry has a greater id, and ids are the order that is asked for
        rows = rows.filter(**{f"{name}__gte": _first_since(wanted.since)})
    if wanted.until:
        rows = rows.filter(**{f"{when}__lte": wanted.until})
    return rows, name


def _first_since(since: datetime) -> int:
    came = Entry.objects.filter(fetched_at__gte=since).order_by("fetched_at")
    return came.values_list("pk", flat=True).first() or 2**62


def _of_states(user: User, wanted: Stream) -> Q:
    """Which states are in a stream."""
    if wanted.kind == "read":
        return Q(read_at__isnull=False)
    if wanted.kind in _UNREAD:
        return Q(read_at=None)
    if wanted.kind == "starred":
        return Q(starred_at__isnull=False)
    return _of_either(user, wanted)


def _of_entries(user: User, wanted: Stream) -> Q:
    """Which entries are in a stream; one without a state is read and not starred."""
    states = State.objects.filter(user=user, entry=OuterRef("pk"))
    if wanted.kind == "read":
        return ~Q(Exists(states.filter(read_at=None)))
    if wanted.kind in _UNREAD:
        return Q(Exists(states.filter(read_at=None)))
    if wanted.kind == "starred":
        return Q(Exists(states.filter(starred_at__isnull=False)))
    return _of_either(user, wanted)


def _of_either(user: User, wanted: Stream) -> Q:
    if wanted.kind == "reading-list":
        return Q(feed__isnull=False)
    if wanted.kind == "feed":
        return Q(feed=feed_id(user, wanted.name) or 0)
    if wanted.kind in _EMPTY:
        return Q(pk__in=[])
    raise BadNameError(f"{wanted.kind[:80]!r} is not a stream")
