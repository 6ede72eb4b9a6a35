"""A machine under a watch: the real observer, counting and judge, over a log that is written as the clock goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pawl.deploys.board import Board
from pawl.deploys.observing import Ending, Observer
from pawl.engines.base import Asked, Candidate, Condition
from pawl.observe import baseline
from pawl.observe.counting import Counting
from pawl.observe.signals import LoggedSignals, SignalSource
from pawl.observe.store import SignalStore
from pawl.observe.watch import Watch
from tests.unit.observe.observe_rig import T0, line

OLD, NEW = "unix//run/pawl/i/1.sock", "unix//run/pawl/i/2.sock"
BEFORE_S, RATE, DURATION_S = 300, 10, 90
Result = TypeVar("Result")


@dataclass(slots=True)
class Machine:
    """A machine with a candidate that serves ten requests a second; a second passes at each look at the candidate.

    ``steps`` are the seconds by which the clock is set, by the second in which that happens; from second
    ``fails_from`` on every fifth request fails. Requests take 0.15 s or so, the candidate's ``slower`` times as long.
    """

    log: Path
    store: SignalStore
    counting: Counting
    steps: dict[int, float]
    fails_from: int = 10_000
    slower: float = 1.0
    steady_s: int = 0
    wall: float = T0 + BEFORE_S
    served: int = field(default=0, init=False)
    chance: random.Random = field(default_factory=lambda: random.Random(1), init=False)

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return float(self.steady_s)

    async def condition(self, _candidate: Candidate) -> Condition:
        self.wall += 1 + self.steps.get(self.steady_s, 0)
        is_bad = self.steady_s >= self.fails_from
        self.steady_s += 1
        statuses = [500 if is_bad and number % 5 == 0 else 200 for number in range(RATE)]
        self.serve(NEW, self.wall, statuses=statuses, slower=self.slower)
        self.counting.catch_up()
        self.served += RATE
        return Condition(instances=1, healthy=1)

    async def check(self, _candidate: Candidate, path: str) -> Asked | None:
        return None

    def serve(self, upstream: str, at: float, *, statuses: list[int], slower: float = 1.0) -> None:
        with self.log.open("ab") as file:
            for status in statuses:
                took_s = slower * self.chance.lognormvariate(-1.9, 0.3)
                file.write(line(at, upstream=upstream, status=status, duration=took_s))

    async def ask(self, question: Callable[[SignalSource], Result]) -> Result:
        return question(LoggedSignals(self.store))


def watched(
    machine: Machine, board: Board | None = None, *, began: float | None = None, duration_s: float = DURATION_S
) -> Observer:
    """An observer of the candidate, since now or ``began``."""
    source, began = LoggedSignals(machine.store), began or machine.wall
    usual = baseline.read(source, "demo", ["old"], before=began)
    assert usual.requests == BEFORE_S * RATE
    return Observer(
        Candidate(app="demo", deploy="d2", release="new", settings=0),
        Watch("demo", "new", usual, began=began, duration_s=duration_s),
        old=None, engine=machine, signals=machine, board=board or Board(), look_every_s=0,
    )  # fmt: skip


def watch(machine: Machine, *, duration_s: float = DURATION_S) -> tuple[Ending, int]:
    """Watch the candidate to the end; what was seen, and how many requests the judge was told of."""
    observer = watched(machine, duration_s=duration_s)
    ending = asyncio.run(observer.run(duration_s=duration_s))
    return ending, observer.watch.judge.requests
