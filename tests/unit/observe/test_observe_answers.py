"""Expectations against windows: met, not met, and when there is not enough to tell."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.observe.answers import at_least, evaluate, needed
from pawl.observe.expectations import parse
from pawl.observe.gauges import Reading
from pawl.observe.histogram import bucket_of
from pawl.observe.signals import Window
from pawl.observe.tally import CODES, Tally


def window(requests: int, *, errors: int = 0, slow: int = 0, fast_s: float = 0.05, slow_s: float = 0.5,
           took_s: float = 600) -> Window:  # fmt: skip
    """So many requests, of which some are errors, and of which some are slow."""
    codes = [CODES[500 if number < errors else 200] + bucket_of(slow_s if number < slow else fast_s)
             for number in range(requests)]  # fmt: skip
    return Window("demo", 0.0, took_s, Tally.of_codes(codes))


@pytest.mark.parametrize(
    ("text", "candidate", "outcome"),
    [
        # p95 < 80 ms: less than 5 % slower, 60 requests are enough
        ("p95(/) < 80ms", window(60), "met"),
        ("p95(/) < 80ms", window(59), "not enough data"),
        ("p95(/) < 80ms", window(0), "not enough data"),
        ("p95(/) < 80ms", window(1000, slow=40), "met"),
        ("p95(/) < 80ms", window(1000, slow=55), "not enough data"),  # within chance of 5 %
        ("p95(/) < 80ms", window(1000, slow=70), "not met"),
        ("p95(/) < 80ms", window(10, slow=5), "not met"),  # clear although it is little
        ("p99(/) < 80ms", window(299), "not enough data"),
        ("p99(/) < 80ms", window(300), "met"),
        ("p50(/) < 80ms", window(30, slow=10), "met"),
        ("p50(/) > 80ms", window(100), "not met"),
        ("p50(/) > 80ms", window(100, slow=90), "met"),
        # errors
        ("errors(*) <= 0.1%", window(2999), "not enough data"),
        ("errors(*) <= 0.1%", window(3000), "met"),
        ("errors(*) <= 0.1%", window(3000, errors=3), "met"),
        ("errors(*) <= 0.1%", window(3000, errors=5), "not enough data"),
        ("errors(*) <= 0.1%", window(3000, errors=9), "not met"),
        ("errors(*) <= 0.1%", window(20, errors=2), "not met"),
        ("errors(*) <= 0%", window(300), "met"),
        ("errors(*) <= 0%", window(10), "not enough data"),
        ("errors(*) <= 0%", window(10, errors=1), "not met"),
        # mean
        ("mean(/) < 80ms", window(99), "not enough data"),
        ("mean(/) < 80ms", window(100), "met"),
        ("mean(/) < 80ms", window(1000, slow=200), "not met"),
        ("mean(/) < 80ms", window(100, slow=8), "not enough data"),
        # rate
        ("rate(*) > 0", window(1, took_s=3), "met"),
        ("rate(*) > 0", window(0, took_s=599), "not enough data"),
        ("rate(*) > 0", window(0, took_s=600), "not met"),
        ("rate(*) >= 1/s", window(1000, took_s=600), "met"),
        ("rate(*) >= 1/s", window(300, took_s=600), "not met"),
        ("rate(*) >= 1/s", window(590, took_s=600), "not enough data"),
        ("rate(*) >= 1/s", window(1, took_s=1), "not enough data"),
        ("rate(*) < 1/s", window(300, took_s=600), "met"),
        ("rate(*) < 1/s", window(1000, took_s=600), "not met"),
    ],
)  # fmt: skip
def test_an_absolute_expectation(text: str, candidate: Window, outcome: str) -> None:
    answer = evaluate(parse(text), candidate)
    assert answer.outcome == outcome, answer.why
    assert "wanted" in answer.why or "would be enough" in answer.why
    if outcome == "not enough data":
        assert "would be enough" in answer.why or "chance" in answer.why


@pytest.mark.parametrize(
    ("text", "candidate", "baseline", "outcome"),
    [
        ("p95(/) -20%", window(500, fast_s=0.07), window(500, fast_s=0.1), "met"),
        ("p95(/) -20%", window(500, fast_s=0.09), window(500, fast_s=0.1), "not met"),
        ("p95(/) -20%", window(500), None, "not enough data"),
        ("p95(/) -20%", window(500), window(0), "not enough data"),
        ("p95(/) -20%", window(500), window(59), "not enough data"),
        ("errors(*) +0%", window(3000, errors=9), window(3000, errors=9), "met"),
        ("errors(*) +0%", window(3000, errors=12), window(3000, errors=9), "not enough data"),
        ("errors(*) +0%", window(3000, errors=40), window(3000, errors=9), "not met"),
        ("errors(*) +0%", window(3000, errors=0), window(3000, errors=0), "met"),
        ("errors(*) -50%", window(10_000, errors=10), window(10_000, errors=100), "met"),
        ("mean(*) +10%", window(500, fast_s=0.05), window(500, fast_s=0.05), "met"),
        ("rate(*) -10%", window(5900), window(6000), "met"),
        ("rate(*) -10%", window(3000), window(6000), "not met"),
        ("rate(*) +10%", window(7000), window(6000), "met"),
    ],
)
def test_a_relative_expectation(text: str, candidate: Window, baseline: Window | None, outcome: str) -> None:
    answer = evaluate(parse(text), candidate, baseline)
    assert answer.outcome == outcome, answer.why


def readings(*values: float, count: int = 5) -> dict[str, Reading]:
    return {
        f"worker.{number}": Reading(count, value * count, value * 0.9, value) for number, value in enumerate(values)
    }


def test_of_several_instances_the_one_furthest_off_counts() -> None:
    wanted = parse("rss(worker) < 120MB")
    assert evaluate(wanted, window(0), gauges=readings(100e6, 119e6)).outcome == "met"
    answer = evaluate(wanted, window(0), gauges=readings(100e6, 125e6))
    assert (answer.outcome, answer.why) == ("not met", "highest 125 MB of 2 instances; wanted < 120 MB")
    assert evaluate(wanted, window(0), gauges=readings(100e6, count=2)).outcome == "not enough data"
    assert evaluate(wanted, window(0)).why == "0 readings; 3 would be enough"
    assert evaluate(parse("rss(worker) > 95MB"), window(0), gauges=readings(100e6)).outcome == "not met"


def test_gauges_are_compared_with_the_baselines() -> None:
    wanted = parse("rss(worker) +10%")
    assert evaluate(wanted, window(0), None, readings(108e6), readings(100e6)).outcome == "met"
    assert evaluate(wanted, window(0), None, readings(112e6), readings(100e6)).outcome == "not met"
    assert evaluate(wanted, window(0), None, readings(112e6)).outcome == "not enough data"


@pytest.mark.parametrize(
    ("text", "enough"),
    [("p50(*) < 1s", 30), ("p95(*) < 1s", 60), ("p99(*) < 1s", 300), ("errors(*) <= 0.1%", 3000),
     ("errors(*) < 5%", 60), ("errors(*) <= 0%", 300), ("mean(*) < 1s", 100), ("rate(*) > 0.5/s", 6),
     ("rate(*) > 0", 600)],
)  # fmt: skip
def test_how_much_is_enough_is_told_beforehand(text: str, enough: int) -> None:
    assert needed(parse(text)) == enough


@given(st.integers(0, 40), st.integers(1, 40), st.floats(0, 1))
def test_the_tail_is_that_of_the_binomial_distribution(hits: int, count: int, share: float) -> None:
    true = sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(hits, count + 1))
    assert at_least(hits, count, share) == pytest.approx(true, abs=1e-9)


def test_a_kept_promise_is_called_broken_in_at_most_five_percent() -> None:
    """The errors are exactly at the limit, the worst that still keeps it; one look."""
    chance, wanted = random.Random(3), parse("errors(*) <= 1%")
    missed = 0
    for _ in range(400):
        errors = sum(chance.random() < 0.01 for _ in range(1000))
        missed += evaluate(wanted, window(1000, errors=errors)).outcome == "not met"
    assert missed <= 400 * 0.05 + 9  # two standard errors
