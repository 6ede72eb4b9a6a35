"""The ledger through the API: a page of its events, and all of them for an export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from pawl.daemon.pawld import Pawld
from pawl.errors import UsageError
from pawl.ledger import transfer
from pawl.ledger.events import Event, kind_of
from pawl.ledger.records import Recorded, iso_utc
from pawl.ledger.searching import Wanted

Json = dict[str, object]

KINDS = frozenset(kind_of(kind) for kind in Event.__args__)


class EventsQuery(msgspec.Struct, frozen=True):
    """Which events; ``kind`` may be several with commas, ``since`` and ``until`` are Unix seconds, ``place`` another
    place of a team's database."""

    text: str = ""
    app: str | None = None
    deploy: str | None = None
    kind: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None
    after: int | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    place: str | None = None


def events(pawld: Pawld, query: EventsQuery) -> Json:
    """A page of the events, newest first; ``older`` is what ``before`` is to be for the next one, null at the end.

    Raises:
        UsageError: there is no such kind or place.
    """
    kinds = None if query.kind is None else query.kind.split(",")
    if unknown := [kind for kind in kinds or () if kind not in KINDS]:
        raise UsageError(f"there is no kind of event '{unknown[0][:60]}'", why=f"there are: {', '.join(sorted(KINDS))}")
    ledger = pawld.ledger if query.place is None else pawld.ledger.at_place(query.place)
    found = ledger.search(
        Wanted(
            text=query.text, app=query.app, deploy=query.deploy, kinds=kinds, since=_iso(query.since),
            until=_iso(query.until), before=query.before, after=query.after, limit=query.limit,
        )
    )  # fmt: skip
    return {"place": ledger.place, "events": [_shown(one) for one in found.events], "older": found.older}


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    try:
        return iso_utc(datetime.fromtimestamp(at, UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError("this is no time that can be", why=str(error)) from error


def _shown(one: Recorded) -> Json:
    return {
        "seq": one.seq, "at": one.at, "app": one.app, "deploy": one.deploy, "kind": one.kind,
        "data": msgspec.to_builtins(one.event),
    }  # fmt: skip


async def exported(pawld: Pawld) -> AsyncIterator[bytes]:
    """The lines of an export; others have their turn between its pieces."""
    for piece in transfer.exported(pawld.ledger):
        yield piece
        await asyncio.sleep(0)
