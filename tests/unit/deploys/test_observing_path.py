"""How the evidence ran is kept with the verdict."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from pawl.deploys.board import Board
from pawl.ledger.observations import Observation
from tests.unit.deploys.machine_rig import DURATION_S, Machine, watched


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
    assert seen[-1].path == path
    assert all(shown.path == path[: len(shown.path)] for shown in seen), "what is shown meanwhile is its beginning"
    assert len({len(shown.path) for shown in seen}) > 5


def test_a_watch_that_was_cut_off_and_fed_again_has_the_same_path(machine: Machine) -> None:
    machine.fails_from = 40
    began = machine.wall
    first = asyncio.run(watched(machine).run(duration_s=DURATION_S)).observation
    again = asyncio.run(watched(machine, began=began).run(duration_s=DURATION_S, elapsed_s=DURATION_S)).observation
    assert again.verdict == first.verdict == "roll back"
    assert again.path == first.path
