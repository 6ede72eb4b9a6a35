"""The entries of a stream, in the order they came (``timestampUsec`` is when), a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from reader.api.ids import BadNameError, Stream, stream
from reader.models import Entry, State, Subscription
from reader.text import feed_url


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
    entries = _filtered(user, wanted)
    if wanted.after is not None:
        entries = entries.filter(pk__gt=wanted.after) if wanted.is_oldest_first else entries.filter(pk__lt=wanted.after)
    ordered = entries.order_by("pk" if wanted.is_oldest_first else "-pk")
    ids = list(ordered.values_list("pk", flat=True)[: wanted.most + 1])
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


def _filtered(user: User, wanted: Asked) -> QuerySet[Entry]:
    entries = _of_stream(user, wanted.stream)
    for target in wanted.included:
        entries = entries.filter(_condition(user, target))
    for target in wanted.excluded:
        entries = entries.exclude(_condition(user, target))
    if wanted.since:
        entries = entries.filter(fetched_at__gte=wanted.since)
    if wanted.until:
        entries = entries.filter(fetched_at__lte=wanted.until)
    return entries


def _of_stream(user: User, wanted: Stream) -> QuerySet[Entry]:
    if wanted.kind == "starred":  # also of feeds not subscribed to any more
        return Entry.objects.filter(_condition(user, wanted))
    mine = Entry.objects.filter(feed__subscriptions__user=user)
    return mine if wanted.kind == "reading-list" else mine.filter(_condition(user, wanted))


def _condition(user: User, wanted: Stream) -> Q:
    """Which entries are in a stream, as a condition."""
    states = State.objects.filter(user=user, entry=OuterRef("pk"))
    match wanted.kind:
        case "reading-list":
            return Q(feed__subscriptions__user=user)
        case "read":  # no row means the same
            return ~Q(Exists(states.filter(read_at=None)))
        case "unread" | "kept-unread" | "fresh":
            return Q(Exists(states.filter(read_at=None)))
        case "starred":
            return Q(Exists(states.filter(starred_at__isnull=False)))
        case "feed":
            return Q(feed=feed_id(user, wanted.name) or 0)
        case "label" | "like" | "broadcast" | "broadcast-friends" | "created":
            return Q(pk__in=[])
    raise BadNameError(f"{wanted.kind[:80]!r} is not a stream")
