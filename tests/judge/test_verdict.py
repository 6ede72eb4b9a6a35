"""The judge of a deploy: what it says of each kind of watch, and how soon."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.observe.judge.calibration import calibrated
from pawl.observe.judge.findings import VerdictKind
from pawl.observe.judge.power import information_bound
from pawl.observe.judge.reference import NOTHING, Reference, reference
from pawl.observe.judge.threshold import log_threshold
from pawl.observe.judge.verdict import Judge
from tests.judge.traffic import binomial, traffic

ERRORS = reference(20_000, 100)
SLOW = {
    "slow50": Reference(20_000, 9_000, 0.45, 0.506, 0.75, 1.12),
    "slow95": Reference(20_000, 780, 0.039, 0.053, 0.16, 1.36),
}
ALL = {"errors": ERRORS, **SLOW}


def watched(judge: Judge, errors: Sequence[tuple[int, int]], rng: random.Random, *, slow: float = 0.45) -> Judge:
    for requests, events in errors:
        slow50 = binomial(rng, requests, slow)
        judge.add(requests, {"errors": events, "slow50": slow50, "slow95": min(slow50, binomial(rng, requests, 0.039))})
        if judge.is_final:
            break
    return judge


def test_a_healthy_change_is_kept_with_the_numbers_it_rests_on() -> None:
    rng = random.Random(1)
    verdict = watched(Judge(ALL), traffic(rng, rate=5, share=0.005), rng).verdict(is_over=True)
    assert (verdict.kind, verdict.is_final) == (VerdictKind.KEEP, True)
    errors = verdict.findings[0]
    assert (errors.signal, errors.requests, errors.limit, errors.is_healthy) == (
        "errors",
        verdict.requests,
        ERRORS.limit,
        True,
    )
    assert errors.share == pytest.approx(0.005, abs=0.004)
    assert errors.detectable
    assert ERRORS.limit < errors.detectable < 0.03


@pytest.mark.parametrize("rate", [1, 5, 20, 100])
def test_a_total_outage_is_taken_back_after_three_looks(rate: int) -> None:
    rng, baseline = random.Random(rate), ALL
    for _ in range(20):
        judge = watched(Judge(baseline), [(max(1, n), max(1, n)) for n, _ in traffic(rng, rate=rate, share=1.0)], rng)
        verdict = judge.verdict()
        assert verdict.kind is VerdictKind.ROLL_BACK
        assert 3 <= verdict.buckets <= 4
        assert verdict.findings[0].since_bucket == 0


@given(st.integers(1, 10_000), st.integers(1, 10_000))
@settings(max_examples=40, deadline=None)
def test_two_looks_never_take_a_change_back(first: int, second: int) -> None:
    judge = Judge(ALL, skipped={})
    for requests in (first, second):
        judge.add(requests, {"errors": requests, "slow50": requests, "slow95": requests})
    assert not judge.is_final


# Median and 90th percentile of seconds, of 15 minutes' watch; base 0.5 %, baseline of 20,000 requests.
POWER = [
    (1, 0.05, 120, 230), (1, 0.2, 30, 55), (1, 1.0, 15, 20),
    (5, 0.02, 145, 290), (5, 0.05, 35, 65), (5, 0.2, 15, 20),
    (20, 0.02, 50, 85), (20, 0.05, 15, 25), (20, 0.2, 15, 15),
    (100, 0.02, 20, 30), (100, 0.05, 15, 15),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "share", "middle", "late"), POWER)
def test_the_power_table_holds(rate: int, share: float, middle: int, late: int) -> None:
    rng, seconds = random.Random(f"{rate} {share}"), []
    for _ in range(40):
        judge = watched(Judge(ALL), traffic(rng, rate=rate, share=share), rng)
        assert judge.is_final
        seconds.append(judge.buckets * 5)
    assert statistics.median(seconds) <= 1.35 * middle + 5
    assert sorted(seconds)[35] <= 1.5 * late + 5


def test_few_more_requests_than_any_test_would_need() -> None:
    rng, requests = random.Random(8), []
    for _ in range(150):
        judge = watched(Judge(ALL), traffic(rng, rate=1, share=0.05, buckets=400), rng)
        requests.append(judge.requests)
    assert statistics.fmean(requests) / information_bound(0.05, 0.005) < 2.25


@pytest.mark.parametrize("rate", [1, 20])
def test_no_more_false_alarms_than_promised_over_baselines_drawn_anew(rate: int) -> None:
    rng, deploys, alarms = random.Random(rate), 150, 0
    for _ in range(deploys):
        found = reference(rate * 900, binomial(rng, rate * 900, 0.005))
        judge = watched(Judge({"errors": found, **SLOW}), traffic(rng, rate=rate, share=0.005), rng)
        alarms += judge.is_final
    assert alarms / deploys <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / deploys)


def test_a_slower_release_is_taken_back_for_its_latency() -> None:
    rng = random.Random(9)
    verdict = watched(Judge(ALL), traffic(rng, rate=20, share=0.005), rng, slow=0.7).verdict()
    assert verdict.kind is VerdictKind.ROLL_BACK
    assert verdict.why.startswith("slower than the median before")


def test_latency_of_the_first_half_minute_is_not_counted_but_its_errors_are() -> None:
    judge = Judge(ALL)
    for _ in range(6):
        judge.add(50, {"errors": 1, "slow50": 50, "slow95": 50})
    errors, slow50, _ = judge.findings()
    assert (errors.events, slow50.requests) == (6, 0)


def test_a_failure_that_starts_late_is_dated() -> None:
    rng = random.Random(10)
    judge = watched(Judge(ALL), traffic(rng, rate=20, share=lambda at: 0.005 if at < 24 else 0.2), rng)
    verdict = judge.verdict()
    assert verdict.kind is VerdictKind.ROLL_BACK
    assert verdict.buckets <= 24 + 5
    assert verdict.findings[0].since_bucket == pytest.approx(24, abs=1)


def test_no_traffic_is_inconclusive_and_a_source_that_is_down_is_no_data() -> None:
    idle, blind, half = Judge(ALL), Judge(ALL), Judge(ALL)
    for at in range(180):
        idle.add(0, {})
        blind.miss()
        half.add(50, {"errors": 0, "slow50": 22, "slow95": 2}) if at % 3 else half.miss()
    assert (idle.verdict(is_over=True).kind, idle.verdict().why) == (
        VerdictKind.INCONCLUSIVE,
        "no requests in 180 looks",
    )
    assert blind.verdict(is_over=True).kind is VerdictKind.NO_DATA
    assert half.verdict(is_over=True).kind is VerdictKind.KEEP
    assert Judge(ALL).verdict().kind is VerdictKind.NO_DATA


def test_little_traffic_is_inconclusive_and_says_how_much_is_missing() -> None:
    judge = Judge(ALL)
    for _ in range(12):
        judge.add(1, {"errors": 0, "slow50": 0, "slow95": 0})
    verdict = judge.verdict(is_over=True)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "errors 0 of 12 (0.00%): to show that it is below 2.6% takes about" in verdict.why


@pytest.mark.parametrize("before", [NOTHING, reference(0, 0), reference(2, 1), reference(1, 1)])
def test_without_a_baseline_it_never_takes_back_and_says_why(before: Reference) -> None:
    judge = Judge({"errors": before})
    for _ in range(180):
        judge.add(500, {"errors": 500})
        judge.add_arms(50, {"errors": 50}, other_requests=450, other_counts={"errors": 0})
    verdict = judge.verdict(is_over=True)
    assert verdict.kind is VerdictKind.INCONCLUSIVE
    assert "cannot be judged" in verdict.why


def test_a_small_baseline_sees_what_it_can() -> None:
    judge = Judge({"errors": reference(30, 0)})
    while not judge.is_final:
        judge.add(10, {"errors": 10})
    assert judge.buckets == 3


def test_a_signal_without_baseline_does_not_block_a_keep() -> None:
    judge = Judge({"errors": ERRORS, "slow50": NOTHING})
    for _ in range(60):
        judge.add(50, {"errors": 0, "slow50": 30})
    verdict = judge.verdict(is_over=True)
    assert verdict.kind is VerdictKind.KEEP
    assert verdict.findings[1].why_not_judged == "no baseline"


def test_a_hard_fail_needs_no_numbers_and_comes_first() -> None:
    judge = Judge(ALL)
    judge.fail("web.1 crashed 3 times in 20 s")
    judge.fail("later")
    assert (judge.verdict().kind, judge.verdict().why) == (VerdictKind.HARD_FAIL, "web.1 crashed 3 times in 20 s")
    assert judge.verdict().is_final


def test_a_roll_back_stands_whatever_comes_after() -> None:
    judge = Judge(ALL)
    for _ in range(4):
        judge.add(100, {"errors": 100})
    at = judge.verdict()
    judge.add(100_000, {"errors": 0})
    assert judge.verdict(is_over=True) is at


def test_a_canary_is_compared_with_the_release_beside_it() -> None:
    rng = random.Random(11)
    judge = Judge(ALL)
    while not judge.is_final:
        judge.add_arms(
            10,
            {"errors": binomial(rng, 10, 0.1)},
            other_requests=190,
            other_counts={"errors": binomial(rng, 190, 0.005)},
        )
    assert judge.verdict().kind is VerdictKind.ROLL_BACK
    assert judge.buckets < 30


def test_bursts_that_hit_one_arm_alone_do_not_take_a_canary_back() -> None:
    rng, alarms, watches = random.Random(13), 0, 30
    for _ in range(watches):
        hour = traffic(rng, rate=20, share=0.005, correlation=0.05, buckets=720)
        judge = Judge({"errors": calibrated(reference(sum(n for n, _ in hour), sum(x for _, x in hour)), hour)})
        arms = [traffic(rng, rate=10, share=0.005, correlation=0.05) for _ in range(2)]
        for (here, x), (there, y) in zip(*arms, strict=True):
            judge.add_arms(here, {"errors": x}, other_requests=there, other_counts={"errors": y})
        alarms += judge.is_final
    assert alarms <= 1


def test_what_ails_both_arms_alike_is_not_blamed_on_the_change() -> None:
    rng, kinds = random.Random(12), []
    for share in (0.05, 0.5):
        for _ in range(25):
            judge = Judge(ALL)
            for at in range(120):
                now = (0.1 if at > 40 else 0.005) if share < 0.5 else 0.3
                here, there = round(100 * share), round(100 * (1 - share))
                counts = [{"errors": binomial(rng, n, now), "slow50": binomial(rng, n, 0.8)} for n in (here, there)]
                judge.add_arms(here, counts[0], other_requests=there, other_counts=counts[1])
            kinds.append(judge.verdict(is_over=True).kind)
    assert kinds.count(VerdictKind.ROLL_BACK) <= 2
    assert kinds.count(VerdictKind.KEEP) >= 25


def test_a_canary_and_the_time_after_it_add_up() -> None:
    judge, after = Judge(ALL), Judge(ALL)
    for _ in range(3):
        judge.add_arms(50, {"errors": 2}, other_requests=50, other_counts={"errors": 0})
    assert 0 < judge.log_e < judge.log_threshold
    for one in (judge, after):
        one.add(50, {"errors": 2})
    assert judge.log_e > after.log_e


def test_a_backtest_raises_the_threshold_and_three_looks_still_suffice() -> None:
    raised = log_threshold(0.01, past=[*range(98), 9.0, 3.0][-40:])
    assert raised > log_threshold(0.01)
    assert log_threshold(0.01, past=[0.5] * 500) == log_threshold(0.01)
    judge = Judge(ALL, log_threshold=9.0)
    while not judge.is_final:
        judge.add(100, {"errors": 100})
    assert judge.buckets <= 4


def test_the_judge_refuses_what_it_cannot_use() -> None:
    with pytest.raises(ValueError, match="needs a reference for 'errors'"):
        Judge({"slow50": ERRORS})
    with pytest.raises(ValueError, match="weight is above 0"):
        Judge(ALL, weights={"errors": 0.0})
    with pytest.raises(ValueError, match="false-alarm rate"):
        Judge(ALL, alpha=0)
