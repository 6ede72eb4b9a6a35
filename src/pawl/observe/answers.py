"""Whether an expectation was met: ``met``, ``not met`` or ``not enough data``, with the numbers.

**Enough data** is the rule of three: if a share is not below ``s``, then ``3 / s`` requests show none of it with a
probability of ``(1 - s) ** (3 / s)``, at most 5 % (Hanley, Lippman-Hand, JAMA 1983). So a limit of 0.1 % errors takes
3,000 requests. A quantile is a share too, ``p95 < 80 ms`` says that less than 5 % take longer, so it takes 60
requests, p99 300 and p50 30, for never less than 30 are enough. A rate takes the time in which 3 requests were to be
expected; a mean 100.

**Met** is what the numbers say then. **Not met** needs more: that the numbers would come about with at most 5 %
probability if the expectation were just kept (exact binomial tail for shares, Poisson for rates, two standard errors
for a mean). What is in between is no data to blame anybody with, so it is ``not enough data``, however much there is.
A miss that is clear this way is told also before there is enough data.

Gauges have no probability here: of the instances the one furthest off counts, in at least three readings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pawl.observe.expectations import Expectation
from pawl.observe.gauges import Reading
from pawl.observe.judge.binomial import beta_cdf
from pawl.observe.quantities import shown
from pawl.observe.signals import Window

Outcome = Literal["met", "not met", "not enough data"]

LEAST_REQUESTS = 30
LEAST_FOR_MEAN = 100
LEAST_READINGS = 3
LONGEST_WAIT_S = 600.0
"""After so long without a request ``rate(...) > 0`` is not met."""
_UNLIKELY = 0.05
_CHANCE = "; the difference may be chance"
_NO_BASELINE = "there is no baseline to compare with"
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an expectation. ``value`` and ``limit`` are in its unit's base (seconds, shares, bytes, …)."""

    expectation: Expectation
    outcome: Outcome
    why: str
    value: float | None = None
    limit: float | None = None


def evaluate(
    expectation: Expectation,
    candidate: Window,
    baseline: Window | None = None,
    gauges: Mapping[str, Reading] | None = None,
    baseline_gauges: Mapping[str, Reading] | None = None,
) -> Answer:
    """Check one expectation. The windows are those of its route; ``gauges`` holds its measure by instance.

    Pure: what to do about a miss is for the caller.
    """
    if expectation.is_of_processes:
        return _of_gauges(expectation, list((gauges or {}).values()), list((baseline_gauges or {}).values()))
    limit, missing = _limit(expectation, baseline)
    if limit is None:
        return Answer(expectation, "not enough data", missing)
    if expectation.measure == "rate":
        return _of_rate(expectation, candidate, limit)
    if expectation.measure == "mean":
        return _of_mean(expectation, candidate, limit)
    return _of_share(expectation, candidate, limit)


def needed(expectation: Expectation, limit: float | None = None) -> int:
    """How many requests are enough; of a rate, how many seconds. ``limit``: that of a relative one, if it is known."""
    limit = expectation.limit if limit is None else limit
    if expectation.measure == "rate":
        return math.ceil(3 / limit) if limit else int(LONGEST_WAIT_S)
    if expectation.measure == "mean":
        return LEAST_FOR_MEAN
    share = _share(expectation, limit or 0.0)
    return max(LEAST_REQUESTS, math.ceil(round(3 / share, 6))) if share else LEAST_REQUESTS * 10


def _share(expectation: Expectation, limit: float) -> float:
    """The share of requests that may lie on the wrong side."""
    if expectation.measure == "errors":
        return limit if expectation.wants_less else 1 - limit
    quantile = _QUANTILES[expectation.measure]
    return 1 - quantile if expectation.wants_less else quantile


def _limit(expectation: Expectation, baseline: Window | None) -> tuple[float | None, str]:
    """The limit, or why there is none."""
    if expectation.change is None:
        return expectation.limit, ""
    if baseline is None or not baseline.requests:
        return None, _NO_BASELINE
    if expectation.measure == "rate":
        return baseline.rate_per_s * (1 + expectation.change), ""
    enough = LEAST_FOR_MEAN if expectation.measure == "mean" else needed(expectation, 1.0)
    if baseline.requests < enough:
        return None, f"the baseline had {baseline.requests} requests; {enough} would be enough"
    if expectation.measure == "errors":
        # Fewer than three errors are read as three: with none the share may still be as high as that.
        return max(baseline.errors, 3) / baseline.requests * (1 + expectation.change), ""
    value = _value(expectation.measure, baseline)
    return (None, "the baseline has no latencies") if value is None else (value * (1 + expectation.change), "")


def _value(measure: str, window: Window) -> float | None:
    if measure == "errors":
        return window.error_share
    if measure == "mean":
        return window.mean
    return window.histogram.quantile(_QUANTILES[measure])


def _of_share(expectation: Expectation, window: Window, limit: float) -> Answer:
    count, wrong = _wrong(expectation, window, limit)
    share = _share(expectation, limit)
    value = _value(expectation.measure, window)
    numbers = f"{_told(expectation, value)} in {count} requests; {_wanted(expectation, limit)}"
    outcome: Outcome = "not enough data"
    if count and at_least(wrong, count, share) <= _UNLIKELY and wrong > share * count:
        outcome = "not met"
    elif count < needed(expectation, limit):
        numbers += f"; {needed(expectation, limit)} requests would be enough"
    elif _holds(expectation, value, limit):
        outcome = "met"
    else:
        numbers += _CHANCE
    return Answer(expectation, outcome, numbers, value, limit)


def _wrong(expectation: Expectation, window: Window, limit: float) -> tuple[int, int]:
    """How many requests there are, and how many of them lie on the wrong side of the limit."""
    if expectation.measure == "errors":
        count, over = window.requests, window.errors
    else:
        count, over = window.histogram.count, window.histogram.above(limit)
    return count, over if expectation.wants_less else count - over


def _of_mean(expectation: Expectation, window: Window, limit: float) -> Answer:
    count, moments = window.histogram.count, window.histogram.moments()
    if moments is None or count < LEAST_FOR_MEAN:
        why = f"{count} requests; {LEAST_FOR_MEAN} would be enough"
        return Answer(expectation, "not enough data", why, moments[0] if moments else None, limit)
    mean, error = moments[0], math.sqrt(moments[1] / count)
    told = f"{_told(expectation, mean)} ± {_told(expectation, 2 * error)}"
    numbers = f"{told} in {count} requests; {_wanted(expectation, limit)}"
    if _holds(expectation, mean, limit):
        return Answer(expectation, "met", numbers, mean, limit)
    if abs(mean - limit) > 2 * error:
        return Answer(expectation, "not met", numbers, mean, limit)
    return Answer(expectation, "not enough data", numbers + _CHANCE, mean, limit)


def _of_rate(expectation: Expectation, window: Window, limit: float) -> Answer:
    took_s = window.ended - window.began
    value, count = window.rate_per_s, window.requests
    told = f"{count} requests in {took_s:.0f} s ({_told(expectation, value)})"
    numbers = f"{told}; {_wanted(expectation, limit)}"
    expected = limit * took_s
    if expectation.wants_less:
        is_unlikely = count > expected and 1 - _poisson_below(count, expected) <= _UNLIKELY
    else:
        is_unlikely = count < expected and _poisson_below(count + 1, expected) <= _UNLIKELY
    if _holds(expectation, value, limit) and ((count and not limit) or took_s >= needed(expectation, limit)):
        return Answer(expectation, "met", numbers, value, limit)
    if is_unlikely or (not limit and not _holds(expectation, value, limit) and took_s >= LONGEST_WAIT_S):
        return Answer(expectation, "not met", numbers, value, limit)
    if took_s < needed(expectation, limit):
        numbers += f"; {needed(expectation, limit)} s would be enough"
    else:
        numbers += _CHANCE
    return Answer(expectation, "not enough data", numbers, value, limit)


def _of_gauges(expectation: Expectation, readings: Sequence[Reading], before: Sequence[Reading]) -> Answer:
    limit = expectation.limit
    if expectation.change is not None:
        known = [one for one in before if one.count >= LEAST_READINGS]
        if not known:
            return Answer(expectation, "not enough data", _NO_BASELINE)
        limit = max(one.mean for one in known) * (1 + expectation.change)
    assert limit is not None
    fewest = min((one.count for one in readings), default=0)
    if fewest < LEAST_READINGS:
        why = f"{fewest} readings; {LEAST_READINGS} would be enough"
        return Answer(expectation, "not enough data", why, None, limit)
    is_high = expectation.wants_less
    value = max(one.most for one in readings) if is_high else min(one.least for one in readings)
    told = f"{'highest' if is_high else 'lowest'} {_told(expectation, value)} of {len(readings)} instances"
    outcome: Outcome = "met" if _holds(expectation, value, limit) else "not met"
    return Answer(expectation, outcome, f"{told}; {_wanted(expectation, limit)}", value, limit)


def _holds(expectation: Expectation, value: float | None, limit: float) -> bool:
    if value is None:
        return False
    if expectation.operator == "<":
        return value < limit
    if expectation.operator == "<=":
        return value <= limit
    return value > limit if expectation.operator == ">" else value >= limit


def _told(expectation: Expectation, value: float | None) -> str:
    return "nothing" if value is None else shown(expectation.kind, value)


def _wanted(expectation: Expectation, limit: float) -> str:
    return f"wanted {expectation.operator} {_told(expectation, limit)}"


def at_least(hits: int, count: int, share: float) -> float:
    """The probability of ``hits`` or more in ``count`` independent tries of probability ``share``.

    >>> round(at_least(2, 3, 0.5), 3), at_least(0, 3, 0.5), at_least(1, 3, 0.0)
    (0.5, 1.0, 0.0)
    """
    if hits <= 0:
        return 1.0
    if hits > count or share <= 0:
        return 0.0
    return beta_cdf(min(share, 1.0), hits, count - hits + 1)


def _poisson_below(hits: int, expected: float) -> float:
    """The probability of fewer than ``hits`` where ``expected`` are expected."""
    if expected <= 0:
        return 1.0 if hits > 0 else 0.0
    return sum(math.exp(number * math.log(expected) - expected - math.lgamma(number + 1)) for number in range(hits))
