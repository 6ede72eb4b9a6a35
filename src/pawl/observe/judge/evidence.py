"""Evidence from counts, valid at every look: that a share has risen, and that it has stayed low."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul

from pawl.observe.judge.reference import Reference, scaled

# (times the odds of the limit, weight): spaced so that what lies between two costs little; a rise of tenfold is what a
# broken route looks like and has the largest weight, the last is for an outage.
RARE = ((2.0, 1.0), (4.5, 2.0), (9.0, 2.5), (20.0, 1.5), (80.0, 0.7))
COMMON = ((1.25, 1.0), (1.6, 1.5), (2.5, 1.5), (6.0, 1.0), (50.0, 0.5))
_COMMON_FROM = 0.25
_TINY = 1e-300
AT_START = 0.8
HORIZON = 180


class Evidence:
    """How much the counts speak for a share above the limit: an e-process, to be looked at whenever you like.

    While the true share is at most ``limit``, the chance that E ever reaches 1/alpha is at most alpha, over any number
    of looks (Ville's inequality): no correction, no planned sample size.

    Formula: for alternatives q_k with odds m_k times those of the limit p, a bucket of n requests with x events adds
    d_k = min(cap_k, (x ln(q_k/p) + (n-x) ln((1-q_k)/(1-p))) / dispersion). With start s having weight pi_s,
    E_t = sum_k w_k [sum_{s<=t} pi_s exp(d_k,s + ... + d_k,t) + sum_{s>t} pi_s]. A change that goes wrong late is then
    not buried under the good data before; S_k <- (S_k + pi_t) exp(d_k,t) keeps it in one number for each k. The first
    bucket has weight ``at_start``, the others share the rest as horizon / (horizon + t), which never runs out: a watch
    may be extended. Idle buckets are no looks and take no weight.

    Assumes independent requests; q_k > p then makes the mean of each factor at most 1 for every share up to p, and so
    that of any mixture with weights that sum to 1; a cap only takes away. Dividing by a dispersion above 1 keeps this
    (Jensen) and is a calibrated guard, not a theorem, where requests come in bursts.

    Sources: Wald 1945, Ann. Math. Stat. 16 (likelihood ratio); Ville 1939; Johari, Pekelis and Walsh 2015, arXiv
    1512.04922 (mixtures); Ramdas, Gruenwald, Vovk and Shafer 2023, arXiv 2210.01948 (overview).

    One alternative of odds 9 on a limit of 0.1 is 0.5: each event multiplies E by 5, each other request by 5/9.

    >>> seen = Evidence(0.1, alternatives=((9.0, 1.0),), at_start=1.0)
    >>> seen.add(3, 2)
    >>> round(math.exp(seen.log_e), 3) == round(5 * 5 * 5 / 9, 3) == 13.889
    True

    Raises ValueError for a limit outside 0..1, a dispersion below 1, or more events than requests.
    """

    __slots__ = ("_caps", "_falls", "_log_sums", "_rises", "_start_weight", "_tail", "_weights", "at_start",
                 "horizon", "looks")  # fmt: skip

    def __init__(
        self,
        limit: float,
        *,
        alternatives: Sequence[tuple[float, float]] | None = None,
        dispersion: float = 1.0,
        caps: Sequence[float] | None = None,
        at_start: float = AT_START,
        horizon: int = HORIZON,
    ) -> None:
        if not (0 < limit < 1 and dispersion >= 1 and 0 < at_start <= 1):
            raise ValueError(f"no evidence against limit {limit} with dispersion {dispersion}, weight {at_start}")
        chosen = alternatives or alternatives_for(limit)
        self.looks = 0
        self.at_start = at_start
        self.horizon = horizon
        self._caps = tuple(caps) if caps is not None else (math.inf,) * len(chosen)
        self._weights = weights_of(chosen)
        self._rises, self._falls = log_ratios(limit, [odds for odds, _ in chosen], dispersion)
        self._log_sums = [-math.inf] * len(chosen)
        self._start_weight = at_start
        self._tail = 1.0

    def add(self, requests: int, events: int) -> None:
        """Take in one bucket; the order inside it does not matter, a bucket without requests changes nothing."""
        if not 0 <= events <= requests:
            raise ValueError(f"{events} events in {requests} requests cannot be")
        if requests:
            others = requests - events
            rises, falls = self._rises, self._falls
            self.multiply([events * rise + others * fall for rise, fall in zip(rises, falls, strict=True)])

    def multiply(self, log_factors: Sequence[float]) -> None:
        """Take in one bucket given as the log of each alternative's factor, each of mean at most 1 if nothing rose."""
        begin = self._start_weight
        log_begin = math.log(begin) if begin else -math.inf
        sums, exp, log1p = self._log_sums, math.exp, math.log1p
        for at, (before, factor, cap) in enumerate(zip(sums, log_factors, self._caps, strict=True)):
            low, high = (log_begin, before) if log_begin < before else (before, log_begin)
            begun = high + log1p(exp(low - high)) if low > high - 40 else high
            sums[at] = begun + (factor if factor < cap else cap)
        self._tail -= begin
        looks = self.looks = self.looks + 1
        late, horizon = 1 - self.at_start, self.horizon
        self._start_weight = late * horizon / ((horizon + looks - 1) * (horizon + looks))

    @property
    def log_e(self) -> float:
        """The log of E: 0 before the first bucket, at most that small where all is well."""
        if not self.looks:
            return 0.0
        top = max(self._log_sums)
        if top < 600:
            return math.log(sum(map(mul, self._weights, map(math.exp, self._log_sums))) + max(self._tail, _TINY))
        weighted = (weight * math.exp(value - top) for weight, value in zip(self._weights, self._log_sums, strict=True))
        return top + math.log(sum(weighted))

    @property
    def leading(self) -> int:
        """Which alternative the counts speak for most."""
        terms = [math.log(weight) + value for weight, value in zip(self._weights, self._log_sums, strict=True)]
        return terms.index(max(terms))


class Health:
    """How much the counts speak for a share below ``bad``: what a change needs to be kept.

    Formula: E = mean over good in {usual, limit} of prod (good/bad)^x ((1-good)/(1-bad))^(n-x), to the power
    1/dispersion; while the true share is at least ``bad``, E reaches 1/beta with a chance of at most beta.
    Assumptions and sources as for :class:`Evidence`.

    With one good share of 0.01 against a bad 0.03, each request without an event multiplies E by 99/97: 147 in a row
    make it 20, that is ln 20 / ln(99/97) = 146.8:

    >>> fine = Health(Reference(requests=1000, events=10, usual=0.01, limit=0.01, bad=0.03))
    >>> fine.add(146, 0); fine.log_e < math.log(20)
    True
    >>> fine.add(1, 0); fine.log_e >= math.log(20)
    True

    Raises ValueError where the reference leaves nothing to tell apart.
    """

    __slots__ = ("_falls", "_logs", "_rises")

    def __init__(self, reference: Reference) -> None:
        bad = min(reference.bad, 1 - 1e-9)
        usual = max(reference.usual or 0.0, 0.5 / (reference.requests + 1))
        goods = [min(usual, reference.limit), reference.limit]
        if not 0 < goods[0] <= reference.limit < bad:
            raise ValueError(f"a limit of {reference.limit} cannot be told from {reference.bad}")
        phi = reference.dispersion
        self._rises = [math.log(good / bad) / phi for good in goods]
        self._falls = [(math.log1p(-good) - math.log1p(-bad)) / phi for good in goods]
        self._logs = [0.0, 0.0]

    def add(self, requests: int, events: int) -> None:
        """Take in one bucket."""
        others = requests - events
        for at in (0, 1):
            self._logs[at] += events * self._rises[at] + others * self._falls[at]

    @property
    def log_e(self) -> float:
        """The log of E; 0 before the first bucket."""
        low, high = sorted(self._logs)
        return high + math.log1p(math.exp(low - high)) - math.log(2)


def alternatives_for(limit: float) -> tuple[tuple[float, float], ...]:
    """What to look for above such a limit: multiples of its odds, closer together where the share is large.

    >>> alternatives_for(0.01)[0][0], alternatives_for(0.5)[0][0]
    (2.0, 1.25)
    """
    return COMMON if limit >= _COMMON_FROM else RARE


def weights_of(alternatives: Sequence[tuple[float, float]]) -> list[float]:
    """The alternatives' weights, made to sum to 1."""
    total = sum(weight for _, weight in alternatives)
    return [weight / total for _, weight in alternatives]


def log_ratios(limit: float, odds: Sequence[float], dispersion: float) -> tuple[list[float], list[float]]:
    """What an event and what another request add to the log evidence for each alternative."""
    shares = [scaled(limit, times) for times in odds]
    rises = [math.log(share / limit) / dispersion for share in shares]
    falls = [(math.log1p(-share) - math.log1p(-limit)) / dispersion for share in shares]
    return rises, falls


def burst_caps(weights: Sequence[float], log_threshold: float) -> list[float]:
    """The most that one bucket may add for each part of the deploy's one E, by the part's weight in it.

    Bursts, not many looks, are what makes healthy deploys look bad. With these caps no two buckets can reach the
    threshold, whatever is in them, and three buckets of outage in one signal do.

    Formula: cap_k = c + ln(1/w_k) / 3, so that a light part pays for its weight within the same three buckets;
    c = (ln(1/alpha) - 0.01 - ln sum_k w_k^(1/3)) / 2 makes sum_k w_k exp(2 cap_k) stay just below 1/alpha.
    Source: the study behind Pawl, §2.3, there ln(1/alpha) / 3 for all: the weights then cost two more buckets.

    >>> caps = burst_caps([0.5, 0.3, 0.2], math.log(100))
    >>> sum(w * math.exp(2 * cap) for w, cap in zip([0.5, 0.3, 0.2], caps)) < 100
    True
    >>> sum(w * math.exp(3 * cap) for w, cap in zip([0.5, 0.3, 0.2], caps)) > 100
    True

    Raises ValueError where a weight is not above 0.
    """
    if not weights:
        return []
    if any(weight <= 0 for weight in weights):
        raise ValueError("a part of the evidence needs a weight above 0")
    base = (log_threshold - 0.01 - math.log(math.fsum(weight ** (1 / 3) for weight in weights))) / 2
    return [base - math.log(weight) / 3 for weight in weights]
