"""The watch over one change: what a release serves, bucket by bucket, before the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pawl.errors import StateError
from pawl.observe.baseline import STEP_S, Baseline, Counts, counts_between, total
from pawl.observe.course import Course, Point
from pawl.observe.judge.binomial import upper_bound
from pawl.observe.judge.findings import Verdict
from pawl.observe.judge.verdict import WARM_UP_BUCKETS, Judge
from pawl.observe.signals import SignalSource, Window
from pawl.observe.tally import merged

_LAG_S = 2.0
"""A bucket is looked at so long after its end: its last lines are counted by then."""
_MOST_BEHIND_S = 30.0
_MOST_FED_S = 7000.0
"""Of a watch that was cut off long ago: buckets of five seconds are kept for two hours."""
_LEAST_OF_AN_OUTAGE = 20
_ROUTES_SHOWN = 5
_LEAST_FOR_ROUTE = 20
_SLOWER = 1.5


@dataclass(frozen=True, slots=True)
class RoutePair:
    """A route that behaves otherwise than before: what both served, and what is worse."""

    candidate: Window
    baseline: Window
    what: str


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see by now: the candidate since it serves, the baseline, and the routes that matter."""

    candidate: Window
    baseline: Window
    routes: tuple[RoutePair, ...]
    verdict: Verdict


class Watch:
    """Feeds the judge of one change, from ``began`` (Unix time) on.

    ``arms`` are the releases that serve side by side with it until :meth:`switched` is called; without any it serves
    alone from the beginning. ``duration_s`` is how long it is to be watched: new processes warm up, so latency is left
    out for the first 30 s, or a third of a shorter watch. All else is derived from the source, so a watch that was cut
    off is made again with the same arguments and comes to the same answer.
    """

    def __init__(
        self,
        app: str,
        release: str,
        baseline: Baseline,
        *,
        began: float,
        arms: Sequence[str] = (),
        alpha: float = 0.01,
        log_threshold: float | None = None,
        duration_s: float = 900.0,
    ) -> None:
        self.app = app
        self.release = release
        self.baseline = baseline
        warm_up = {name: min(most, int(duration_s / STEP_S / 3)) for name, most in WARM_UP_BUCKETS.items()}
        self.judge = Judge(baseline.references, alpha=alpha, log_threshold=log_threshold, skipped=warm_up)
        self.began = began
        self._arms = tuple(one for one in arms if one != release)
        self._switched = None if self._arms else began
        self._next = _floor(began)
        self._judged_s = self._next - began
        self._course = Course()
        self._taken: dict[tuple[bool, int, int], Counts] = {}
        self._is_noted_to_its_end = False
        self._failing_requests = 0
        self.ailing = ""

    def switched(self, at: float) -> None:
        """Note that the candidate serves alone from here on.

        If the other arm was as bad as the baseline never is, something else is wrong, and what follows says nothing
        about the change any more: ``ailing`` tells.
        """
        self._switched = at
        errors = next(one for one in self.judge.findings() if one.signal == "errors")
        if self._arms and errors.limit is not None and errors.other_requests:
            lower = 1 - upper_bound(errors.other_requests - errors.other_events, errors.other_requests, confidence=0.99)
            if lower > errors.limit:
                self.ailing = (
                    f"the release before fails as well: {errors.other_events} of {errors.other_requests} requests "
                    "beside the canary, so the cause is elsewhere"
                )

    @property
    def serves_alone_since(self) -> float | None:
        return self._switched

    @property
    def path(self) -> tuple[Point, ...]:
        """How the evidence ran, from the first bucket that was judged; times that the clock skipped are left out."""
        return self._course.points

    def stepped(self, now: float) -> None:
        """Go on from here: the clock was set, forward or back, and what lies between was not."""
        self._next = _floor(now)
        self.began = min(self.began, now)

    def feed(self, source: SignalSource, now: float) -> None:
        """Take in the buckets that are complete by now."""
        ended = _floor(now - _LAG_S)
        skipped_s = max(0, _floor(ended - _MOST_FED_S) - self._next)
        self._next += skipped_s
        self._judged_s += skipped_s
        if ended <= self._next:
            return
        try:
            source.check()
            mine = counts_between(source, self.app, [self.release], self._next, ended, self.baseline.lines)
            others = self._beside(source, ended)
        except StateError:
            while self._next + _MOST_BEHIND_S < ended:
                self.judge.miss()
                self._next += STEP_S
                self._note(STEP_S)
            return
        step_s = round((ended - self._next) / max(1, len(mine)))
        for number, counted in enumerate(mine):
            at = self._next + number * step_s
            one = self._fresh(counted, (True, at, step_s))
            beside = self._fresh(others[number], (False, at, step_s)) if number < len(others) else None
            is_shared = self._switched is None or at < self._switched
            if beside is not None and is_shared:
                self.judge.add_arms(
                    one.requests, one.events, other_requests=beside.requests, other_counts=beside.events
                )
            else:
                self.judge.add(one.requests, one.events)
            self._note(step_s)
        self._next = ended

    def _note(self, step_s: int) -> None:
        """Keep a point of the path, as long as the verdict is open and with the bucket that ended it."""
        self._judged_s += step_s
        if self._is_noted_to_its_end:
            return
        self._is_noted_to_its_end = self.judge.is_final
        self._course.add(Point(round(self._judged_s, 1), round(self.judge.log_e, 4), self.judge.requests))

    def _fresh(self, one: Counts, bucket: tuple[bool, int, int]) -> Counts:
        """What a bucket has that was not taken in yet: after the clock was set back its time comes twice."""
        known = self._taken.get(bucket)
        self._taken[bucket] = one
        if known is None:
            return one
        events = {name: max(0, count - known.events.get(name, 0)) for name, count in one.events.items()}
        return Counts(max(0, one.requests - known.requests), events)

    def _beside(self, source: SignalSource, ended: float) -> list[Counts]:
        if not self._arms or (self._switched is not None and self._next >= self._switched):
            return []
        return counts_between(source, self.app, self._arms, self._next, ended, self.baseline.lines)

    def check_outage(self, source: SignalSource, now: float) -> None:
        """Note a hard fail when all requests fail: twenty at least, and more of them at the next look.

        The test needs three buckets of five seconds, by design; when nothing at all works there is nothing to weigh.
        Where what serves beside it fails most requests too, the cause is elsewhere.
        """
        window = source.window(self.app, began=_floor(now) - STEP_S, ended=now, release=self.release)
        usual = self.baseline.references["errors"].usual
        fails = window.requests >= _LEAST_OF_AN_OUTAGE and window.errors == window.requests
        if fails and self._switched is None:
            beside = total(source, self.app, self._arms, window.began, now)
            fails = beside.errors * 2 <= beside.requests
        if not fails or usual is None or usual > 1 / 2:
            self._failing_requests = 0
        elif self._failing_requests and window.requests != self._failing_requests:
            self.judge.fail(f"every request fails: {window.errors} of {window.requests} in the last seconds")
        else:
            self._failing_requests = window.requests

    def look(self, source: SignalSource, now: float, *, is_over: bool = False) -> Look:
        """The numbers by now. The span begins with the candidate's first request, in a canary too."""
        now = max(now, self.began + 1)
        candidate = source.window(self.app, began=self.began, ended=now, release=self.release)
        if self.began > candidate.began:  # the bucket began before the candidate served
            candidate = Window(self.app, self.began, now, candidate.tally, self.release)
        return Look(candidate, self.baseline.window, self._routes(source, now), self.judge.verdict(is_over=is_over))

    def _routes(self, source: SignalSource, now: float) -> tuple[RoutePair, ...]:
        found = source.routes(self.app, began=self.began, ended=now, release=self.release)
        busy = [one for one in found if one.requests >= _LEAST_FOR_ROUTE]
        before: dict[str | None, list[Window]] = {}
        if busy:
            window = self.baseline.window
            for release in self.baseline.releases:
                for one in source.routes(self.app, began=window.began, ended=window.ended, release=release):
                    before.setdefault(one.route, []).append(one)
        pairs = []
        for one in busy:
            was = _joined(before.get(one.route, []), one, self.baseline.window)
            what = worse(one, was)
            if what:
                pairs.append(RoutePair(one, was, what))
        return tuple(pairs[:_ROUTES_SHOWN])


def worse(now: Window, before: Window) -> str:
    """In what a route is clearly worse than before: 'errors', 'not found', 'slower'; '' in nothing.

    A share is worse when the lower end of its interval lies above the upper end of the other's (Clopper-Pearson, 99 %
    each way); p95 when it is half as much again. For display only: the verdict rests on the app's totals.
    """
    if not before.requests:
        return "errors" if now.errors * 2 > now.requests else ""
    for what, mine, theirs in (
        ("errors", now.errors, before.errors),
        ("not found", now.by_status["404"], before.by_status["404"]),
    ):
        lower = 1 - upper_bound(now.requests - mine, now.requests, confidence=0.99)
        if mine and lower > upper_bound(theirs, before.requests, confidence=0.99):
            return what
    if now.p95 is not None and before.p95 is not None and now.p95 > _SLOWER * before.p95:
        return "slower"
    return ""


def _joined(parts: Sequence[Window], like: Window, over: Window) -> Window:
    return Window(like.app, over.began, over.ended, merged(one.tally for one in parts), None, like.route)


def _floor(at: float) -> int:
    return int(at // STEP_S) * STEP_S
