"""Which changes failed in production, since when it was well again, and which deploys were hotfixes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter

import msgspec

from pawl.ledger.dora.facts import ROLLED_BACK, TAKEN_BACK, Named, Notable


class Failure(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change that failed in production; ``how``: taken back, condemned, rolled back or named by an incident.

    ``place`` is where, in a team's database: ids of deploys and incidents are of a place.
    ``recovered_at`` is None while it is not over; ``recovery_s`` is then how long it has lasted.
    """

    deploy: str
    app: str
    day: str
    how: str
    live_at: str
    recovered_at: str | None
    recovery_s: float
    incidents: tuple[str, ...] = ()
    place: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say of single deploys: failures in the order they went live, and the days of the others.

    ``elsewhere``: taken back, but what was restored was as bad, so the cause was elsewhere; not among the failures.
    """

    failures: tuple[Failure, ...] = ()
    hotfixes: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def found(notable: Sequence[Notable], named: Iterable[Named], *, now: str, place: str = "") -> Found:
    """The failures and hotfixes among deploys of one or more apps of a place; ``now`` in ISO 8601 UTC.

    ``notable`` holds every deploy of theirs that may have failed from some day on, in the order they went live.
    """
    incidents, fixes = _by_cause(named)
    live = [row for row in notable if row.is_normal and row.live_at]
    failed = {row.deploy: how for row in live if (how := _how(row, incidents.get(row.deploy)))}
    rows = {row.deploy: row for row in live}
    return Found(
        failures=tuple(
            [_failure(rows[deploy], how, rows, failed, incidents, now, place) for deploy, how in failed.items()]
        ),
        hotfixes=tuple(
            row.day for row in live if row.deploy in fixes or (row.says_urgent and row.follows in failed)
        ),
        elsewhere=tuple(row.day for row in live if row.is_elsewhere and row.deploy not in failed),
    )  # fmt: skip


def of_all(known: Sequence[Found]) -> Found:
    """What was found in several places, as one."""
    if len(known) == 1:
        return known[0]
    failures = sorted(chain.from_iterable(one.failures for one in known), key=attrgetter("live_at"))
    return Found(
        failures=tuple(failures), hotfixes=tuple(chain.from_iterable(one.hotfixes for one in known)),
        elsewhere=tuple(chain.from_iterable(one.elsewhere for one in known)),
    )  # fmt: skip


_Incidents = Mapping[str, Sequence[Named]]


def _by_cause(named: Iterable[Named]) -> tuple[_Incidents, set[str | None]]:
    """The incidents by the deploy that caused them, and the deploys that ended one."""
    causes: dict[str, list[Named]] = defaultdict(list)
    fixes: set[str | None] = set()
    for one in named:
        fixes.add(one.fixed_by)
        if one.caused_by is not None:
            causes[one.caused_by].append(one)
    return causes, fixes


def _how(row: Notable, incidents: Sequence[Named] | None) -> str:
    """How the change failed; empty if it did not. What people say of it in an incident counts before all."""
    if incidents:
        return "incident"
    if row.condemned_at and not row.is_elsewhere:
        return TAKEN_BACK if row.left_how == TAKEN_BACK else "condemned"
    return ROLLED_BACK if row.left_how == ROLLED_BACK else ""


def _failure(row: Notable, how: str, rows: Mapping[str, Notable], failed: Mapping[str, str], incidents: _Incidents, now: str, place: str) -> Failure:  # fmt: skip  # noqa: E501
    named = incidents.get(row.deploy, ())
    recovered_at = _over_at(named) if named else _served_well_at(row, rows, failed)
    return Failure(
        deploy=row.deploy, app=row.app, day=row.day, how=how, live_at=row.live_at, recovered_at=recovered_at,
        recovery_s=_seconds(row.live_at, max(recovered_at or now, row.live_at)),
        incidents=tuple([one.incident for one in named]) if named else (), place=place,
    )  # fmt: skip


def _over_at(named: Sequence[Named]) -> str | None:
    """When the last of the incidents that name a change was over; None while one is not."""
    ends = [one.ended_at for one in named]
    return None if None in ends else max(end for end in ends if end)


def _served_well_at(row: Notable, rows: Mapping[str, Notable], failed: Mapping[str, str]) -> str | None:
    """When something served that has not failed: what it was taken back to, or what came after it; None if nothing has.

    What comes after may have failed too: of a chain the end counts.
    """
    if row.left_for not in failed:
        return row.left_at or None
    seen = set[str]()
    while row.left_at and row.left_for in failed and row.left_for not in seen:
        seen.add(row.left_for)
        row = rows[row.left_for]
    return row.left_at or None


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
