"""The judge of one deploy: fed bucket by bucket, it answers with findings and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pawl.observe.judge.evidence import HORIZON, burst_caps, weights_of
from pawl.observe.judge.findings import Finding, Verdict, VerdictKind
from pawl.observe.judge.power import healthy_requests_needed
from pawl.observe.judge.reference import Reference
from pawl.observe.judge.signals import Signal, alternatives_of
from pawl.observe.judge.threshold import log_threshold as promised_threshold

MAIN = "errors"
MAIN_WEIGHT = 0.7
IN_WORDS = {
    "slow50": "slower than the median before:",
    "slow95": "slower than the p95 before:",
    "not_found": "not found (404):",
}
WARM_UP_BUCKETS = {"slow50": 6, "slow95": 6}
"""Buckets of 5 s that a signal leaves out after the switch: 30 s for latency, none for errors."""


class Judge:
    """Whether a change did harm, from the counts of what it served, at a stated rate of false alarms for the deploy.

    ``baseline`` has a reference for each signal: ``errors`` and any others (``slow50``, ``slow95``, ``not_found``);
    ``reference.NOTHING`` for one that has no history. ``alpha`` is the chance that a change that changed nothing is
    taken back, over all signals and looks; ``beta`` that a bad one is kept as proven healthy. ``weights`` are the
    signals' parts in the one E; ``errors`` has seven tenths, for errors are what most often breaks and each latency
    signal gets evidence from every request. ``log_threshold`` is raised where a backtest asks for it
    (:func:`threshold.log_threshold`).

    Formula: E = sum_i v_i E_i >= 1/alpha takes the change back; each E_i is an e-process, so their mean with weights
    fixed beforehand is one, however the signals depend on each other (Vovk and Wang 2021, Ann. Stat. 49, arXiv
    1912.06116). Sequential counts and two arms multiply into the same E_i.

    After a roll back feed another Judge with what the restored release serves: if it is taken back too, the cause was
    elsewhere.

    A total outage at 20 requests a second, after a baseline of 20,000 requests with 100 errors:

    >>> from pawl.observe.judge.reference import reference
    >>> judge = Judge({"errors": reference(20_000, 100)})
    >>> for _ in range(3):
    ...     judge.add(100, {"errors": 100})
    >>> judge.verdict().kind.value, judge.verdict().buckets
    ('roll back', 3)

    Raises ValueError where ``errors`` is not among the signals or a number is out of its range.
    """

    def __init__(
        self,
        baseline: Mapping[str, Reference],
        *,
        alpha: float = 0.01,
        beta: float = 0.05,
        weights: Mapping[str, float] | None = None,
        log_threshold: float | None = None,
        skipped: Mapping[str, int] = WARM_UP_BUCKETS,
        horizon: int = HORIZON,
    ) -> None:
        if MAIN not in baseline:
            raise ValueError(f"the judge needs a reference for '{MAIN}', not only for {sorted(baseline)}")
        if not 0 < beta < 1:
            raise ValueError(f"the chance to keep a bad change lies between 0 and 1, not {beta}")
        self.log_threshold = max(log_threshold or 0.0, promised_threshold(alpha))
        self.buckets = self.missed = self.requests = 0
        self._log_healthy = math.log(1 / beta)
        self._hard_fail = ""
        self._rolled_back: Verdict | None = None
        judged = [name for name, found in baseline.items() if found.is_usable]
        parts = _parts(judged, weights or {})
        caps = _caps({name: (parts[name], baseline[name]) for name in judged}, self.log_threshold)
        self._signals = tuple(
            Signal(
                name, found, weight=parts.get(name, 1.0), caps=caps.get(name), skipped=skipped.get(name, 0),
                horizon=horizon,
            )
            for name, found in sorted(baseline.items(), key=lambda item: item[0] != MAIN)
        )  # fmt: skip
        self._judged = tuple((math.log(parts[one.name]), one) for one in self._signals if one.name in parts)

    def add(self, requests: int, counts: Mapping[str, int]) -> None:
        """Take in one bucket that the candidate served alone: events by signal, 0 for a signal that is left out.

        The order inside a bucket does not matter, a bucket without requests changes nothing but the time. After a
        final verdict buckets are no longer taken in.
        """
        if self.is_final:
            return
        self.buckets += 1
        self.requests += requests
        for signal in self._signals:
            signal.add(requests, counts.get(signal.name, 0))
        self._look()

    def add_arms(
        self, requests: int, counts: Mapping[str, int], *, other_requests: int, other_counts: Mapping[str, int]
    ) -> None:
        """Take in one bucket in which candidate and baseline served side by side."""
        if self.is_final:
            return
        self.buckets += 1
        self.requests += requests
        for signal in self._signals:
            signal.add_arms(
                requests, counts.get(signal.name, 0), other_requests, other_counts.get(signal.name, 0)
            )  # fmt: skip
        self._look()

    def miss(self) -> None:
        """Note a bucket for which the source of the counts did not answer: not the same as no requests."""
        self.missed += 1
        self.add(0, {})

    def fail(self, why: str) -> None:
        """Note what needs no statistics: a crash loop, health lost, a hard limit passed for too long."""
        self._hard_fail = self._hard_fail or why

    @property
    def is_final(self) -> bool:
        """Whether nothing can change the verdict any more."""
        return bool(self._hard_fail or self._rolled_back)

    @property
    def log_e(self) -> float:
        """The log evidence that the change did harm."""
        if not self._judged:
            return 0.0
        logs = [log_part + signal.evidence.log_e for log_part, signal in self._judged]
        top = max(logs)
        return top + math.log(sum(math.exp(value - top) for value in logs))

    def findings(self) -> tuple[Finding, ...]:
        """Each signal's numbers by now, errors first; signals without a usable baseline say why they are not judged."""
        return tuple(
            signal.finding(log_threshold=self.log_threshold, log_healthy=self._log_healthy) for signal in self._signals
        )

    def verdict(self, *, is_over: bool = False) -> Verdict:
        """What to do about the change by now; with ``is_over`` the watch has ended and the verdict is final.

        In this order: *hard fail* if :meth:`fail` was told so; *roll back* once E reached 1/alpha, however it went on;
        *no data* if the source was down for half of the watch or more; *keep* if errors and all else that is judged are
        shown to be below what is bad; *inconclusive* otherwise, with what is missing. So no evidence never looks green,
        and never takes a change back either.
        """
        if self._hard_fail:
            return self._verdict(VerdictKind.HARD_FAIL, self._hard_fail, is_final=True)
        if self._rolled_back:
            return self._rolled_back
        kind, why = self._undecided()
        return self._verdict(kind, why, is_final=is_over)

    def _look(self) -> None:
        if self.log_e >= self.log_threshold:
            worst = max(self.findings(), key=lambda one: one.log_e - one.log_threshold)
            self._rolled_back = self._verdict(VerdictKind.ROLL_BACK, _harm(worst), is_final=True)

    def _undecided(self) -> tuple[VerdictKind, str]:
        if self.missed * 2 >= self.buckets:
            what = f"no counts for {self.missed} of {self.buckets} looks" if self.buckets else "nothing was looked at"
            return VerdictKind.NO_DATA, what
        if not self.requests:
            return VerdictKind.INCONCLUSIVE, f"no requests in {self.buckets} looks"
        findings = self.findings()
        missing = [
            self._missing(one)
            for one in findings
            if not one.is_healthy and (one.signal == MAIN or not one.why_not_judged)
        ]
        if missing:
            return VerdictKind.INCONCLUSIVE, "; ".join(missing)
        return VerdictKind.KEEP, "; ".join(_fine(one) for one in findings if one.is_healthy)

    def _missing(self, finding: Finding) -> str:
        if finding.why_not_judged:
            return f"{finding.signal} cannot be judged: {finding.why_not_judged}"
        if finding.bad is None or finding.limit is None:
            return f"{_counts(finding)}: too few to compare"
        against = next(one.reference for one in self._signals if one.name == finding.signal)
        needed = math.ceil(healthy_requests_needed(against, beta=math.exp(-self._log_healthy)))
        if finding.requests < needed:
            return f"{_counts(finding)}: to show that it is below {finding.bad:.1%} takes about {needed} requests"
        return f"{_counts(finding)}: neither clearly below {finding.bad:.1%} nor clearly above {finding.limit:.2%}"

    def _verdict(self, kind: VerdictKind, why: str, *, is_final: bool) -> Verdict:
        return Verdict(
            kind=kind, is_final=is_final, why=why, log_e=self.log_e, log_threshold=self.log_threshold,
            buckets=self.buckets, requests=self.requests, findings=self.findings(),
        )  # fmt: skip


def _parts(judged: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    """What part of the one E each judged signal has; they sum to 1."""
    others = max(1, len(judged) - (MAIN in judged))
    usual = {name: MAIN_WEIGHT if name == MAIN else (1 - MAIN_WEIGHT) / others for name in judged}
    found = {name: weights.get(name, usual[name]) for name in judged}
    if any(part <= 0 for part in found.values()):
        raise ValueError(f"a signal's weight is above 0: {found}")
    return {name: part / sum(found.values()) for name, part in found.items()}


def _caps(judged: Mapping[str, tuple[float, Reference]], log_threshold: float) -> dict[str, list[float]]:
    """The burst caps of every alternative of every judged signal."""
    parts = {
        name: [part * weight for weight in weights_of(alternatives_of(against))]
        for name, (part, against) in judged.items()
    }
    flat = iter(burst_caps([weight for weights in parts.values() for weight in weights], log_threshold))
    return {name: [next(flat) for _ in weights] for name, weights in parts.items()}


def _counts(finding: Finding) -> str:
    share = f" ({finding.share:.2%})" if finding.share is not None else ""
    return f"{IN_WORDS.get(finding.signal, finding.signal)} {finding.events} of {finding.requests}{share}"


def _harm(finding: Finding) -> str:
    if finding.other_requests:
        return f"{_counts(finding)}, beside {finding.other_events} of {finding.other_requests} in the other release"
    return f"{_counts(finding)}, where up to {finding.limit or 0:.2%} would pass for unchanged"


def _fine(finding: Finding) -> str:
    return f"{_counts(finding)}" + (f", below {finding.bad:.1%}" if finding.bad is not None else "")
