"""What the baseline says of one signal: its usual share, the most that passes for unchanged, and what is bad."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.observe.judge.binomial import upper_bound

LARGEST = 0.9
"""A limit above this leaves no room to see anything worse: the signal cannot be judged against the baseline."""
MARGIN = 1.2
"""How much worse than the baseline still passes for unchanged: shares drift by a fifth from hour to hour."""
FLOOR = 0.001
"""No app is held to less than one error in a thousand requests."""
WANTED_REQUESTS = 20_000
"""Reach back (an hour at least, a week at most) until the baseline has so many: below, its uncertainty costs power."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What one signal is compared with; shares are 0..1.

    ``requests`` and ``events`` are the baseline's. ``usual`` is its share, None without requests. ``limit`` is the most
    that passes for unchanged (1 without requests), ``bad`` what a change must be shown to stay under to be kept.
    ``ratio`` is how many times worse than the other arm passes for unchanged where two releases serve at once.
    ``dispersion`` is by what factor counts scatter beyond chance.
    """

    requests: int
    events: int
    usual: float | None
    limit: float
    bad: float
    ratio: float = MARGIN
    dispersion: float = 1.0

    @property
    def is_usable(self) -> bool:
        """Whether anything worse than the limit could be told from it."""
        return self.limit <= LARGEST


NOTHING = Reference(requests=0, events=0, usual=None, limit=1.0, bad=1.0)
"""No baseline at all. Not even two arms can say anything then: how bursty the signal is stays unknown."""


def reference(
    requests: int,
    events: int,
    *,
    dispersion: float = 1.0,
    margin: float = MARGIN,
    floor: float = FLOOR,
    confidence: float = 0.95,
) -> Reference:
    """The reference of a signal with so many events in so many requests of the baseline.

    Use requests served by releases that were kept, never by one that failed: a bad baseline hides the next bad change.

    Formula: limit = max(floor, margin * events / requests, upper_bound(events, requests)). Margin and bound are
    alternatives, not factors: on a large baseline the margin is what allows for drift, on a small one the bound is
    wider already. That the true share lies above the limit in 5 % of baselines does not add 5 % of false alarms: it is
    then hardly above (``bench judge`` and ``tests/judge`` draw a new baseline for every deploy).
    bad: three times the odds of the limit, at least two points above it.

    Assumes a share that drifts less than ``margin`` between the baseline and the watch.
    Source: the study behind Pawl (docs), §2.3, there margin 1.25 times a 99 % bound.

    100 errors in 20,000 requests: 0.5 %, so up to 0.6 % passes for unchanged, and what is bad is 0.6 + 2 points:

    >>> found = reference(20_000, 100)
    >>> round(found.limit, 4), round(found.bad, 3)
    (0.006, 0.026)
    >>> reference(0, 0).is_usable
    False

    Raises ValueError unless 0 <= events <= requests, dispersion >= 1, margin >= 1 and 0 <= floor < 1.
    """
    if not (dispersion >= 1 and margin >= 1 and 0 <= floor < 1):
        raise ValueError(
            f"a reference needs dispersion {dispersion} >= 1, margin {margin} >= 1, 0 <= floor {floor} < 1"
        )
    bound = upper_bound(events, requests, confidence=confidence) if requests else 1.0
    usual = events / requests if requests else None
    limit = min(1.0, max(floor, margin * (usual or 0.0), bound))
    return Reference(requests, events, usual, limit, bad_share(limit), max(1.0, margin), dispersion)


def bad_share(limit: float) -> float:
    """Three times the odds of the limit, at least two points above it, at most 1.

    >>> round(bad_share(0.01), 3), round(bad_share(0.5), 3)
    (0.03, 0.75)
    """
    return min(1.0, max(scaled(limit, 3.0), limit + 0.02))


def scaled(share: float, odds: float) -> float:
    """The share whose odds are so many times those of this one; for small shares nearly that many times the share.

    >>> scaled(0.5, 3.0), round(scaled(0.01, 5.0), 4)
    (0.75, 0.0481)
    """
    return odds * share / (1 - share + odds * share)
