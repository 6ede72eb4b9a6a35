"""Bounds and scatter, against published values and exact enumeration."""

from __future__ import annotations

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.intervals import wilson
from pawl.observe.judge.binomial import beta_cdf, dispersion, upper_bound
from tests.judge.traffic import traffic


def tail(events: int, requests: int, share: float) -> float:
    """P(X <= events), term by term."""
    return math.fsum(math.comb(requests, k) * share**k * (1 - share) ** (requests - k) for k in range(events + 1))


@pytest.mark.parametrize("requests", [1, 2, 7, 30, 60])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.93])
def test_the_incomplete_beta_function_is_the_binomial_tail(requests: int, share: float) -> None:
    for events in range(requests):
        assert beta_cdf(1 - share, requests - events, events + 1) == pytest.approx(
            tail(events, requests, share), rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize(
    ("events", "requests", "confidence", "published"),
    [
        (10, 100, 0.975, 0.1762),  # 95 % Clopper-Pearson of 10/100: 4.90 % to 17.62 %
        (0, 10, 0.975, 0.3085),
        (1, 10, 0.975, 0.4450),
        (5, 10, 0.975, 0.8129),
        (0, 1000, 0.95, 0.00299),  # the rule of three
    ],
)
def test_the_upper_bound_agrees_with_published_tables(
    events: int, requests: int, confidence: float, published: float
) -> None:
    assert upper_bound(events, requests, confidence=confidence) == pytest.approx(published, abs=6e-5)


def test_the_upper_bound_covers_as_often_as_it_says() -> None:
    requests, confidence = 40, 0.95
    for share in (0.01, 0.05, 0.2, 0.5, 0.9):
        covered = sum(
            math.comb(requests, k) * share**k * (1 - share) ** (requests - k)
            for k in range(requests + 1)
            if upper_bound(k, requests, confidence=confidence) >= share
        )
        assert covered >= confidence


@pytest.mark.parametrize(
    ("events", "requests", "by_scipy"),
    [
        (5, 10**9, 1.05130348689e-08),
        (500_000, 10**8, 0.00501161734486),
        (5_000_000, 10**9, 0.00500367035609),
        (300_000_000, 10**9, 0.300023837121),
    ],
)
def test_the_upper_bound_is_right_and_quick_for_a_billion_requests(events: int, requests: int, by_scipy: float) -> None:
    begun = time.process_time()
    assert upper_bound(events, requests) == pytest.approx(by_scipy, rel=1e-8)
    assert time.process_time() - begun < 1


@given(st.integers(1, 5000), st.data())
@settings(max_examples=40, deadline=None)
def test_the_upper_bound_lies_above_the_share_and_grows_with_the_events(requests: int, data: st.DataObject) -> None:
    events = data.draw(st.integers(0, requests - 1))
    assert events / requests < upper_bound(events, requests) <= upper_bound(events + 1, requests) <= 1


def test_wilson_agrees_with_a_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(15, 148)] == [0.0624, 0.1605]
    assert [round(end, 4) for end in wilson(0, 20)] == [0.0, 0.1611]
    assert [round(end, 4) for end in wilson(1, 29)] == [0.0061, 0.1718]


@pytest.mark.parametrize(("rate", "correlation"), [(5, 0.05), (20, 0.05), (20, 0.2)])
def test_dispersion_measures_bursts(rate: int, correlation: float) -> None:
    rng = random.Random(1)
    found = dispersion(traffic(rng, rate=rate, share=0.05, buckets=1440, correlation=correlation))
    assert found == pytest.approx(1 + (rate * 5 - 1) * correlation, rel=0.35)


def test_dispersion_sees_bursts_that_outlast_a_bucket() -> None:
    calm, burst = [(20, 0), (20, 1)] * 28, [(20, 4)] * 8
    assert dispersion((calm + burst) * 6) > 1.5 * dispersion(([(20, 0)] * 7 + [(20, 1)] * 8 + [(20, 4)]) * 24)


def test_independent_events_are_hardly_ever_taken_for_bursts() -> None:
    rng = random.Random(2)
    found = [dispersion(traffic(rng, rate=1, share=0.005, buckets=720)) for _ in range(60)]
    assert sum(phi == 1 for phi in found) >= 48


@pytest.mark.parametrize(("events", "requests"), [(-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(events: int, requests: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        upper_bound(events, requests)
    with pytest.raises(ValueError, match="cannot be"):
        wilson(events, requests)
