"""One signal under watch: its evidence, its health and its counts so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pawl.observe.judge import arms, power
from pawl.observe.judge.binomial import Scatter, upper_bound
from pawl.observe.judge.evidence import Evidence, Health, alternatives_for, log_ratios
from pawl.observe.judge.findings import Finding
from pawl.observe.judge.reference import Reference, reference

_NO_LIMIT = 0.01  # stands in where there is no baseline and so no evidence


class Signal:
    """The counts of one signal since the switch, and what they say.

    ``weight`` is its part in the deploy's one E, ``skipped`` how many buckets it leaves out at first (warm-up).
    """

    def __init__(
        self, name: str, against: Reference, *, weight: float, caps: Sequence[float] | None, skipped: int, horizon: int
    ) -> None:
        self.name = name
        self.reference = against
        self.weight = weight
        self.skipped = skipped
        self.requests = self.events = self.other_requests = self.other_events = 0
        usable = against.is_usable
        self._alternatives = alternatives_of(against)
        limit = against.limit if usable else _NO_LIMIT
        self.evidence = Evidence(
            limit, alternatives=self._alternatives, dispersion=against.dispersion, caps=caps, horizon=horizon
        )
        self._health = Health(against) if usable else None
        self._multiples = [odds for odds, _ in self._alternatives]
        self._scatter = Scatter()
        self._counts: list[tuple[int, int, int, int]] = []

    def is_healthy(self, log_healthy: float) -> bool:
        """Whether the share is shown to be below what is bad, by the baseline's measure or by that of the other arm.

        The second is a plain upper bound, good for one look, so it holds for the end of a canary: what ails both arms
        alike is no reason against the change.
        """
        if self._health and self._health.log_e >= log_healthy:
            return True
        if not (self._health and self.requests and self.other_requests):
            return False
        beside = reference(self.other_requests, self.other_events, margin=self.reference.ratio)
        return beside.is_usable and upper_bound(self.events, self.requests) < beside.bad

    def add(self, requests: int, events: int) -> None:
        """Take in one bucket of the candidate, serving alone."""
        self._counts.append((requests, events, 0, 0))
        if len(self._counts) <= self.skipped or not requests:
            return
        self.requests += requests
        self.events += events
        if self._health:
            self.evidence.add(requests, events)
            self._health.add(requests, events)

    def add_arms(self, requests: int, events: int, other_requests: int, other_events: int) -> None:
        """Take in one bucket of both releases, serving side by side.

        Bursts may hit one arm alone (one worker, one client), so evidence is weighed by the baseline's dispersion, or
        that of the other arm's buckets before this one where it is larger: known beforehand, so no promise is broken.
        """
        self._counts.append((requests, events, other_requests, other_events))
        if len(self._counts) <= self.skipped or not requests:
            return
        self.requests += requests
        self.events += events
        self.other_requests += other_requests
        self.other_events += other_events
        if self._health and other_requests and events + other_events:
            phi = max(self.reference.dispersion, self._scatter.phi)
            self.evidence.multiply(self._arm_factors(requests, events, other_requests, other_events, phi))
        self._scatter.add(other_requests, other_events)
        if self._health:
            self._health.add(requests, events)

    def finding(self, *, log_threshold: float, log_healthy: float) -> Finding:
        """The signal's numbers by now."""
        against = self.reference
        usable = against.is_usable
        return Finding(
            signal=self.name, requests=self.requests, events=self.events, usual=against.usual,
            limit=against.limit if usable else None, bad=against.bad if usable else None,
            log_e=self.evidence.log_e, log_threshold=log_threshold - math.log(self.weight),
            since_bucket=self._since(), detectable=self._detectable(log_threshold),
            is_healthy=self.is_healthy(log_healthy),
            other_requests=self.other_requests, other_events=self.other_events, dispersion=against.dispersion,
            why_not_judged="" if usable else self._why_not(),
        )  # fmt: skip

    def _why_not(self) -> str:
        if not self.reference.requests:
            return "no baseline"
        return f"a baseline of only {self.reference.requests} requests"

    def _detectable(self, log_threshold: float) -> float | None:
        if self.other_requests:
            return power.smallest_in_canary(
                self.requests, self.reference, other_share=self.other_events / self.other_requests,
                others_per_request=self.other_requests / self.requests,
                log_threshold=log_threshold, weight=self.weight,
            )  # fmt: skip
        return power.smallest_detectable(self.requests, self.reference, log_threshold=log_threshold, weight=self.weight)

    def _arm_factors(
        self, requests: int, events: int, other_requests: int, other_events: int, phi: float
    ) -> list[float]:
        return arms.log_factors(
            self._multiples, candidate=(requests, events), baseline=(other_requests, other_events),
            ratio=self.reference.ratio, dispersion=phi,
        )  # fmt: skip

    def _since(self) -> int | None:
        """The bucket from which on the leading alternative gained most; None while nothing speaks for harm."""
        if self.evidence.log_e <= 0:
            return None
        lead = self.evidence.leading
        rise, fall = self._lead_ratios(lead)
        gained, least, since, phi = 0.0, 0.0, 0, self.reference.dispersion
        for at, (requests, events, other_requests, other_events) in enumerate(self._counts):
            if at < self.skipped or not requests:
                continue
            if gained <= least:
                least, since = gained, at
            if other_requests:
                gained += self._arm_factors(requests, events, other_requests, other_events, phi)[lead]
            else:
                gained += events * rise + (requests - events) * fall
        return since

    def _lead_ratios(self, lead: int) -> tuple[float, float]:
        if not self._health:
            return 0.0, 0.0
        rises, falls = log_ratios(self.reference.limit, [self._multiples[lead]], self.reference.dispersion)
        return rises[0], falls[0]


def alternatives_of(against: Reference) -> tuple[tuple[float, float], ...]:
    """The multiples of a signal with this reference."""
    return alternatives_for(against.limit if against.is_usable else _NO_LIMIT)
