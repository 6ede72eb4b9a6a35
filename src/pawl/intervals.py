"""Intervals to print beside an estimate: how far a share or a median of few observations can be trusted."""

from __future__ import annotations

import math
from statistics import NormalDist

_EXACT_UP_TO = 200


def wilson(events: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share: sensible for 0 of n and for small n.

    Formula: the p with |p_hat - p| <= z sqrt(p (1-p) / n). Assumes independent trials; covers about ``confidence``.
    Source: Wilson 1927, JASA 22; recommended by Brown, Cai and DasGupta 2001, Statistical Science 16, §3.1.1.

    >>> [round(end, 3) for end in wilson(1, 10)]
    [0.018, 0.404]
    >>> wilson(0, 0)
    (0.0, 1.0)

    Raises ValueError unless 0 <= events <= trials and 0 < confidence < 1.
    """
    if not 0 <= events <= trials or not 0 < confidence < 1:
        raise ValueError(f"{events} of {trials} at a confidence of {confidence} cannot be")
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = events / trials
    middle = share + z * z / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    low = (middle - half) / scale if events else 0.0
    high = (middle + half) / scale if events < trials else 1.0
    return max(0.0, low), min(1.0, high)


def median_ranks(count: int, *, confidence: float = 0.95) -> tuple[int, int] | None:
    """Which of so many sorted values, counted from 1, are the ends of an interval for the median they are a sample of.

    None where there are too few for one. Formula: r and n+1-r with the largest r for which
    P(B < r) <= (1 - confidence) / 2, where B is binomial(n, 1/2); above 200 values by the normal approximation. Assumes
    independence and no shape of the distribution. Source: David and Nagaraja 2003, Order Statistics, §7.1.

    Of six values P(B < 1) = 1/64 = 1.6 %, so the ends are the least and the most; of five it is 3.1 %, too much:

    >>> median_ranks(6), median_ranks(5)
    ((1, 6), None)

    Raises ValueError unless 0 < confidence < 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} cannot be")
    rank = _rank(count, (1 - confidence) / 2)
    return (rank, count + 1 - rank) if rank else None


def _rank(count: int, tail: float) -> int:
    if count > _EXACT_UP_TO:
        return math.floor(count / 2 + NormalDist().inv_cdf(tail) * math.sqrt(count) / 2)
    rank, below, ways, goal = 0, 0, 1, tail * 2**count
    while below + ways <= goal:
        below += ways
        rank += 1
        ways = ways * (count - rank + 1) // rank
    return rank
