"""Faults that take minutes to show, in a watch as it is in production, by a clock that need not be waited for."""

from __future__ import annotations

from pawl.observe.judge.findings import VerdictKind
from tests.unit.deploys.machine_rig import Machine, watch


def test_a_failure_that_starts_two_minutes_in_is_taken_back_within_half_a_minute(machine: Machine) -> None:
    machine.fails_from = 120
    ending, _ = watch(machine, duration_s=300)
    assert ending.verdict.kind is VerdictKind.ROLL_BACK
    assert ending.verdict.why.startswith("errors")
    assert 120 < ending.observation.elapsed_s < 150
    before = [point.log_e for point in ending.observation.path if point.elapsed_s <= 120]
    assert max(before) < 1


def test_a_change_by_which_all_requests_take_30_percent_longer_is_taken_back(machine: Machine) -> None:
    machine.slower = 1.3
    ending, _ = watch(machine, duration_s=300)
    assert ending.verdict.kind is VerdictKind.ROLL_BACK
    assert ending.verdict.why.startswith("slower than the")
    assert 30 < ending.observation.elapsed_s < 120


def test_one_by_which_they_take_5_percent_longer_is_not(machine: Machine) -> None:
    machine.slower = 1.05
    ending, _ = watch(machine, duration_s=300)
    assert ending.verdict.kind in (VerdictKind.KEEP, VerdictKind.INCONCLUSIVE)
