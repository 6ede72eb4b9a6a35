"""What was seen of a change, as it is recorded with its verdict and shown while the watch goes on."""

from __future__ import annotations

import msgspec


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The golden signals of one side over a span; times in seconds, None without requests."""

    requests: int
    errors: int
    not_found: int
    rate_per_s: float
    span_s: float
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None


class RouteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A route that behaves otherwise than before; ``what`` is worse: errors, not found or slower."""

    route: str
    what: str
    candidate: Figures
    baseline: Figures


class SignalFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One signal of the judge; shares are 0..1, evidence is a natural logarithm.

    See :class:`pawl.observe.judge.findings.Finding` for each.
    """

    signal: str
    requests: int
    events: int
    usual: float | None
    limit: float | None
    bad: float | None
    log_e: float
    log_threshold: float
    detectable: float | None
    is_healthy: bool
    other_requests: int = 0
    other_events: int = 0
    why_not_judged: str = ""


class ExpectationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome``: met, not met, or not enough data."""

    text: str
    is_required: bool
    outcome: str
    why: str


class CheckAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking the new release for ``path`` after the switch; ``why``: the answer, or what is wrong.

    ``fails_before``: it is not good in the release before either, so it says nothing about the change.
    """

    path: str
    is_good: bool
    why: str
    fails_before: bool = False


class PathPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence (a natural logarithm) once ``requests`` had been judged, so long after the change began to serve."""

    elapsed_s: float
    log_e: float
    requests: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to see of a change by now, or was at the end.

    ``verdict`` is what it would be if the watch ended now: keep, roll back, inconclusive, no data, hard fail; ``why``
    one line for a person. ``log_e`` reaching ``log_threshold`` takes the change back. ``detectable`` is the smallest
    share of errors that would have been seen by now. ``warnings`` are limits passed, which condemn nothing.
    ``checks`` are the answers so far to what was asked after the switch. ``path`` is how the evidence ran, oldest
    first, 120 points at most, a canary's time included.
    """

    verdict: str
    why: str
    elapsed_s: float
    duration_s: float
    log_e: float = 0.0
    log_threshold: float = 0.0
    detectable: float | None = None
    candidate_release: str = ""
    baseline_releases: tuple[str, ...] = ()
    candidate: Figures | None = None
    baseline: Figures | None = None
    canary_percent: int | None = None
    routes: tuple[RouteFigures, ...] = ()
    signals: tuple[SignalFigures, ...] = ()
    expectations: tuple[ExpectationAnswer, ...] = ()
    warnings: tuple[str, ...] = ()
    path: tuple[PathPoint, ...] = ()
    checks: tuple[CheckAnswer, ...] = ()
