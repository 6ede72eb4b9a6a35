"""How long requests took, in buckets that grow by 2 %: a quantile is at most 1 % off, however many are merged.

Bucket ``i`` holds the times from ``1e-5 * 1.02**i`` seconds up to, not including, the next edge. A time is read back
as the value whose relative distance to both edges is the same, ``2 * edge * 1.02 / 2.02``, so it is off by at most
0.02 / 2.02 = 0.99 %. That holds from 10 µs to 66 minutes; what is outside counts in the first or last bucket.
Source of the idea: Masson, Rim, Lee: DDSketch (VLDB 2019, arXiv 1908.10693), with fixed instead of collapsing ends.

>>> took = Histogram.of_values([0.010, 0.020, 0.020, 0.500])
>>> took.count, round(took.quantile(0.5), 3), took.above(0.1)
(4, 0.02, 1)
>>> (took + took).count
8
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from operator import mul

from pawl.observe import lanes

GROWTH = 1.02
LEAST_S = 1e-5
BUCKETS = 1000
SCALE = 1 / math.log(GROWTH)
_MIDDLE = 2 * GROWTH / (1 + GROWTH)


def bucket_of(value_s: float) -> int:
    """The number of the bucket that holds a time; the first for all below 10 µs, the last for all above 66 minutes."""
    if value_s <= LEAST_S:
        return 0
    return min(int(math.log(value_s / LEAST_S) * SCALE), BUCKETS - 1)


def edge(bucket: int) -> float:
    """Where a bucket begins, in seconds."""
    return LEAST_S * math.exp(bucket / SCALE)


def edge_after(value_s: float) -> float:
    """Where the bucket that holds a time ends: the edge that "slower than ``value_s``" is snapped to."""
    return edge(bucket_of(value_s) + 1)


_EDGES = tuple(map(edge, range(BUCKETS)))
_MIDDLES = tuple(at * _MIDDLE for at in _EDGES)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of times by bucket. Immutable; ``+`` merges, in any order and grouping with the same result."""

    buckets: int = 0
    """The counts as :mod:`pawl.observe.lanes`."""

    @classmethod
    def of_values(cls, values_s: Iterable[float]) -> Histogram:
        """The histogram of these times, in seconds."""
        return cls(lanes.of_counts(Counter(map(bucket_of, values_s))))

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.buckets + other.buckets)

    @property
    def count(self) -> int:
        return sum(lanes.counted(self.buckets))

    def quantile(self, share: float) -> float | None:
        """The smallest time that at least this share of all did not exceed, at most 1 % off; None without any.

        ``share`` is 0..1; 0 gives the least, 1 the greatest.
        """
        return self.quantiles(share)[0]

    def quantiles(self, *shares: float) -> list[float | None]:
        """:meth:`quantile` of each share, for little more than the price of one."""
        below = list(accumulate(lanes.counted(self.buckets)))
        if not below:
            return [None] * len(shares)
        ranks = [max(1, math.ceil(share * below[-1])) for share in shares]
        return [_EDGES[bisect_left(below, rank)] * _MIDDLE for rank in ranks]

    def above(self, value_s: float) -> int:
        """How many times lie beyond the bucket that holds ``value_s``, that is at or after :func:`edge_after` it."""
        return sum(lanes.counted(lanes.from_lane(self.buckets, bucket_of(value_s) + 1)))

    def count_from(self, edge_s: float) -> int:
        """How many times lie in buckets that begin at or beyond ``edge_s``: what is slow to the judge.

        The same as ``judge.latency.slow_count(histogram.by_edge(), edge_s)``, in a twentieth of the time.
        """
        return sum(lanes.counted(lanes.from_lane(self.buckets, bisect_left(_EDGES, edge_s))))

    def scaled(self, factor: float) -> Histogram:
        """What it would be had everything taken ``factor`` times as long, at most another 1 % off.

        The growth of the buckets is the same everywhere, so all counts move by ``ln(factor) / ln(1.02)`` buckets,
        rounded; what leaves the histogram counts in its first or last bucket.

        >>> Histogram.of_values([0.010, 0.020]).scaled(2) == Histogram.of_values([0.020, 0.040])
        True

        Raises:
            ValueError: the factor is not a finite number above 0.
        """
        if not (factor > 0 and math.isfinite(factor)):
            raise ValueError(f"times cannot be scaled by {factor}")
        by = round(math.log(factor) * SCALE)
        if by < 0:
            moved = lanes.from_lane(self.buckets, -by)
            below = self.buckets - lanes.to_lane(moved, -by)
            return Histogram(moved + lanes.of([sum(lanes.counted(below))]))
        moved = lanes.to_lane(self.buckets, by)
        beyond = lanes.from_lane(moved, BUCKETS)
        last = lanes.to_lane(lanes.of([sum(lanes.counted(beyond))]), BUCKETS - 1)
        return Histogram(moved - lanes.to_lane(beyond, BUCKETS) + last)

    def share_above(self, value_s: float) -> float | None:
        """:meth:`above` as a share (0..1); None without any."""
        total = self.count
        return self.above(value_s) / total if total else None

    @property
    def mean(self) -> float | None:
        """The mean in seconds, at most 1 % off; None without any."""
        moments = self.moments()
        return moments[0] if moments else None

    @property
    def total_s(self) -> float:
        """The sum of all times in seconds, at most 1 % off."""
        return math.fsum(map(mul, lanes.counted(self.buckets), _MIDDLES))

    def moments(self) -> tuple[float, float] | None:
        """Mean and variance in seconds, each from the buckets' middles; None without any."""
        counts = lanes.counted(self.buckets)
        total = sum(counts)
        if not total:
            return None
        values = [(edge(bucket) * _MIDDLE, count) for bucket, count in enumerate(counts) if count]
        mean = sum(value * count for value, count in values) / total
        return mean, sum((value - mean) ** 2 * count for value, count in values) / total

    def by_edge(self) -> dict[float, int]:
        """The counts of the buckets that have any, by where they begin (seconds): what the judge takes."""
        return {edge(bucket): count for bucket, count in enumerate(lanes.counted(self.buckets)) if count}

    def encode(self) -> bytes:
        """A compact form; the same histogram always gives the same bytes."""
        return lanes.pack(self.buckets)

    @classmethod
    def decode(cls, data: bytes) -> Histogram:
        """What :meth:`encode` wrote."""
        return cls(lanes.unpack(data[: lanes.HEAD_BYTES], data, lanes.HEAD_BYTES)[0])


EMPTY = Histogram()
