"""Durations as counts, and limits for what is measured."""

from __future__ import annotations

import math
import random

import pytest

from pawl.observe.judge.evidence import Evidence
from pawl.observe.judge.latency import slow_count, slow_line
from pawl.observe.judge.persistence import Growing, Persistent


def histogram(rng: random.Random, requests: int, *, times: float = 1.0, scatter: float = 0.8) -> dict[float, int]:
    """Lognormal durations around 100 ms in buckets that grow by 2 %."""
    found: dict[float, int] = {}
    for _ in range(requests):
        edge = 1.02 ** math.floor(math.log(100 * times * math.exp(rng.gauss(0, scatter)), 1.02))
        found[edge] = found.get(edge, 0) + 1
    return found


def watched(rng: random.Random, *, times: float, quantile: float = 0.5, scatter: float = 0.8) -> int | None:
    """After how many buckets of 50 requests a slowdown is seen, of at most 60."""
    line = slow_line(histogram(rng, 5000, scatter=scatter), quantile)
    assert line
    evidence = Evidence(line.reference().limit)
    for bucket in range(60):
        evidence.add(50, slow_count(histogram(rng, 50, times=times, scatter=scatter), line.edge))
        if evidence.log_e >= math.log(100):
            return bucket + 1
    return None


@pytest.mark.parametrize(("quantile", "share"), [(0.5, 0.5), (0.95, 0.05)])
def test_the_line_lies_a_tolerance_beyond_the_quantile(quantile: float, share: float) -> None:
    line = slow_line(histogram(random.Random(1), 20_000), quantile)
    assert line
    assert line.beyond / line.requests == pytest.approx(share, abs=0.01)
    at = math.exp({0.5: 0.0, 0.95: 1.645}[quantile] * 0.8) * 100
    assert line.edge == pytest.approx(1.1 * at, rel=0.05)
    assert line.slow < line.beyond


@pytest.mark.parametrize("scatter", [0.1, 0.8])
@pytest.mark.parametrize("times", [1.0, 1.08])
def test_a_slowdown_within_the_tolerance_passes_however_much_durations_scatter(scatter: float, times: float) -> None:
    rng = random.Random(2)
    assert [watched(rng, times=times, scatter=scatter) for _ in range(10)] == [None] * 10


@pytest.mark.parametrize(("times", "within"), [(1.3, 40), (2.0, 6)])
def test_a_slowdown_is_seen(times: float, within: int) -> None:
    rng = random.Random(3)
    seen = [watched(rng, times=times) for _ in range(6)]
    assert all(looks is not None and looks <= within for looks in seen)


def test_durations_that_are_all_alike_are_held_to_the_floor() -> None:
    line = slow_line({10.0: 1000}, 0.5)
    assert line
    assert (line.beyond, line.slow, slow_count({10.0: 5, 11.5: 3}, line.edge)) == (0, 0, 3)
    assert line.reference().limit == 0.01


def test_no_baseline_has_no_line() -> None:
    assert slow_line({}, 0.5) is None
    assert slow_line({10.0: 0}, 0.95) is None
    with pytest.raises(ValueError, match="no line for quantile"):
        slow_line({10.0: 1}, 1.0)


def test_a_limit_takes_persistence() -> None:
    memory = Persistent(0.9, k=3, n=5)
    assert [memory.add(value) for value in (0.95, 0.95, 0.5, 0.5, 0.95, 0.5, 0.95, 0.95)] == [
        False, False, False, False, True, False, False, True,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="k of n"):
        Persistent(1, k=3, n=2)


def test_a_source_that_is_down_condemns_nothing() -> None:
    memory, queue = Persistent(0.9, k=2, n=2), Growing(2)
    assert not any(memory.add(value) for value in (0.95, None, 0.95, None))
    assert [queue.add(value) for value in (1, 2, None, 3, 4, 5)] == [False] * 5 + [True]
