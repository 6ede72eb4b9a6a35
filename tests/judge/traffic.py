"""Simulated traffic for the tests: buckets of (requests, events), from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

Counts = tuple[int, int]


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson number: Knuth's product for small means, a rounded normal one for large."""
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    left, drawn, floor = rng.random(), 0, math.exp(-mean)
    while left > floor:
        left *= rng.random()
        drawn += 1
    return drawn


def binomial(rng: random.Random, trials: int, share: float) -> int:
    """A binomial number, exact: by the gaps between successes."""
    if share <= 0:
        return 0
    if share > 0.5:
        return trials - binomial(rng, trials, 1 - share)
    drawn, at, scale = 0, -1, math.log1p(-share)
    while (at := at + 1 + int(math.log(1 - rng.random()) / scale)) < trials:
        drawn += 1
    return drawn


def traffic(
    rng: random.Random,
    *,
    rate: float,
    share: float | Callable[[int], float],
    buckets: int = 180,
    correlation: float = 0.0,
    swing: Callable[[int], float] = lambda _at: 1.0,
) -> list[Counts]:
    """Buckets of 5 s at so many requests a second; ``share`` and the traffic's ``swing`` may depend on the bucket."""
    found = []
    for at in range(buckets):
        requests = poisson(rng, rate * 5 * swing(at))
        now = share(at) if callable(share) else share
        if correlation:
            size = (1 - correlation) / correlation
            now = rng.betavariate(now * size, (1 - now) * size)
        found.append((requests, binomial(rng, requests, now)))
    return found
