"""Evidence from counts: exact on small cases, its laws, and its promise kept in simulation."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.observe.judge.arms import log_factors
from pawl.observe.judge.binomial import dispersion
from pawl.observe.judge.calibration import calibrated
from pawl.observe.judge.evidence import Evidence, Health, burst_caps
from pawl.observe.judge.power import healthy_requests_needed, requests_needed, smallest_detectable
from pawl.observe.judge.reference import Reference, reference, scaled
from tests.judge.traffic import traffic

THRESHOLD = math.log(100)
BASE = Reference(requests=20_000, events=100, usual=0.005, limit=0.006, bad=0.026)
buckets = st.lists(st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=25)


def fed(counts: Sequence[tuple[int, int]], **how: float) -> Evidence:
    evidence = Evidence(0.02, **how)  # type: ignore[arg-type]
    for requests, events in counts:
        evidence.add(requests, events)
    return evidence


def largest(evidence: Evidence, counts: Sequence[tuple[int, int]]) -> float:
    best = 0.0
    for requests, events in counts:
        evidence.add(requests, events)
        best = max(best, evidence.log_e)
    return best


def test_the_mean_of_e_is_one_at_the_limit_by_enumerating_every_outcome() -> None:
    limit, sizes = 0.1, (2, 0, 3, 1)
    for share, most in ((limit, 1.0), (0.05, 1.0)):
        mean = 0.0
        for outcome in itertools.product(*(range(n + 1) for n in sizes)):
            evidence, chance = Evidence(limit, horizon=4), 1.0
            for requests, events in zip(sizes, outcome, strict=True):
                evidence.add(requests, events)
                chance *= math.comb(requests, events) * share**events * (1 - share) ** (requests - events)
            mean += chance * math.exp(evidence.log_e)
        assert mean <= most + 1e-9
        if share == limit:
            assert mean == pytest.approx(1.0, abs=1e-9)


def test_the_recursion_is_the_sum_over_all_starts() -> None:
    counts = [(10, 1), (5, 0), (8, 4), (9, 0), (20, 3)]
    evidence = Evidence(0.05, alternatives=((4.0, 1.0), (20.0, 3.0)), at_start=0.6, horizon=7)
    for requests, events in counts:
        evidence.add(requests, events)
    starts = [0.6, *(0.4 * 7 / ((7 + t - 1) * (7 + t)) for t in range(1, len(counts)))]
    total = 1 - sum(starts)
    for odds, weight in ((4.0, 0.25), (20.0, 0.75)):
        share = scaled(0.05, odds)
        factors = [(share / 0.05) ** x * ((1 - share) / 0.95) ** (n - x) for n, x in counts]
        total += weight * sum(start * math.prod(factors[at:]) for at, start in enumerate(starts))
    assert math.exp(evidence.log_e) == pytest.approx(total, rel=1e-12)


@given(buckets, st.data())
@settings(max_examples=60, deadline=None)
def test_more_errors_never_make_less_evidence(counts: list[tuple[int, int]], data: st.DataObject) -> None:
    if not counts:
        return
    at = data.draw(st.integers(0, len(counts) - 1))
    requests, events = counts[at]
    worse = [*counts[:at], (requests, data.draw(st.integers(events, requests))), *counts[at + 1 :]]
    assert fed(worse).log_e >= fed(counts).log_e - 1e-9


@given(buckets)
@settings(max_examples=60, deadline=None)
def test_splitting_buckets_changes_nothing_without_cap_and_late_starts(counts: list[tuple[int, int]]) -> None:
    halves = [part for n, x in counts for part in ((n // 2, min(x, n // 2)), (n - n // 2, x - min(x, n // 2)))]
    assert fed(halves, at_start=1.0).log_e == pytest.approx(fed(counts, at_start=1.0).log_e, abs=1e-9)


@given(buckets, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_buckets_does_not_matter_without_late_starts(
    counts: list[tuple[int, int]], rng: random.Random
) -> None:
    other = rng.sample(counts, len(counts))
    assert fed(other, at_start=1.0).log_e == pytest.approx(fed(counts, at_start=1.0).log_e, abs=1e-9)


@given(buckets, st.integers(0, 25), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_idle_buckets_change_nothing(counts: list[tuple[int, int]], at: int, idle: int) -> None:
    assert fed([*counts[:at], *[(0, 0)] * idle, *counts[at:]]).log_e == fed(counts).log_e


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20), st.floats(3.0, 12.0))
def test_two_buckets_cannot_reach_the_threshold_whatever_is_in_them(weights: list[float], threshold: float) -> None:
    weights = [weight / sum(weights) for weight in weights]
    caps = burst_caps(weights, threshold)
    assert math.log(sum(w * math.exp(2 * cap) for w, cap in zip(weights, caps, strict=True))) < threshold
    if threshold > 2:
        assert math.log(sum(w * math.exp(3 * cap) for w, cap in zip(weights, caps, strict=True))) > threshold - 0.1


def test_evidence_stays_finite_over_a_day_of_outage() -> None:
    evidence = Evidence(0.01)
    for _ in range(17_280):
        evidence.add(1000, 1000)
    assert math.isfinite(evidence.log_e)
    for _ in range(17_280):
        evidence.add(1000, 0)
    assert math.isfinite(evidence.log_e)


@pytest.mark.parametrize(("rate", "watches"), [(1, 500), (5, 500), (20, 400), (100, 300)])
def test_no_more_false_alarms_than_promised_at_the_limit_itself(rate: int, watches: int) -> None:
    rng = random.Random(rate)
    alarms = sum(largest(Evidence(0.01), traffic(rng, rate=rate, share=0.01)) >= THRESHOLD for _ in range(watches))
    assert alarms / watches <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / watches)


@pytest.mark.parametrize("rate", [5, 20])
def test_no_more_false_alarms_than_promised_with_traffic_that_swings_tenfold(rate: int) -> None:
    rng, watches = random.Random(rate), 250

    def swing(at: int) -> float:
        return float(10 ** (math.sin(at / 30) / 2))

    alarms = sum(
        largest(Evidence(0.01), traffic(rng, rate=rate, share=0.01, swing=swing)) >= THRESHOLD for _ in range(watches)
    )
    assert alarms / watches <= 0.01 + 3 * math.sqrt(0.01 * 0.99 / watches)


@pytest.mark.parametrize(("rate", "correlation"), [(5, 0.05), (20, 0.05), (20, 0.2)])
def test_bursts_do_not_take_healthy_deploys_back(rate: int, correlation: float) -> None:
    rng, watches, alarms, unguarded = random.Random(rate), 100, 0, 0
    for _ in range(watches):
        before = traffic(rng, rate=rate, share=0.01, buckets=720, correlation=correlation)
        against = reference(sum(n for n, _ in before), sum(x for _, x in before))
        guarded = calibrated(against, before)
        after = traffic(rng, rate=rate, share=0.01, correlation=correlation)
        caps = burst_caps([0.13, 0.26, 0.32, 0.2, 0.09], THRESHOLD)
        alarms += largest(Evidence(guarded.limit, dispersion=guarded.dispersion, caps=caps), after) >= THRESHOLD
        unguarded += largest(Evidence(against.limit), after) >= THRESHOLD
    assert alarms <= 0.01 * watches + 3 * math.sqrt(0.01 * 0.99 * watches)
    assert unguarded > alarms + 2


def test_the_calibration_sees_rare_long_bursts_that_pearson_hardly_does() -> None:
    hour = [*[(100, 12)] * 4, *[(100, 0), (100, 1)] * 358]
    base = reference(sum(n for n, _ in hour), sum(x for _, x in hour))
    assert calibrated(base, hour).dispersion > 1.5 * dispersion(hour)


def test_independent_traffic_is_left_uncalibrated() -> None:
    rng, found = random.Random(4), []
    for _ in range(25):
        hour = traffic(rng, rate=5, share=0.005, buckets=720)
        found.append(calibrated(reference(sum(n for n, _ in hour), sum(x for _, x in hour)), hour).dispersion)
    assert sum(phi == 1 for phi in found) >= 20


def test_a_late_change_is_not_buried_under_the_good_time_before() -> None:
    rng, caught, buried = random.Random(5), 0, 0
    for _ in range(60):
        late = traffic(rng, rate=5, share=lambda at: 0.005 if at < 120 else 0.03)
        caught += largest(Evidence(0.01), late) >= THRESHOLD
        buried += largest(Evidence(0.01, at_start=1.0), late) < THRESHOLD
    assert caught >= 45
    assert buried >= 45


@pytest.mark.parametrize(("share", "least"), [(0.02, 0.85), (0.05, 0.85), (0.2, 0.85)])
def test_the_requests_needed_give_the_power_they_promise(share: float, least: float) -> None:
    rng, watches = random.Random(6), 150
    needed = requests_needed(share, BASE, log_threshold=THRESHOLD)
    caught = 0
    for _ in range(watches):
        counts = [
            (5, x) for _, x in traffic(rng, rate=1, share=share, buckets=math.ceil(needed / 5), swing=lambda _: 1.0)
        ]
        counts = [(5, min(5, x)) for _, x in counts]
        caught += largest(Evidence(BASE.limit), counts) >= THRESHOLD
    assert caught / watches >= least - 3 * math.sqrt(0.9 * 0.1 / watches)
    assert smallest_detectable(math.ceil(needed), BASE, log_threshold=THRESHOLD) == pytest.approx(share, rel=0.02)


def test_bursts_raise_the_requests_needed_in_proportion() -> None:
    bursty = Reference(20_000, 100, 0.005, 0.006, 0.026, dispersion=3.0)
    calm = requests_needed(0.05, BASE, log_threshold=THRESHOLD)
    assert 1.5 * calm < requests_needed(0.05, bursty, log_threshold=THRESHOLD) <= 3.01 * calm


def test_health_is_proven_rarely_for_a_bad_share_and_soon_for_a_good_one() -> None:
    rng, proven, watches = random.Random(7), 0, 300
    for _ in range(watches):
        health, is_proven = Health(BASE), False
        for requests, events in traffic(rng, rate=5, share=BASE.bad, buckets=100):
            health.add(requests, events)
            is_proven = is_proven or health.log_e >= math.log(20)
        proven += is_proven
    assert proven / watches <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / watches)
    needed = []
    for _ in range(100):
        health, requests = Health(BASE), 0
        while health.log_e < math.log(20):
            ((n, x),) = traffic(rng, rate=1, share=0.005, buckets=1)
            health.add(n, x)
            requests += n
        needed.append(requests)
    assert sum(needed) / len(needed) == pytest.approx(healthy_requests_needed(BASE), rel=0.25)


def test_two_arms_keep_the_mean_at_one_for_counts_of_requests_by_enumeration() -> None:
    for here, there in ((1, 1), (3, 5), (6, 2)):
        for share in (0.01, 0.3, 0.8):
            mean = 0.0
            mine = min(1.0, 1.2 * share)
            for x, y in itertools.product(range(here + 1), range(there + 1)):
                chance = math.comb(here, x) * mine**x * (1 - mine) ** (here - x)
                chance *= math.comb(there, y) * share**y * (1 - share) ** (there - y)
                (gain,) = log_factors([3.0], candidate=(here, x), baseline=(there, y))
                mean += chance * math.exp(gain)
            assert mean <= 1 + 1e-12


@pytest.mark.parametrize("bad", [{"limit": 0.0}, {"limit": 1.0}, {"limit": 0.1, "dispersion": 0.5}])
def test_numbers_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no evidence against"):
        Evidence(**bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be"):
        Evidence(0.1).add(3, 4)
