"""What ``GET /v1/dora`` answers: the measures of a span, as JSON."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from typing import Any

import msgspec

from pawl.daemon.pawld import Pawld
from pawl.daemon.requests import known
from pawl.errors import UsageError
from pawl.ledger.places import everywhere

Json = dict[str, Any]

_USUAL_S = 90 * 86_400
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()


class DoraQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which app, or of all; from when to when (Unix seconds; the last 90 days, until now).

    ``everywhere``: of all places of a team's database together, not of this one alone.
    """

    app: str | None = None
    since: float | None = None
    until: float | None = None
    everywhere: bool = False


async def dora(pawld: Pawld, query: DoraQuery, *, now: float) -> Json:
    """The measures of an app, also of one that was removed, or of all.

    Raises:
        UsageError: no such app, or no such span.
        StateError: the ledger cannot be read.
    """
    from pawl.ledger.dora.report import prepared  # a pawld that is never asked does without it

    ledgers, unread = everywhere(pawld.ledger) if query.everywhere else ([pawld.ledger], [])
    if query.app is not None and not any(one.deploys(query.app, limit=1) for one in ledgers):
        known(pawld, query.app)
    began, ended = _span(query, now)
    since, until = (datetime.fromtimestamp(at, UTC) for at in (began, ended))
    make = prepared(ledgers, query.app, since, until, unread=unread)
    found: Json = msgspec.to_builtins(await asyncio.to_thread(make))
    return found


def _span(query: DoraQuery, now: float) -> tuple[float, float]:
    for name, at in (("since", query.since), ("until", query.until)):
        if at is not None and not math.isfinite(at):
            raise UsageError(f"{name} is not a time")
    ended = now if query.until is None else max(_EARLIEST, min(query.until, now))
    began = ended - _USUAL_S if query.since is None else max(_EARLIEST, query.since)
    if began >= now:
        raise UsageError("the span begins in the future", next_step="ask for one that has begun: --since 90d")
    if began >= ended:
        raise UsageError("the span ends before it begins")
    return began, ended
