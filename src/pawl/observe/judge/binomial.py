"""Shares of counts: exact bounds, and how far counts scatter beyond chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

_TINY = 1e-300
_MOST_TERMS = 1_000_000
_WIDTHS = (1, 4, 12)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b): how likely a Beta(a, b) variable is at most x.

    For binomial tails: P(X <= k) = I_{1-p}(n - k, k + 1) for X ~ Binomial(n, p). Good to about 1e-11 for parameters up
    to 1e9; about sqrt(max(a, b)) steps near the mean, few away from it.

    Formula: x^a (1-x)^b / (a B(a, b)) times Lentz's continued fraction (Press et al. 2007, Numerical Recipes, §6.4),
    with the factor in front in saddle-point form (Loader 2000, Fast and accurate computation of binomial
    probabilities), which loses no digits to cancelling lgammas.

    >>> round(beta_cdf(0.5, 2, 2), 12)
    0.5
    >>> round(beta_cdf(0.3, 1, 4), 12) == round(1 - 0.7**4, 12)
    True

    Raises ValueError unless a > 0, b > 0 and 0 <= x <= 1.
    """
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        raise ValueError(f"beta_cdf needs a > 0, b > 0 and 0 <= x <= 1, not x={x}, a={a}, b={b}")
    if x in (0, 1):
        return float(x)
    front = math.exp(_log_front(x, a, b))
    if x * (a + b + 2) < a + 1:
        return min(1.0, front * _fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _fraction(1 - x, b, a) / b)


def upper_bound(events: int, requests: int, *, confidence: float = 0.95) -> float:
    """The Clopper-Pearson upper bound for a share: the largest p under which so few events are not yet surprising.

    Use it where a share must not be taken for smaller than it may be. With no requests it is 1: nothing is known.

    Formula: the p with P(X <= events; requests, p) = 1 - confidence; equally Beta(events + 1, requests - events) at
    its confidence quantile. Assumes independent requests with one share; covers at least ``confidence`` of the time.
    Source: Clopper and Pearson 1934, Biometrika 26.

    No event in n requests can be checked by hand, 1 - (1 - confidence)^(1/n) (about 3/n: the rule of three):

    >>> round(upper_bound(0, 100), 6) == round(1 - 0.05**0.01, 6) == 0.029513
    True
    >>> round(upper_bound(5, 100, confidence=0.975), 4)
    0.1128

    Raises ValueError unless 0 <= events <= requests and 0 < confidence < 1.
    """
    _check(events, requests, confidence)
    if events >= requests:
        return 1.0
    if events == 0:
        return -math.expm1(math.log1p(-confidence) / requests)
    goal = math.log1p(-confidence)

    def excess(share: float) -> float:
        return math.log(max(_TINY, beta_cdf(1 - share, requests - events, events + 1))) - goal

    return _root(excess, *_bracket(events, requests, confidence, excess))


def dispersion(buckets: Sequence[tuple[int, int]]) -> float:
    """How many times more than chance the counts scatter from bucket to bucket: Pearson's phi, at least 1.

    ``buckets`` are (requests, events) of equal spans in order of time; idle ones are (0, 0). Divide log evidence by it:
    100 errors in one burst are not 100 witnesses. Bursts may outlast a bucket, so the counts are also summed over 4 and
    12 neighbours and the largest phi counts. Where phi is within two standard errors of 1, it is taken for 1: on few
    events an estimate above 1 is mostly noise, and would cost power.

    Formula: sum((x - n p)^2 / (n p (1-p))) / (m - 1) over the m buckets with requests, p the overall share; standard
    error under independence sqrt(mean(2 + (1 - 6 p (1-p)) / (n p (1-p))) / m). Source: McCullagh and Nelder 1989,
    Generalized Linear Models, §4.5.2.

    Four buckets of 10 with 8 events, all in two of them: p = 0.2, n p (1-p) = 1.6, phi = 4 * 2^2 / 1.6 / 3 = 3.33.

    >>> round(dispersion([(10, 4), (10, 0), (10, 4), (10, 0)]), 2)
    3.33
    >>> dispersion([(10, 2)] * 8), dispersion([])
    (1.0, 1.0)
    """
    requests = sum(n for n, _ in buckets)
    events = sum(x for _, x in buckets)
    if not 0 < events < requests:
        return 1.0
    share = events / requests
    return max(1.0, *(_phi(_summed(buckets, width), share) for width in _WIDTHS))


class Scatter:
    """Pearson's phi as buckets come in, at their own width: for what has no baseline to take it from.

    Formula: (sum(x^2 / n) - X^2 / N) / (p (1-p)) / (m - 1), which is that of :func:`dispersion` multiplied out.

    >>> seen = Scatter()
    >>> for events in (4, 0, 4, 0):
    ...     seen.add(10, events)
    >>> round(seen.phi, 2)
    3.33
    """

    __slots__ = ("_buckets", "_events", "_requests", "_squares")

    def __init__(self) -> None:
        self._buckets = self._requests = self._events = 0
        self._squares = 0.0

    def add(self, requests: int, events: int) -> None:
        """Take in one bucket; one without requests changes nothing."""
        if requests:
            self._buckets += 1
            self._requests += requests
            self._events += events
            self._squares += events * events / requests

    @property
    def phi(self) -> float:
        """At least 1; 1 for fewer than four buckets."""
        if self._buckets < 4 or not 0 < self._events < self._requests:
            return 1.0
        share = self._events / self._requests
        found = (self._squares - self._events * share) / (share * (1 - share)) / (self._buckets - 1)
        return max(1.0, found)


def _summed(buckets: Sequence[tuple[int, int]], width: int) -> list[tuple[int, int]]:
    if width == 1:
        return [(n, x) for n, x in buckets if n]
    groups = [buckets[at : at + width] for at in range(0, len(buckets), width)]
    summed = [(sum(n for n, _ in group), sum(x for _, x in group)) for group in groups]
    return [(n, x) for n, x in summed if n]


def _phi(buckets: Sequence[tuple[int, int]], share: float) -> float:
    """Pearson's phi at one width, or 1 where it is not clearly above."""
    count = len(buckets)
    if count < 4:
        return 1.0
    spread = share * (1 - share)
    phi = sum((x - n * share) ** 2 / n for n, x in buckets) / spread / (count - 1)
    excess = (1 - 6 * spread) / spread * sum(1 / n for n, _ in buckets) / count
    return phi if phi > 1 + 2 * math.sqrt((2 + excess) / count) else 1.0


def _check(events: int, requests: int, confidence: float) -> None:
    if not 0 <= events <= requests:
        raise ValueError(f"{events} events in {requests} requests cannot be")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence is between 0 and 1, not {confidence}")


def _log_front(x: float, a: float, b: float) -> float:
    """log(x^a (1-x)^b / B(a, b)), from deviances and Stirling's errors."""
    n = a + b
    deviance = _deviance(a, n * x) + _deviance(b, n * (1 - x))
    stirling = _stirling_error(n) - _stirling_error(a) - _stirling_error(b)
    return stirling - deviance + 0.5 * math.log(a * b / (2 * math.pi * n))


def _deviance(value: float, mean: float) -> float:
    """value ln(value / mean) + mean - value, without cancelling where they are close (Loader 2000, bd0)."""
    off = (mean - value) / value
    if abs(off) > 0.1:
        return value * math.log(value / mean) + mean - value
    # off - log1p(off) = off^2/2 - off^3/3 + ...
    power, total, sign = off * off, 0.0, 1.0
    for term in range(2, 18):
        total += sign * power / term
        power, sign = power * off, -sign
    return value * total


def _stirling_error(value: float) -> float:
    """lgamma(value + 1) less Stirling's formula for it."""
    if value < 16:
        return math.lgamma(value + 1) - (value + 0.5) * math.log(value) + value - 0.5 * math.log(2 * math.pi)
    square = value * value
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * square)) / square) / square) / value


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method as modified by Thompson and Barnett."""
    c, d = 1.0, 1 / _kept(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / _kept(1 + even * d)
        c = _kept(1 + even / c)
        value *= c * d
        d = 1 / _kept(1 + odd * d)
        c = _kept(1 + odd / c)
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _bracket(events: int, requests: int, confidence: float, excess: Callable[[float], float]) -> tuple[float, float]:
    """Two shares with the wanted one between them."""
    share = events / requests
    step = math.sqrt((events + 1) * (1 - share)) / requests
    low = share if confidence > 0.7 else 0.0
    high = min(1 - 1e-16, share + 2 * step)
    while excess(high) > 0 and high < 1 - 1e-15:
        low, high, step = high, min(1 - 1e-16, high + 2 * step), 2 * step
    return low, high


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses 0 between low and high: false position (Illinois), then bisection."""
    at_low, at_high = function(low), function(high)
    side = 0
    for step in range(200):
        middle = (low * at_high - high * at_low) / (at_high - at_low) if step < 30 else (low + high) / 2
        at_middle = function(middle)
        if abs(at_middle) < 1e-11 or high - low < 1e-12 * high:
            return middle
        if at_middle > 0:
            low, at_low = middle, at_middle
            at_high = at_high / 2 if side > 0 else at_high
            side = 1
        else:
            high, at_high = middle, at_middle
            at_low = at_low / 2 if side < 0 else at_low
            side = -1
    return (low + high) / 2
