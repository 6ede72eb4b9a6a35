"""A watch while somebody sets the machine's clock: the steady clock says when it is over, and it goes on counting."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pawl.observe.judge.findings import VerdictKind
from tests.unit.deploys.machine_rig import DURATION_S, RATE, Machine, watch

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


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_a_path_goes_on_where_the_clock_was_set(machine: Machine, steps: dict[int, float]) -> None:
    machine.steps = steps
    ending, _ = watch(machine)
    elapsed = [point.elapsed_s for point in ending.observation.path]
    assert all(0 < after - before <= 5 for before, after in pairwise(elapsed))
    assert elapsed[-1] <= DURATION_S
