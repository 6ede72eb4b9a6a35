"""What the judge and the signals say, as it is recorded in the ledger and shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from pawl.ledger.observations import (
    CheckAnswer,
    ExpectationAnswer,
    Figures,
    Observation,
    PathPoint,
    RouteFigures,
    SignalFigures,
)
from pawl.observe.answers import Answer
from pawl.observe.baseline import Baseline
from pawl.observe.course import Point
from pawl.observe.judge.findings import Finding, Verdict
from pawl.observe.signals import Window
from pawl.observe.watch import Look


def observation(
    verdict: Verdict, baseline: Baseline, *, elapsed_s: float, duration_s: float, release: str,
    canary_percent: int | None = None, warnings: tuple[str, ...] = (), checks: tuple[CheckAnswer, ...] = (),
) -> Observation:  # fmt: skip
    """The verdict by now, without the windows."""
    errors = next((one for one in verdict.findings if one.signal == "errors"), None)
    return Observation(
        verdict=str(verdict.kind), why=verdict.why, elapsed_s=round(elapsed_s, 1), duration_s=duration_s,
        log_e=_finite(verdict.log_e), log_threshold=_finite(verdict.log_threshold),
        detectable=errors.detectable if errors else None, candidate_release=release,
        baseline_releases=baseline.releases, canary_percent=canary_percent,
        signals=tuple(map(_signal, verdict.findings)), warnings=warnings, checks=checks,
    )  # fmt: skip


def with_look(shown: Observation, look: Look, answers: Sequence[Answer], *, rate_before: float) -> Observation:
    """The observation with its windows and the answers to the expectations.

    ``rate_before`` is the baseline's traffic in requests a second: its window may reach back over idle days.
    """
    return msgspec.structs.replace(
        shown,
        candidate=of_window(look.candidate),
        baseline=of_window(look.baseline, rate_per_s=rate_before),
        routes=tuple(
            RouteFigures(
                route=pair.candidate.route or "",
                what=pair.what,
                candidate=of_window(pair.candidate),
                baseline=of_window(pair.baseline),
            )
            for pair in look.routes
        ),
        expectations=tuple(
            ExpectationAnswer(
                text=one.expectation.text, is_required=one.expectation.is_required, outcome=one.outcome, why=one.why
            )
            for one in answers
        ),
    )


def path(points: Sequence[Point]) -> tuple[PathPoint, ...]:
    """How the evidence ran, as it is recorded and shown."""
    return tuple(PathPoint(elapsed_s=one.elapsed_s, log_e=_finite(one.log_e), requests=one.requests) for one in points)


def of_window(window: Window, *, rate_per_s: float | None = None) -> Figures:
    """The golden signals of a window."""
    rate_per_s = window.rate_per_s if rate_per_s is None else rate_per_s
    return Figures(
        requests=window.requests, errors=window.errors, not_found=window.by_status["404"],
        rate_per_s=round(rate_per_s, 4), span_s=round(window.ended - window.began, 3),
        p50_s=_rounded(window.p50), p95_s=_rounded(window.p95), p99_s=_rounded(window.p99),
    )  # fmt: skip


def _signal(finding: Finding) -> SignalFigures:
    return SignalFigures(
        signal=finding.signal, requests=finding.requests, events=finding.events, usual=finding.usual,
        limit=finding.limit, bad=finding.bad, log_e=_finite(finding.log_e),
        log_threshold=_finite(finding.log_threshold), detectable=finding.detectable, is_healthy=finding.is_healthy,
        other_requests=finding.other_requests, other_events=finding.other_events,
        why_not_judged=finding.why_not_judged,
    )  # fmt: skip


def _finite(value: float) -> float:
    """JSON has no infinity."""
    return round(max(-1e9, min(1e9, value)), 4) if not math.isnan(value) else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
