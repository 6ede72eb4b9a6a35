"""Two releases side by side: of all events, how many fall in the candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence


def log_factors(
    multiples: Sequence[float],
    *,
    candidate: tuple[int, int],
    baseline: tuple[int, int],
    ratio: float = 1.2,
    dispersion: float = 1.0,
) -> list[float]:
    """What one bucket of (requests, events) in each arm adds to the log evidence that the candidate is worse.

    Use it for a canary: what hits both arms alike (a slow database, a busy hour, bad clients) is not blamed on the
    change. History is needed for the dispersion only: bursts may hit one arm alone. One number for each multiple m: the
    candidate's share is m times what passes for unchanged, which is ``ratio`` times the other arm's. The candidate's
    part s of the requests is that of this bucket, so it may change from bucket to bucket.

    Formula: theta = s r / (s r + 1 - s) for r = ratio, theta_m the same for r = ratio * m; the factor is
    (theta_m/theta)^x_c ((1-theta_m)/(1-theta))^x_b. Lindon and Malek (2022, NeurIPS, arXiv 2011.03567) derive it
    for Poisson counts: given an event, theta is the chance that it is the candidate's.

    It also holds for counts of requests with any shares p_c <= ratio * p_b, new in every bucket, which is what is fed
    here: with a = theta_m/theta and b = (1-theta_m)/(1-theta) the mean is (1 + p_c (a-1))^n_c (1 + p_b (b-1))^n_b
    <= exp(n_c p_c (a-1) + n_b p_b (b-1)) <= exp(p_b (n_c r (a-1) + n_b (b-1))) = exp(0), for theta was chosen so that
    n_c r (a-1) + n_b (b-1) = 0. For shares near one half this bound gives away about half of the evidence.

    Equal arms, ratio 1: theta = 1/2, for m = 3 theta_m = 3/4, so an event in the candidate counts ln 1.5, one in the
    other arm ln 0.5:

    >>> [round(math.exp(value), 6) for value in
    ...  log_factors([3.0], candidate=(100, 1), baseline=(100, 1), ratio=1.0)]
    [0.75]
    >>> log_factors([3.0], candidate=(100, 0), baseline=(0, 0))
    [0.0]

    Raises ValueError for more events than requests, a ratio of 0 or less, a multiple of 1 or less.
    """
    (requests, events), (other_requests, other_events) = candidate, baseline
    if not (0 <= events <= requests and 0 <= other_events <= other_requests):
        raise ValueError(f"{events} of {requests} and {other_events} of {other_requests} cannot be")
    if ratio <= 0 or any(multiple <= 1 for multiple in multiples):
        raise ValueError(f"the candidate cannot be compared at ratio {ratio} and multiples {list(multiples)}")
    if not (requests and other_requests and events + other_events):
        return [0.0] * len(multiples)
    return [
        (events * rise + other_events * fall) / dispersion
        for rise, fall in (log_arm_ratios(multiple, requests * ratio, other_requests) for multiple in multiples)
    ]


def log_arm_ratios(multiple: float, weight: float, other_weight: float) -> tuple[float, float]:
    """What an event in the candidate, and one in the other arm, adds for one multiple.

    ``weight`` and ``other_weight`` are the arms' requests, the candidate's times the allowed ratio.

    >>> [round(math.exp(value), 6) for value in log_arm_ratios(3.0, 100.0, 100.0)]
    [1.5, 0.5]
    """
    fall = math.log((weight + other_weight) / (multiple * weight + other_weight))
    return math.log(multiple) + fall, fall
