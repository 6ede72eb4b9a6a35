"""What a ledger answers when it is asked for the measures of a span, and the same made from rows in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pawl.ledger.dora.day import Day, in_order, of_deploy, together
from pawl.ledger.dora.facts import Measured, Named, Notable, Place, notable_of
from pawl.ledger.records import IncidentView

ALL = ""
"""What the days of all apps together have in place of one's name."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The days of a span with a deploy that ended, one after the other, and what happened to single deploys of them.

    ``notable``: deploys from the first day on, to this day and not only to the last of the span, that may have failed
    or mended what had, in the order they went live. ``named``: the incidents that name a deploy. ``first_day`` is the
    first of all with a deploy, whatever the span; None if there is none.
    """

    first_day: str | None
    days: tuple[Day, ...]
    notable: tuple[Notable, ...]
    named: tuple[Named, ...]


class KeptRows:
    """:class:`pawl.ledger.dora.facts.Rows` in memory."""

    def __init__(self) -> None:
        self.deploys: dict[str, Measured] = {}
        self._places: dict[str, Place] = {}
        self._days: dict[str, dict[str, Day]] = {ALL: {}}

    def deploy(self, deploy: str) -> Measured | None:
        return self.deploys.get(deploy)

    def keep(self, row: Measured) -> None:
        self.deploys[row.deploy] = row

    def place(self, app: str) -> Place:
        return self._places.get(app, Place())

    def keep_place(self, app: str, place: Place) -> None:
        self._places[app] = place

    def end(self, row: Measured) -> None:
        more = of_deploy(row)
        for app in {row.app, ALL}:
            days = self._days.setdefault(app, {})
            days[row.day] = together(days.get(row.day, Day(app, row.day)), more)

    def span(self, incidents: Sequence[IncidentView], *, app: str | None, since: str, until: str) -> Span:
        """The span, with incidents in the order they were opened."""
        days = self._days.get(ALL if app is None else app, {})
        mine = [one for one in incidents if app in (None, one.app)]
        telling = {deploy for one in incidents for deploy in (one.caused_by, one.fixed_by)}
        notable = [
            notable_of(row)
            for row in self.deploys.values()
            if row.day and row.day >= since and app in (None, row.app) and (row.is_notable or row.deploy in telling)
        ]
        return Span(
            first_day=min(days, default=None),
            days=tuple(in_order(days[day]) for day in sorted(days) if since <= day <= until),
            notable=tuple(sorted(notable, key=lambda row: (row.live_at, row.deploy))),
            named=tuple(
                Named(one.id, one.caused_by, one.fixed_by, one.ended_at)
                for one in mine
                if (one.caused_by, one.fixed_by) != (None, None)
            ),
        )
