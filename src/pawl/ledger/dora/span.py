"""What a ledger answers when it is asked for the measures of a span, and the same made from rows in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from pawl.ledger.dora.day import Day, summed_up
from pawl.ledger.dora.facts import Measured, Named
from pawl.ledger.records import IncidentView


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The days of a span with a deploy that ended, by day and app, and what happened to single deploys of them.

    ``notable``: deploys from the first day on, to this day and not only to the last of the span, that may have failed
    or mended what had, in the order they went live. ``named``: the incidents that name a deploy. ``first_day`` is the
    first of all with a deploy, whatever the span; None if there is none.
    """

    first_day: str | None
    days: tuple[Day, ...]
    notable: tuple[Measured, ...]
    named: tuple[Named, ...]


def of_rows(
    rows: Iterable[Measured], incidents: Sequence[IncidentView], *, app: str | None, since: str, until: str
) -> Span:
    """The span of rows and incidents (in the order they were opened) in memory."""
    ended = [row for row in rows if row.day and app in (None, row.app)]
    by_day: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for row in ended:
        if since <= row.day <= until:
            by_day[row.day, row.app].append(row)
    mine = [one for one in incidents if app in (None, one.app)]
    named = tuple(
        Named(one.id, one.caused_by, one.fixed_by, one.ended_at)
        for one in mine
        if (one.caused_by, one.fixed_by) != (None, None)
    )
    telling = {deploy for one in incidents for deploy in (one.caused_by, one.fixed_by)}
    notable = [row for row in ended if row.day >= since and (row.is_notable or row.deploy in telling)]
    return Span(
        first_day=min((row.day for row in ended), default=None),
        days=tuple(summed_up(of, day, found) for (day, of), found in sorted(by_day.items())),
        notable=tuple(sorted(notable, key=lambda row: (row.live_at, row.deploy))),
        named=named,
    )
