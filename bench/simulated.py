"""Simulated deploys for the measurements of the judge: traffic in buckets of 5 s, as the judge takes it."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from statistics import NormalDist

BASE = 0.005
BUCKET_S = 5
BASELINE_REQUESTS = 20_000
_NORMAL = NormalDist()
_SCATTER = 0.8  # durations are lognormal: a factor of e^0.8 for one standard deviation
_TOLERANCE = math.log(1.1)
_DAY = 86_400

Bucket = tuple[int, int, int, int]
"""Requests, errors, slower than the line of p50, slower than that of p95."""


@dataclass(frozen=True)
class Lines:
    """Where, in standard deviations, the drawn baseline's p50 and p95 came to lie; a line is the tolerance beyond."""

    p50: float
    p95: float

    @classmethod
    def drawn(cls, rng: random.Random, requests: int) -> Lines:
        return cls(*(_NORMAL.inv_cdf(1 - _quantile(rng, share, requests)) for share in (0.5, 0.05)))


def _quantile(rng: random.Random, share: float, requests: int) -> float:
    drawn = rng.gauss(share, math.sqrt(share * (1 - share) / requests))
    return min(0.9, max(share / 4, drawn))


@lru_cache(maxsize=4096)
def _poisson_table(mean: float) -> list[float]:
    first = max(0, int(mean - 9 * math.sqrt(mean) - 9))
    last = int(mean + 9 * math.sqrt(mean) + 12)
    logs = [-mean + k * math.log(mean) - math.lgamma(k + 1) for k in range(first, last)]
    return [float(first), *accumulate(math.exp(value) for value in logs)]


def poisson(rng: random.Random, mean: float) -> int:
    """A Poisson number, by looking it up in the table of its distribution; the mean is rounded to three digits."""
    if mean <= 0:
        return 0
    table = _poisson_table(float(f"{mean:.3g}"))
    return int(table[0]) + max(0, bisect_left(table, rng.random(), 1) - 1)


def binomial(rng: random.Random, trials: int, share: float) -> int:
    """A binomial number: by inversion, or by rounding a normal one where both tails are far."""
    if share > 0.5:
        return trials - binomial(rng, trials, 1 - share)
    mean = trials * share
    if mean > 40:
        return min(trials, max(0, round(rng.gauss(mean, math.sqrt(mean * (1 - share))))))
    if mean <= 0:
        return 0
    odds, part, left, drawn = share / (1 - share), (1 - share) ** trials, rng.random(), 0
    while left > part and drawn < trials:
        left -= part
        drawn += 1
        part *= odds * (trials - drawn + 1) / drawn
    return drawn


def _beta(rng: random.Random, share: float, correlation: float) -> float:
    size = (1 - correlation) / correlation
    return rng.betavariate(share * size, (1 - share) * size)


def slow_shares(lines: Lines, slowdown: float) -> tuple[float, float]:
    """The shares beyond both lines when everything takes ``exp(slowdown)`` times as long."""
    off = (_TOLERANCE - slowdown) / _SCATTER
    return 1 - _NORMAL.cdf(lines.p50 + off), 1 - _NORMAL.cdf(lines.p95 + off)


def stationary(rng: random.Random, rate: float, lines: Lines, *, error_share: float = BASE) -> Iterator[Bucket]:
    half, tail = slow_shares(lines, 0.0)
    means = [rate * BUCKET_S * part for part in (1 - half, half - tail, tail)]
    while True:
        fast, slow, slowest = (poisson(rng, mean) for mean in means)
        requests = fast + slow + slowest
        yield requests, binomial(rng, requests, error_share), slow + slowest, slowest


def bursty(rng: random.Random, rate: float, lines: Lines) -> Iterator[Bucket]:
    half, tail = slow_shares(lines, 0.0)
    while True:
        requests = poisson(rng, rate * BUCKET_S)
        errors, slow, slowest = (binomial(rng, requests, _beta(rng, share, 0.05)) for share in (BASE, half, tail))
        yield requests, errors, max(slow, slowest), slowest


def outages(rng: random.Random, rate: float, lines: Lines) -> Iterator[Bucket]:
    quiet, burst = ((0.004, *slow_shares(lines, 0.0)), (0.1, *slow_shares(lines, math.log(2))))
    within = rng.random() < 0.01
    while True:
        within = rng.random() < (0.75 if within else 0.0025)
        requests = poisson(rng, rate * BUCKET_S)
        errors, slow, slowest = (binomial(rng, requests, share) for share in (burst if within else quiet))
        yield requests, errors, max(slow, slowest), slowest


def diurnal(rng: random.Random, rate: float, lines: Lines) -> Iterator[Bucket]:
    at, begun = rng.randrange(_DAY), None
    while True:
        swing = math.sin(math.tau * at / _DAY)
        begun = swing if begun is None else begun
        slow_share, slowest_share = slow_shares(lines, math.log(1.1) * (swing - begun))
        requests = poisson(rng, rate * BUCKET_S * 10 ** (swing / 2) / 1.36)
        slowest = binomial(rng, requests, slowest_share)
        yield (
            requests,
            binomial(rng, requests, BASE * (1 + 0.2 * swing)),
            max(slowest, binomial(rng, requests, slow_share)),
            slowest,
        )
        at += BUCKET_S


TRAFFIC: dict[str, Callable[[random.Random, float, Lines], Iterator[Bucket]]] = {
    "stationary": stationary,
    "bursty": bursty,
    "outages": outages,
    "diurnal": diurnal,
}
