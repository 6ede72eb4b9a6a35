"""The candidate beside the baseline, route by route."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.dashboard.pages.waterfall import unix
from pawl.dashboard.visit import Visit
from pawl.errors import PawlError
from pawl.ledger.observations import Observation
from pawl.ledger.records import DeployView
from pawl.model import Stage
from pawl.observe.signals import LoggedSignals, Window

_MOST_ROUTES = 20
_BASELINE_S = 3600.0
_WATCH_S = 300.0


@dataclass(frozen=True, slots=True)
class Side:
    """One route of both; ``what`` says in what it is worse, empty where the watch found nothing."""

    route: str
    candidate: Window | None
    baseline: Window | None
    what: str = ""


async def by_route(visit: Visit, deploy: DeployView, seen: Observation | None) -> list[Side]:
    """The routes that the candidate served most, during its watch, and the same of what was live in the hour before.

    Empty before it serves, and where nothing was live before.
    """
    old = seen.baseline_releases[0] if seen and seen.baseline_releases else None
    old = old or (deploy.from_live.release if deploy.from_live else None)
    began = serves_since(deploy)
    if began is None or old is None or old == deploy.release:
        return []
    watched_since = unix(deploy.switched_at) if deploy.switched_at else began
    until = min(visit.clock.now, watched_since + max(seen.elapsed_s if seen else 0.0, _WATCH_S))
    if deploy.ended_at is not None:
        until = min(until, max(unix(deploy.ended_at), began + 5))
    worse = {one.route: one.what for one in seen.routes} if seen else {}

    def read(source: LoggedSignals) -> tuple[list[Window], list[Window]]:
        candidate = source.routes(deploy.app, began=began, ended=until, release=deploy.release)
        return candidate, source.routes(deploy.app, began=began - _BASELINE_S, ended=began, release=old)

    try:
        candidate, baseline = await visit.place.ask(read)
    except PawlError:
        return []
    before = {one.route: one for one in baseline}
    rows = [Side(one.route or "", one, before.get(one.route), worse.get(one.route or "", "")) for one in candidate]
    there = {one.route for one in candidate}
    rows += [Side(one.route or "", None, one) for one in baseline if one.route not in there]
    rows.sort(key=lambda row: not row.what)
    return rows[:_MOST_ROUTES]


def serves_since(deploy: DeployView) -> float | None:
    """When the first request may have gone to the candidate, in Unix time; None if none has."""
    canary = next((one.began_at for one in deploy.stages if one.stage is Stage.CANARY), None)
    began = canary or deploy.switched_at
    return unix(began) if began else None
