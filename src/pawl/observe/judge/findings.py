"""What the judge answers with: the numbers of each signal and the verdict that rests on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VerdictKind(StrEnum):
    """What is to be done about a change. Only ``roll back`` and ``hard fail`` act; what is unknown is kept and said."""

    KEEP = "keep"
    ROLL_BACK = "roll back"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no data"
    HARD_FAIL = "hard fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One signal by now; shares are 0..1, ``log_e`` is a natural logarithm.

    ``requests`` and ``events`` are the candidate's, ``other_requests`` and ``other_events`` those of the release beside
    it (0 outside a canary). ``limit`` is the most that passes for unchanged, ``bad`` what the share must be shown to
    stay below; None without a baseline. ``log_e`` alone takes the change back at ``log_threshold``, together with other
    signals before that. ``since_bucket`` is the bucket, counted from 0, with which the evidence begins, None while
    there is none. ``detectable`` is the smallest share that would have been seen by now nine times in ten; None while
    nothing would. ``why_not_judged`` is empty for a signal that is judged.
    """

    signal: str
    requests: int
    events: int
    usual: float | None
    limit: float | None
    bad: float | None
    log_e: float
    log_threshold: float
    since_bucket: int | None
    detectable: float | None
    is_healthy: bool
    other_requests: int = 0
    other_events: int = 0
    dispersion: float = 1.0
    why_not_judged: str = ""

    @property
    def share(self) -> float | None:
        """The candidate's share of events; None without requests."""
        return self.events / self.requests if self.requests else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says, and what that rests on.

    ``is_final`` is False while the watch goes on: the kind is then what it would be if it ended now. ``log_e`` reaching
    ``log_threshold`` is a roll back. ``why`` is one line for a person. ``buckets`` were looked at.
    """

    kind: VerdictKind
    is_final: bool
    why: str
    log_e: float
    log_threshold: float
    buckets: int
    requests: int
    findings: tuple[Finding, ...]
