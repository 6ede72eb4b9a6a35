"""A guard that watches for itself, over an engine some of whose releases are sick, under a steady traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from pawl.config.schema import Observe
from pawl.deploys.board import Board
from pawl.deploys.guard import Guard
from pawl.engines.base import Candidate, Condition
from pawl.engines.fake import FakeEngine
from pawl.ledger.events import VerdictReached
from pawl.ledger.records import DeployView
from pawl.model import release_id
from pawl.observe import lanes
from pawl.observe.gauges import Reading
from pawl.observe.histogram import Histogram, bucket_of
from pawl.observe.signals import SignalSource, Window
from pawl.observe.tally import Tally, class_of
from tests.unit.deploys.deploys_rig import FULL, Rig

Result = TypeVar("Result")
GOOD = replace(FULL, observe=Observe(duration_s=10.0))


class Traffic:
    """A source by which every release has always served ``per_s`` good requests a second; none once it is ``idle``."""

    def __init__(self) -> None:
        self.is_idle = False
        self.per_s = 10

    def check(self) -> None: ...

    def finest_step_s(self, began: float) -> int:
        return 5

    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window:
        count = 0 if self.is_idle else int((ended - began) * self.per_s)
        tally = Tally(lanes.of_counts({class_of(200): count}), Histogram(lanes.of_counts({bucket_of(0.05): count})))
        return Window(app, began, ended, tally, release, route)

    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        first = int(began // step_s) * step_s
        return [
            self.window(app, began=at, ended=at + step_s, release=release, route=route)
            for at in range(first, int(ended), step_s)
        ]

    def routes(self, app: str, *, began: float, ended: float, release: str | None = None) -> list[Window]:
        return []

    def gauges(
        self, app: str, name: str, *, began: float, ended: float, release: str | None = None
    ) -> dict[str, Reading]:
        return {}

    async def ask(self, question: Callable[[SignalSource], Result]) -> Result:
        return question(self)


class Sickly(FakeEngine):
    """An engine some of whose releases, named by their commits' titles, die again and again once they run."""

    sick: frozenset[str] = frozenset()

    async def condition(self, candidate: Candidate) -> Condition:
        is_sick = candidate.release in {release_id(Rig().commit(name).sha) for name in self.sick}
        return Condition(instances=2, healthy=2, looping=("web.1",) if is_sick else ())


def guarded(*sick: str) -> tuple[Rig, Traffic]:
    """A rig whose deploys are watched by the real guard; the named commits make sick releases."""
    rig, traffic = Rig(Sickly, clock=lambda: datetime.now(UTC)), Traffic()
    assert isinstance(rig.engine, Sickly)
    rig.engine.sick = frozenset(sick)
    use_guard(rig, traffic)
    return rig, traffic


def use_guard(rig: Rig, traffic: Traffic) -> Guard:
    """Have a guard that has seen nothing yet, as a new pawld has."""
    guard = Guard(rig.ledger, rig.engine, traffic, Board(), look_every_s=0.01)
    rig.use(guard)
    return guard


def verdict(rig: Rig, deploy: DeployView) -> VerdictReached:
    (found,) = rig.ledger.events(deploy=deploy.id, kinds={"verdict_reached"})
    assert isinstance(found.event, VerdictReached)
    return found.event
