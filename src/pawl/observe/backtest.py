"""The judge over an app's own history: how often it would have been wrong, and how soon it would have been right.

At regular times without a deploy a change that changes nothing is imagined: a baseline is read from before, and what
the release served afterwards goes before the judge, as in a real watch. Each one taken back is a false alarm, unless
the app was in trouble for another reason just then: that cannot be told from the counts.

What differs from a real watch. It looks at whole minutes, for counts of 5 s are kept for two hours only; evidence has
to come from three looks by design, so nothing is taken back within less than three minutes here, where a real watch
takes 15 s. Crash loops, lost health, memory and total outages, which a real watch acts on without statistics, are left
out. The candidate and the baseline are the release that served most requests then.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pawl.observe.baseline import LONGEST_S, SCATTER_S, Baseline, counts_of, of_live
from pawl.observe.history import MINUTE_S, History, Remembering
from pawl.observe.injection import Injection
from pawl.observe.judge.binomial import upper_bound
from pawl.observe.judge.threshold import log_threshold
from pawl.observe.judge.verdict import WARM_UP_BUCKETS, Judge
from pawl.observe.signals import KNOWN, Window

MOST_WATCHES = 250
"""Enough to tell a false-alarm rate of 1 % from one of 4 %, and a month is gone through in some seconds."""
LEAST_LOOKS = 5
"""A watch of fewer minutes could hardly end with a verdict, as three of them are the least."""

_WATCHES_AT_ONCE = 8
_WARM_UP_S = 5 * max(WARM_UP_BUCKETS.values())

Span = tuple[float, float]
"""From when to before when, in Unix time."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A watch that was taken back: when it began (Unix time), after how long, and why."""

    began: float
    after_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of it.

    ``began`` to ``ended`` (Unix time) is what was gone through, in ``watches`` of ``watch_s`` that looked every
    ``step_s``. Left out: times of deploys (``skipped_deploys``), times when the app was not live or had no requests
    (``skipped_no_traffic``), and times at which a real watch would not begin either, for there was no baseline, too
    little traffic, or a baseline so uneven that nothing could be seen (``skipped_too_little``).

    ``max_log_es``: the most evidence in each watch; one that was taken back ends there. ``caught`` is how many of those
    that were not taken back by themselves were taken back with the fault in them, after ``delays_s`` seconds and
    ``delays_requests`` requests (0 and none without a fault).
    """

    began: float
    ended: float
    step_s: int
    watch_s: int
    watches: int
    alarms: tuple[Alarm, ...]
    skipped_deploys: int
    skipped_no_traffic: int
    skipped_too_little: int
    alpha: float
    max_log_es: tuple[float, ...]
    injection: Injection | None
    caught: int
    delays_s: tuple[float, ...]
    delays_requests: tuple[int, ...]

    @property
    def taken_back(self) -> int:
        return len(self.alarms)

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares (0..1) that of false alarms lies.

        Formula: Clopper and Pearson's bounds, 97.5 % each way. Assumes independent watches: no outage hits two.
        """
        return share_interval(self.taken_back, self.watches)

    @property
    def injected(self) -> int:
        """How many watches were tried with the fault: those not taken back without it."""
        return self.watches - self.taken_back if self.injection else 0

    @property
    def suggested_log_threshold(self) -> float:
        """How much evidence to ask for so that this history would have kept the promise: see ``log_threshold``."""
        return log_threshold(self.alpha, past=self.max_log_es)


def share_interval(events: int, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of 95 % for a share.

    >>> [round(end, 4) for end in share_interval(0, 212)]
    [0.0, 0.0172]
    """
    if not trials:
        return 0.0, 1.0
    return 1 - upper_bound(trials - events, trials, confidence=0.975), upper_bound(events, trials, confidence=0.975)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share (0..1) does not exceed; None without any.

    >>> quantile([30, 10, 20, 40], 0.5), quantile([30, 10, 20, 40], 0.9), quantile([], 0.5)
    (20, 40, None)
    """
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def backtest(source: Remembering, replay: Replay) -> Backtest:
    """The whole replay at once. Blocks for seconds.

    Raises:
        StateError: the source cannot be asked.
    """
    while replay.go_on(source):
        pass
    return replay.result()


class Replay:
    """A backtest under way, in steps of a tenth of a second or two, so that others may ask the source in between.

    ``began`` to ``ended`` is the span to go through, ``duration_s`` how long a deploy is watched. ``left_out`` are the
    spans of deploys and of their watches, ``bad_releases`` those that were taken back: no baseline rests on them.
    The same ``seed`` and the same history give the same result.

    Raises ValueError for a span that ends before it begins, or a watch of no length.
    """

    def __init__(
        self,
        app: str,
        *,
        began: float,
        ended: float,
        duration_s: float,
        left_out: Sequence[Span] = (),
        bad_releases: Collection[str] = (),
        injection: Injection | None = None,
        alpha: float = 0.01,
        seed: int = 1,
    ) -> None:
        if not (began < ended and duration_s > 0):
            raise ValueError(f"no backtest from {began} to {ended} with watches of {duration_s} s")
        self._app = app
        self._left_out = sorted(left_out)
        self._bad = frozenset(bad_releases)
        self._injection = injection
        self._alpha = alpha
        self._seed = seed
        self.watch_s = MINUTE_S * max(LEAST_LOOKS, math.ceil(duration_s / MINUTE_S))
        self._ended = int(ended // MINUTE_S) * MINUTE_S
        self._began = self._next = -int(-began // MINUTE_S) * MINUTE_S
        self._every_s = max(self.watch_s, MINUTE_S * math.ceil((ended - began) / MOST_WATCHES / MINUTE_S))
        self._skipped = {"left out": 0, "no traffic": 0, "too little": 0}
        self._max_log_es: list[float] = []
        self._alarms: list[Alarm] = []
        self._caught: list[tuple[float, int]] = []
        self._history = History(app, began=began - LONGEST_S, ended=self._ended)

    def go_on(self, source: Remembering) -> bool:
        """Read some hours, or judge a few watches of those that were read; whether there is more to do.

        Raises:
            StateError: the source cannot be asked.
        """
        history = self._history
        if not self._is_readable:
            history.read_on(source, keep_for=self._next)
        for _ in range(_WATCHES_AT_ONCE):
            if not self._is_readable:
                break
            if self._next - SCATTER_S >= history.minutes_from:
                self._watch(self._next)
            else:  # the first hours of what is kept by the minute are the baseline of those after
                self._began = self._next + self._every_s
            self._next += self._every_s
        return self._is_readable or not history.is_read

    @property
    def _is_readable(self) -> bool:
        return self._next + self.watch_s <= self._history.read_until

    def result(self) -> Backtest:
        """What came of it by now."""
        return Backtest(
            began=self._began, ended=self._ended, step_s=MINUTE_S, watch_s=self.watch_s,
            watches=len(self._max_log_es), alarms=tuple(self._alarms),
            skipped_deploys=self._skipped["left out"], skipped_no_traffic=self._skipped["no traffic"],
            skipped_too_little=self._skipped["too little"], alpha=self._alpha, max_log_es=tuple(self._max_log_es),
            injection=self._injection, caught=len(self._caught),
            delays_s=tuple(delay_s for delay_s, _ in self._caught),
            delays_requests=tuple(requests for _, requests in self._caught),
        )  # fmt: skip

    def _watch(self, at: int) -> None:
        release = self._in_charge(at)
        if release in self._bad or any(began < at + self.watch_s and at < ended for began, ended in self._left_out):
            self._skipped["left out"] += 1
        elif release is None:
            self._skipped["no traffic"] += 1
        elif (baseline := self._baseline(release, at)) is None:
            self._skipped["too little"] += 1
        else:
            self._judge(at, release, baseline)

    def _in_charge(self, at: int) -> str | None:
        """The release that served most of what is watched; None if there was nothing to serve."""
        served = [
            (self._history.window(self._app, began=at, ended=at + self.watch_s, release=release).requests, release)
            for release in self._history.releases
        ]
        requests, release = max(served, default=(0, ""))
        return release if requests else None

    def _baseline(self, release: str, at: int) -> Baseline | None:
        """As of a deploy at this time; None where it would not be watched."""
        earlier = [one for one in reversed(self._history.releases) if one != release and one not in self._bad]
        found = of_live(self._history, self._app, release, earlier, before=at)
        is_blind = (
            not found.requests or found.detectable(self.watch_s, log_threshold=log_threshold(self._alpha)) is None
        )
        return None if is_blind else found

    def _judge(self, at: int, release: str, baseline: Baseline) -> None:
        span: Span = (at, at + self.watch_s)
        whole, known = (
            self._history.buckets(
                self._app, began=span[0], ended=span[1], step_s=MINUTE_S, release=release, route=route
            )
            for route in (None, KNOWN)
        )
        judge, most = self._judged(whole, known, baseline, None, at)
        self._max_log_es.append(most)
        if judge.is_final:
            self._alarms.append(Alarm(at, judge.buckets * MINUTE_S, judge.verdict().why))
        elif self._injection:
            judge, _ = self._judged(whole, known, baseline, self._injection, at)
            if judge.is_final:
                self._caught.append((judge.buckets * MINUTE_S, judge.requests))

    def _judged(
        self, whole: Sequence[Window], known: Sequence[Window], baseline: Baseline, fault: Injection | None, at: int
    ) -> tuple[Judge, float]:
        """The judge after one watch, and the most evidence there was."""
        warm_up = math.ceil(min(_WARM_UP_S, self.watch_s / 3) / MINUTE_S)
        judge = Judge(baseline.references, alpha=self._alpha, skipped=dict.fromkeys(WARM_UP_BUCKETS, warm_up))
        chance = random.Random(f"{self._seed} {at}")  # noqa: S311  # no secret; each watch has chances of its own
        most = 0.0
        for window, named in zip(whole, known, strict=True):
            if fault is None:
                counts = counts_of(window.tally, named.tally, baseline.lines)
            else:
                counts = fault.counts(window.tally, named.tally, baseline.lines, chance)
            judge.add(counts.requests, counts.events)
            most = max(most, judge.log_e)
            if judge.is_final:
                break
        return judge, most
