"""What could be seen by now and how many requests the rest would take, to be said before and beside the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

from pawl.observe.judge.arms import log_arm_ratios
from pawl.observe.judge.evidence import AT_START, alternatives_for, log_ratios, weights_of
from pawl.observe.judge.reference import Reference

POWER = 0.9


def information_bound(share: float, limit: float, *, alpha: float = 0.01) -> float:
    """The fewest requests, on average, in which any test at level alpha can tell a share from a limit below it.

    Formula: ln(1/alpha) / KL, KL = p ln(p/q) + (1-p) ln((1-p)/(1-q)). Sources: Wald 1945, Ann. Math. Stat.
    16; for tests that stop only to reject, Lorden 1971, Ann. Math. Stat. 42.

    Every request failing where half may: ln 100 / ln 2 = 6.64.

    >>> round(information_bound(1.0, 0.5), 2)
    6.64

    Raises ValueError unless 0 < limit < share <= 1.
    """
    if not 0 < limit < share <= 1:
        raise ValueError(f"a share of {share} cannot be told from a limit of {limit}")
    distance = share * math.log(share / limit)
    if share < 1:
        distance += (1 - share) * (math.log1p(-share) - math.log1p(-limit))
    return math.log(1 / alpha) / distance


def requests_needed(
    share: float, reference: Reference, *, log_threshold: float, weight: float = 1.0, power: float = POWER
) -> float:
    """After how many requests a share is caught with this power; infinite where it is not above the limit.

    ``weight`` is the signal's part in the deploy's one E. Bursts count through the reference's dispersion. Besides, no
    rise is caught in fewer than three buckets (:func:`evidence.burst_caps`).

    Formula: the log evidence for alternative k after n requests is about normal with mean n g_k and variance n v_k;
    n solves n g_k - z sqrt(n v_k) = log_threshold + ln(1 / (weight * at_start * w_k)), and the best k counts.
    Assumes independent requests up to the dispersion. Source: Wald 1945 for the mean; the fluctuation is
    the usual normal one, checked by simulation in ``tests/judge``.

    >>> rare = Reference(requests=20_000, events=100, usual=0.005, limit=0.006, bad=0.026)
    >>> round(requests_needed(0.05, rare, log_threshold=math.log(100)))
    231
    >>> requests_needed(0.006, rare, log_threshold=math.log(100))
    inf
    """
    if not reference.is_usable or share <= reference.limit:
        return math.inf
    chosen = alternatives_for(reference.limit)
    rises, falls = log_ratios(reference.limit, [odds for odds, _ in chosen], 1.0)
    moments = [
        (share * rise + (1 - share) * fall, share * (1 - share) * (rise - fall) ** 2)
        for rise, fall in zip(rises, falls, strict=True)
    ]
    bars = _bars(weights_of(chosen), log_threshold, weight)
    return _least(moments, bars, reference.dispersion, power)


def canary_requests_needed(
    share: float,
    reference: Reference,
    *,
    other_share: float,
    others_per_request: float,
    log_threshold: float,
    weight: float = 1.0,
    power: float = POWER,
) -> float:
    """The same for two arms: requests to the candidate until its share is told from the other arm's.

    ``others_per_request`` is how many requests the other arm serves for each of the candidate's (19 for a 5 % canary).

    A canary of 5 % is compared with far more of the others, so it needs fewer requests of its own than one of 50 %; but
    it gets a tenth as many:

    >>> rare = Reference(requests=20_000, events=100, usual=0.005, limit=0.006, bad=0.026)
    >>> [round(canary_requests_needed(0.05, rare, other_share=0.005, others_per_request=others,
    ...        log_threshold=math.log(100))) for others in (19.0, 1.0)]
    [258, 612]
    """
    if not reference.is_usable or share <= reference.ratio * other_share or not others_per_request:
        return math.inf
    chosen = alternatives_for(reference.limit)
    ratios = [log_arm_ratios(multiple, reference.ratio, others_per_request) for multiple, _ in chosen]
    moments = [
        (share * rise + others_per_request * other_share * fall,
         share * rise * rise + others_per_request * other_share * fall * fall)
        for rise, fall in ratios
    ]  # fmt: skip
    return _least(moments, _bars(weights_of(chosen), log_threshold, weight), reference.dispersion, power)


def smallest_detectable(
    requests: int, reference: Reference, *, log_threshold: float, weight: float = 1.0, power: float = POWER
) -> float | None:
    """The smallest share that so many requests would have shown with this power; None where not even 100 % would.

    >>> rare = Reference(requests=20_000, events=100, usual=0.005, limit=0.006, bad=0.026)
    >>> round(smallest_detectable(231, rare, log_threshold=math.log(100)), 3)
    0.05
    >>> smallest_detectable(0, rare, log_threshold=math.log(100)) is None
    True
    """

    def needed(share: float) -> float:
        return requests_needed(share, reference, log_threshold=log_threshold, weight=weight, power=power)

    return _smallest(needed, requests, above=reference.limit)


def smallest_in_canary(
    requests: int,
    reference: Reference,
    *,
    other_share: float,
    others_per_request: float,
    log_threshold: float,
    weight: float = 1.0,
    power: float = POWER,
) -> float | None:
    """The same for two arms, after so many requests to the candidate.

    >>> rare = Reference(requests=20_000, events=100, usual=0.005, limit=0.006, bad=0.026)
    >>> round(smallest_in_canary(258, rare, other_share=0.005, others_per_request=19.0,
    ...       log_threshold=math.log(100)), 3)
    0.05
    """

    def needed(share: float) -> float:
        return canary_requests_needed(
            share, reference, other_share=other_share, others_per_request=others_per_request,
            log_threshold=log_threshold, weight=weight, power=power,
        )  # fmt: skip

    return _smallest(needed, requests, above=other_share)


def healthy_requests_needed(reference: Reference, *, beta: float = 0.05) -> float:
    """How many requests it takes, on average, until a change that changed nothing is shown to be below ``bad``.

    Formula: dispersion * ln(2 / beta) / KL(usual, bad): 2 for the two shares that :class:`evidence.Health` averages.

    >>> round(healthy_requests_needed(Reference(requests=1000, events=0, usual=0.0, limit=0.003, bad=0.03)))
    132
    """
    usual, bad = max(reference.usual or 0.0, 0.5 / (reference.requests + 1)), min(reference.bad, 1 - 1e-9)
    if usual >= bad:
        return math.inf
    distance = usual * math.log(usual / bad) + (1 - usual) * (math.log1p(-usual) - math.log1p(-bad))
    return reference.dispersion * math.log(2 / beta) / distance


def _smallest(needed: Callable[[float], float], requests: int, *, above: float) -> float | None:
    """The smallest share whose need is met, by bisection; None where not even that of 1 is."""
    if not requests or needed(1.0) > requests:
        return None
    low, high = above, 1.0
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle) <= requests else (middle, high)
    return high


def _bars(weights: Sequence[float], log_threshold: float, weight: float) -> list[float]:
    return [log_threshold - math.log(weight * AT_START * part) for part in weights]


def _least(moments: Sequence[tuple[float, float]], bars: Sequence[float], dispersion: float, power: float) -> float:
    """The least n over the alternatives with n g - z sqrt(n v) = bar; all evidence is divided by the dispersion."""
    z = NormalDist().inv_cdf(power)
    needed = math.inf
    for (gain, variance), bar in zip(moments, bars, strict=True):
        if gain > 0:
            drift, spread = gain / dispersion, z * math.sqrt(variance / dispersion)
            needed = min(needed, ((spread + math.sqrt(spread * spread + 4 * drift * bar)) / (2 * drift)) ** 2)
    return needed
