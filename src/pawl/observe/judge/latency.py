"""Durations as counts: the share of requests slower than the baseline's p50 and p95."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pawl.observe.judge.binomial import upper_bound
from pawl.observe.judge.reference import Reference, bad_share

TOLERANCE = 1.1
"""How many times slower than the baseline still passes for unchanged."""
FLOOR = 0.01
WARM_UP_S = 30.0
"""New processes import, connect and fill caches: their first requests say nothing about the change's speed."""


@dataclass(frozen=True, slots=True)
class SlowLine:
    """Where slow begins: at ``edge`` (in the histogram's unit).

    Of the baseline's ``requests`` so many were ``beyond`` the quantile's own edge and ``slow`` by the line, which lies
    ``tolerance`` times further out.
    """

    edge: float
    requests: int
    beyond: int
    slow: int
    tolerance: float = TOLERANCE

    def reference(self, *, dispersion: float = 1.0, confidence: float = 0.95) -> Reference:
        """What the share of slow requests is compared with; see :func:`slow_line` for why this is sound."""
        limit = max(FLOOR, upper_bound(self.beyond, self.requests, confidence=confidence)) if self.requests else 1.0
        usual = self.slow / self.requests if self.requests else None
        ratio = max(1.0, limit / usual) if usual else self.tolerance
        return Reference(self.requests, self.slow, usual, limit, bad_share(limit), ratio, dispersion)


def slow_line(histogram: Mapping[float, int], quantile: float, *, tolerance: float = TOLERANCE) -> SlowLine | None:
    """Where slow begins for one quantile of the baseline (0.5, 0.95); None without requests.

    ``histogram`` maps the lower edge of a bucket to its count; buckets without requests may be missing. With the
    quantile at edge q, a request is slow at or beyond ``tolerance * q``, while the limit for the share of slow ones is
    the baseline's share beyond q itself: a candidate that is slower by no more than the tolerance in every part of its
    distribution cannot exceed it. The tolerance is one of time, so it means the same for an app whose durations scatter
    by 10 % and for one where they scatter tenfold, as a margin on shares does not.

    A share needs two counters and no sorting, and holds for any distribution. Snapping to an edge is harmless, for the
    edge's own share is used. p99 is left out on purpose: a minute at 20 requests a second has 12 beyond it.

    Assumes independent requests, as far as the dispersion does not say otherwise. Source: the study behind Pawl, §2.3
    (b), there a margin of 1.15 on the share; for the idea Howard and Ramdas 2022, Bernoulli 28, arXiv 1906.09712.

    Ten requests, six of 10 ms and four of 20 ms or more: the edge nearest the median is 20, its share 4 of 10; slow
    is then what takes 22 ms or more, which one did.

    >>> slow_line({10.0: 6, 20.0: 3, 40.0: 1}, 0.5)
    SlowLine(edge=22.0, requests=10, beyond=4, slow=1, tolerance=1.1)

    Raises ValueError unless 0 < quantile < 1, tolerance >= 1 and no count is negative.
    """
    if not (0 < quantile < 1 and tolerance >= 1) or any(count < 0 for count in histogram.values()):
        raise ValueError(f"no line for quantile {quantile} at tolerance {tolerance}")
    counts = sorted((edge, count) for edge, count in histogram.items() if count)
    total = sum(count for _, count in counts)
    if not total:
        return None
    nearest, at = math.inf, (counts[-1][0], 0)  # beyond the last bucket: none
    beyond = total
    for edge, count in counts:
        if edge > 0 and beyond < total and abs(beyond / total - (1 - quantile)) < nearest:
            nearest, at = abs(beyond / total - (1 - quantile)), (edge, beyond)
        beyond -= count
    if 1 - quantile < nearest:
        at = (counts[-1][0], 0)
    line = round(at[0] * tolerance, 12)
    line = line if at[1] else math.nextafter(max(line, counts[-1][0]), math.inf)
    return SlowLine(line, total, at[1], slow_count(histogram, line), tolerance)


def slow_count(histogram: Mapping[float, int], edge: float) -> int:
    """How many requests are slow: those in buckets that begin at or beyond the edge.

    A bucket that the edge lies inside counts as not slow, so a line off the histogram's edges errs towards keeping.

    >>> slow_count({10.0: 6, 20.0: 3, 40.0: 1}, 22.0)
    1
    """
    return sum(count for begin, count in histogram.items() if begin >= edge)
