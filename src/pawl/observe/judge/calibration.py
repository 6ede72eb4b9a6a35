"""Evidence weighed by the baseline's own bursts: it must not speak against a release that was fine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pawl.observe.judge.binomial import dispersion
from pawl.observe.judge.evidence import alternatives_for, log_ratios
from pawl.observe.judge.reference import Reference

USUAL_CAP = 2.5
"""About what :func:`evidence.burst_caps` gives for three signals at alpha = 1 %."""
_WIDTHS = (1, 4, 12)
_LARGEST = 1000.0


def calibrated(against: Reference, buckets: Sequence[tuple[int, int]], *, cap: float = USUAL_CAP) -> Reference:
    """The reference with the dispersion that the baseline's buckets ask for.

    ``buckets`` are (requests, events) of 5 s each, in order of time, idle ones as (0, 0): an hour or two, and more
    shows rarer bursts. Events come in bursts (a retry, a restart elsewhere, one bad client), so 100 errors are not 100
    witnesses. Two things are asked of the dispersion: that it is at least Pearson's (:func:`binomial.dispersion`), and
    that over the baseline's own blocks of 1, 4 and 12 buckets the mean of each alternative's factor is at most 1.

    Formula: the smallest phi >= Pearson's with mean_b exp(sum_{t in b} min(cap, d_k,t / phi)) <= 1 for all k. That mean
    being at most 1 on healthy traffic is just what makes E an e-process, with no model of how events depend on each
    other inside a block. Pearson's phi looks at the variance only; the mean of exp() sees bursts that are rare and
    large, lets through what the cap makes harmless, and is rarely above 1 by chance where events are independent.

    Assumes that blocks are independent and that the baseline has seen the bursts to come: those it has not seen are
    what the cap and ``pawl backtest`` are for. Source: the definition of an e-variable (Ramdas et al. 2023, arXiv
    2210.01948), tested on the baseline.

    No error or one in each bucket of a hundred leaves it at 1; ten in each of four neighbouring buckets do not:

    >>> base = Reference(requests=72_000, events=360, usual=0.005, limit=0.006, bad=0.026)
    >>> calibrated(base, [(100, 0), (100, 1)] * 360).dispersion
    1.0
    >>> calibrated(base, [*[(100, 10)] * 4, *[(100, 0), (100, 1)] * 320, *[(100, 0)] * 76]).dispersion > 5
    True
    """
    if not against.is_usable:
        return against
    phi = max(against.dispersion, dispersion(buckets))
    for odds, _ in alternatives_for(against.limit):
        rises, falls = log_ratios(against.limit, [odds], 1.0)
        gains = [events * rises[0] + (requests - events) * falls[0] for requests, events in buckets]
        phi = _smallest(gains, phi, cap)
    return replace(against, dispersion=phi)


def _smallest(gains: Sequence[float], least: float, cap: float) -> float:
    """The smallest dispersion from ``least`` on that keeps the mean factor at 1, to 2 %."""
    if not gains or _is_fair(gains, least, cap):
        return least
    low, high = least, least * 2
    while high < _LARGEST and not _is_fair(gains, high, cap):
        low, high = high, high * 2
    while high > 1.02 * low:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _is_fair(gains, middle, cap) else (middle, high)
    return high


def _is_fair(gains: Sequence[float], phi: float, cap: float) -> bool:
    """Whether the mean factor over blocks of each width is at most 1."""
    total, sums = 0.0, [0.0]
    for gain in gains:
        part = gain / phi
        total += part if part < cap else cap
        sums.append(total)
    last = len(sums) - 1
    for width in _WIDTHS:
        ends = range(0, last + 1, width)
        factors = [math.exp(min(600.0, sums[end] - sums[end - width])) for end in ends if end]
        if factors and sum(factors) > len(factors) * (1 + 1e-9):
            return False
    return True
