"""What was usual before a change: the requests that good releases served, as references for the judge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pawl.observe.judge.calibration import calibrated
from pawl.observe.judge.latency import slow_line
from pawl.observe.judge.power import smallest_detectable
from pawl.observe.judge.reference import NOTHING, WANTED_REQUESTS, Reference, reference
from pawl.observe.signals import KNOWN, Window
from pawl.observe.tally import Tally, merged

STEP_S = 5
_ENOUGH_OF_ONE_RELEASE = 2000
_EARLIER_RELEASES = 4
_HOUR_S = 3600.0
_REACHES_S = (_HOUR_S, 6 * _HOUR_S, 24 * _HOUR_S, 72 * _HOUR_S, 168 * _HOUR_S)
_SCATTER_S = 7000.0  # of the two hours for which buckets of five seconds are kept
_RECENT_S = 300.0
_SLOW = {"slow50": 0.5, "slow95": 0.95}

SCATTER_S, LONGEST_S = _SCATTER_S, _REACHES_S[-1]
"""How far back a baseline looks in buckets, and how far in all."""


class Past(Protocol):
    """The part of a :class:`pawl.observe.signals.SignalSource` that a baseline is read from."""

    def finest_step_s(self, began: float) -> int: ...
    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window: ...
    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]: ...


@dataclass(frozen=True, slots=True)
class Baseline:
    """The references of each signal and what they rest on.

    ``window`` is all that the good releases served; ``lines`` say from where on (seconds) a request is slow, for
    ``slow50`` and ``slow95``. ``rate_per_s`` is the traffic to be expected: the hour's or that of the last minutes.
    """

    releases: tuple[str, ...]
    window: Window
    references: Mapping[str, Reference]
    lines: Mapping[str, float]
    rate_per_s: float

    @property
    def requests(self) -> int:
        return self.window.requests

    def detectable(self, duration_s: float, *, log_threshold: float) -> float | None:
        """The smallest share of errors that a watch so long would see nine times in ten; None where not even 100 %."""
        expected = math.floor(self.rate_per_s * duration_s)
        return smallest_detectable(expected, self.references["errors"], log_threshold=log_threshold, weight=0.7)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the judge is told of one bucket: requests, and the events of each signal."""

    requests: int
    events: Mapping[str, int]


def of_live(source: Past, app: str, live: str, earlier: Sequence[str], *, before: float) -> Baseline:
    """The baseline of the release that is live; where it has served little, with that of earlier good ones.

    ``earlier`` is newest first; four of them join at the most. Raises as :func:`read`.
    """
    found = read(source, app, [live], before=before)
    if found.requests < _ENOUGH_OF_ONE_RELEASE and earlier:
        return read(source, app, [live, *earlier[:_EARLIER_RELEASES]], before=before)
    return found


def read(source: Past, app: str, releases: Sequence[str], *, before: float) -> Baseline:
    """The baseline of an app at a time, from what these releases served: those that were kept, never one that failed.

    It reaches back an hour at least and a week at most, until it has enough requests. How much counts scatter is taken
    from the last two hours. Blocks for up to a second.

    Raises:
        StateError: the source cannot be asked.
    """
    window = total(source, app, releases, before - _HOUR_S, before)
    rate_per_s = window.rate_per_s
    for reach_s in _REACHES_S[1:]:
        if window.requests >= WANTED_REQUESTS or not releases:
            break
        window = total(source, app, releases, before - reach_s, before)
    recent = total(source, app, releases, before - _RECENT_S, before)
    known = total(source, app, releases, window.began, before, route=KNOWN)
    histogram = window.histogram.by_edge()
    lines = {name: line for name, quantile in _SLOW.items() if (line := slow_line(histogram, quantile))}
    edges = {name: line.edge for name, line in lines.items()}
    plain = {"errors": NOTHING, "slow50": NOTHING, "slow95": NOTHING, "not_found": NOTHING}
    if window.requests:
        plain["errors"] = reference(window.requests, window.errors)
        plain["not_found"] = reference(window.requests, min(window.requests, known.by_status["404"]))
        plain |= {name: line.reference() for name, line in lines.items()}
    buckets = _buckets(source, app, releases, before, edges) if window.requests else []
    references = {
        name: calibrated(against, [(one.requests, one.events.get(name, 0)) for one in buckets])
        for name, against in plain.items()
    }
    return Baseline(tuple(releases), window, references, edges, max(rate_per_s, recent.rate_per_s))


def counts_between(
    source: Past, app: str, releases: Sequence[str], began: float, ended: float, edges: Mapping[str, float]
) -> list[Counts]:
    """What these releases served in each bucket of the span, as the judge takes it."""
    step_s = max(STEP_S, source.finest_step_s(began))
    totals: list[list[Window]] = []
    known: list[list[Window]] = []
    for release in releases:
        totals.append(source.buckets(app, began=began, ended=ended, step_s=step_s, release=release))
        known.append(source.buckets(app, began=began, ended=ended, step_s=step_s, release=release, route=KNOWN))
    return [
        counts_of(merged(window.tally for window in parts), merged(window.tally for window in named), edges)
        for parts, named in zip(zip(*totals, strict=True), zip(*known, strict=True), strict=True)
    ]


def counts_of(tally: Tally, known: Tally, edges: Mapping[str, float]) -> Counts:
    """One bucket as the judge takes it; ``known`` is what of it went to known routes, ``edges`` a baseline's lines."""
    events = {name: tally.latencies.count_from(edge) for name, edge in edges.items()}
    return Counts(
        tally.requests,
        {"errors": tally.errors, "not_found": min(tally.requests, known.by_status["404"]), **events},
    )


def _buckets(
    source: Past, app: str, releases: Sequence[str], before: float, edges: Mapping[str, float]
) -> list[Counts]:
    found = counts_between(source, app, releases, before - _SCATTER_S, before, edges)
    first = next((number for number, one in enumerate(found) if one.requests), 0)
    return found[first:]  # idle ones in front would make any traffic look like a burst


def total(
    source: Past, app: str, releases: Sequence[str], began: float, ended: float, route: str | None = None
) -> Window:
    """What these releases served in the span, together."""
    windows = [source.window(app, began=began, ended=ended, release=one, route=route) for one in releases]
    first = min((one.began for one in windows), default=began)
    return Window(app, first, ended, merged(one.tally for one in windows), None, route)
