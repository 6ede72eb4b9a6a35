"""A watch while somebody sets the machine's clock: the steady clock says when it is over, and it goes on counting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from pawl.deploys import observing
from pawl.deploys.board import Board
from pawl.deploys.observing import Ending, Observer
from pawl.engines.base import Candidate, Condition
from pawl.ledger.observations import Observation
from pawl.observe import baseline
from pawl.observe.attribution import Tenure
from pawl.observe.counting import Counting
from pawl.observe.judge.findings import VerdictKind
from pawl.observe.signals import LoggedSignals, SignalSource
from pawl.observe.store import SignalStore
from pawl.observe.watch import Watch
from tests.unit.observe.observe_rig import T0, counting, line

OLD, NEW = "unix//run/pawl/i/1.sock", "unix//run/pawl/i/2.sock"
BEFORE_S, RATE, DURATION_S = 300, 10, 90
Result = TypeVar("Result")


@dataclass(slots=True)
class Machine:
    """A machine with a candidate that serves ten requests a second; a second passes at each look at the candidate.

    ``steps`` are the seconds by which the clock is set, by the second in which that happens; from second
    ``fails_from`` on every fifth request fails.
    """

    log: Path
    store: SignalStore
    counting: Counting
    steps: dict[int, float]
    fails_from: int = 10_000
    steady_s: int = 0
    wall: float = T0 + BEFORE_S
    served: int = field(default=0, init=False)

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return float(self.steady_s)

    async def condition(self, _candidate: Candidate) -> Condition:
        self.wall += 1 + self.steps.get(self.steady_s, 0)
        is_bad = self.steady_s >= self.fails_from
        self.steady_s += 1
        self.serve(NEW, self.wall, statuses=[500 if is_bad and number % 5 == 0 else 200 for number in range(RATE)])
        self.served += RATE
        return Condition(instances=1, healthy=1)

    def serve(self, upstream: str, at: float, *, statuses: list[int]) -> None:
        with self.log.open("ab") as file:
            file.writelines(line(at, upstream=upstream, status=status) for status in statuses)
        self.counting.catch_up()

    async def ask(self, question: Callable[[SignalSource], Result]) -> Result:
        return question(LoggedSignals(self.store))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    store, counter = counting(tmp_path)
    store.instance_began(Tenure(OLD, "demo", "old", "web.1", T0 - 86_400))
    store.instance_began(Tenure(NEW, "demo", "new", "web.1", T0 - 86_400))
    machine = Machine(tmp_path / "access.log", store, counter, {})
    for second in range(BEFORE_S):
        with machine.log.open("ab") as file:
            file.writelines(line(T0 + second, upstream=OLD) for _ in range(RATE))
    counter.catch_up()
    monkeypatch.setattr(observing, "time", machine)
    yield machine
    counter.close()
    store.close()


def watched(machine: Machine, board: Board | None = None, *, began: float | None = None) -> Observer:
    source, began = LoggedSignals(machine.store), began or machine.wall
    usual = baseline.read(source, "demo", ["old"], before=began)
    assert usual.requests == BEFORE_S * RATE
    return Observer(
        Candidate(app="demo", deploy="d2", release="new", settings=0),
        Watch("demo", "new", usual, began=began, duration_s=DURATION_S),
        old=None, engine=machine, signals=machine, board=board or Board(), look_every_s=0,
    )  # fmt: skip


def watch(machine: Machine) -> tuple[Ending, int]:
    """Watch the candidate to the end; what was seen, and how many requests the judge was told of."""
    observer = watched(machine)
    ending = asyncio.run(observer.run(duration_s=DURATION_S))
    return ending, observer.watch.judge.requests


STEPS = {
    "back by a minute": {30: -60.0},
    "back by an hour": {30: -3600.0},
    "back by a day": {30: -86_400.0},
    "on by an hour": {30: 3600.0},
    "on and back": {20: 7200.0, 50: -7200.0},
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_watch_ends_in_its_time_and_blames_nobody(machine: Machine, steps: dict[int, float]) -> None:
    machine.steps = steps
    ending, judged = watch(machine)
    assert DURATION_S <= machine.steady_s <= DURATION_S + 2
    assert ending.verdict.kind in (VerdictKind.KEEP, VerdictKind.INCONCLUSIVE)
    assert not ending.is_cut
    lost = 15 * RATE * (1 + len(steps))  # the buckets under way at each step, and those at the end
    assert machine.served - lost <= judged <= machine.served


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_what_begins_to_fail_after_the_clock_was_set_is_seen(machine: Machine, steps: dict[int, float]) -> None:
    machine.steps, machine.fails_from = steps, 52
    ending, _ = watch(machine)
    assert ending.verdict.kind is VerdictKind.ROLL_BACK
    assert machine.steady_s < DURATION_S


@pytest.mark.parametrize("fails_from", [10_000, 40])
def test_the_verdict_has_the_evidence_bucket_by_bucket(machine: Machine, fails_from: int) -> None:
    machine.fails_from, board = fails_from, Board()
    seen: list[Observation] = []
    board.subscribe(lambda _deploy, _at, shown: seen.append(shown))
    ending = asyncio.run(watched(machine, board).run(duration_s=DURATION_S))
    path = ending.observation.path
    steps = [round(after.elapsed_s - before.elapsed_s, 3) for before, after in pairwise(path)]
    assert len(path) >= 10
    assert set(steps) == {5.0}
    assert [point.requests for point in path] == sorted(point.requests for point in path)
    assert path[-1].log_e == ending.observation.log_e
    reached = [point.log_e >= ending.observation.log_threshold for point in path]
    assert reached == [*[False] * (len(path) - 1), fails_from == 40]
    assert {shown.path for shown in seen} == {()}


def test_a_watch_that_was_cut_off_and_fed_again_has_the_same_path(machine: Machine) -> None:
    machine.fails_from = 40
    began = machine.wall
    first = asyncio.run(watched(machine).run(duration_s=DURATION_S)).observation
    again = asyncio.run(watched(machine, began=began).run(duration_s=DURATION_S, elapsed_s=DURATION_S)).observation
    assert again.verdict == first.verdict == "roll back"
    assert again.path == first.path


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_path_goes_on_where_the_clock_was_set(machine: Machine, steps: dict[int, float]) -> None:
    machine.steps = steps
    ending, _ = watch(machine)
    elapsed = [point.elapsed_s for point in ending.observation.path]
    assert all(0 < after - before <= 5 for before, after in pairwise(elapsed))
    assert elapsed[-1] <= DURATION_S
