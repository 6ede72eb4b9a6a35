"""An app's past, read once from the oldest on, as a source that answers about what was read last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from pawl.observe.attribution import UNKNOWN
from pawl.observe.baseline import LONGEST_S, SCATTER_S, Past
from pawl.observe.paths import OTHER
from pawl.observe.signals import KNOWN, Window
from pawl.observe.store.schema import HOUR_S
from pawl.observe.tally import NOTHING, Tally, merged

MINUTE_S = 60
_PART_S = 6 * HOUR_S
_Counted = tuple[Tally, Tally]  # all, and of known routes (without latencies)


class Remembering(Past, Protocol):
    """A :class:`pawl.observe.signals.SignalSource` that can also tell which releases served."""

    def releases(self, app: str, *, began: float, ended: float) -> list[Window]: ...


class History:
    """The past of an app by the minute, read in parts of some hours from ``began`` to ``ended`` (Unix time).

    It answers as a source does, about what is still needed: two hours before the next baseline are kept by the minute,
    a week by the hour. So a month of a busy app takes megabytes, every
    row is read once, and what else asks the source need not wait for the whole. A span that reaches back to before what
    is kept by the minute is widened to whole hours. Route ``KNOWN`` has statuses only; other routes are not told apart.
    """

    def __init__(self, app: str, *, began: float, ended: float) -> None:
        self._app = app
        self.read_until = int(began // HOUR_S) * HOUR_S
        self.minutes_from = self.read_until
        self._ended = int(ended // MINUTE_S) * MINUTE_S
        self._minutes: dict[str, dict[int, _Counted]] = {}
        self._hours: dict[str, dict[int, _Counted]] = {}

    @property
    def is_read(self) -> bool:
        """Whether all is read."""
        return self.read_until >= self._ended

    @property
    def releases(self) -> list[str]:
        """Those that have served and are still remembered, the newest last."""
        return list(self._hours)

    def read_on(self, source: Remembering, *, keep_for: float) -> None:
        """Read the next part; what a baseline from before ``keep_for`` needs is kept. Blocks for a tenth of a second.

        Raises:
            StateError: the source cannot be asked.
        """
        while not self.is_read and source.finest_step_s(self.read_until) > MINUTE_S:
            began, ended = self.read_until, self.read_until + HOUR_S
            for release in self._served(source, began, ended):
                self._note(release, _buckets(source, self._app, release, began, ended, HOUR_S))
            self.read_until = self.minutes_from = ended
        began, ended = self.read_until, min(self.read_until + _PART_S, self._ended)
        if began < ended:
            self._forget(min(began, int(keep_for)))
            for release in self._served(source, began, ended):
                minutes = _buckets(source, self._app, release, began, ended, MINUTE_S)
                self._minutes.setdefault(release, {}).update(minutes)
                self._note(release, minutes)
            self.read_until = ended

    def finest_step_s(self, _began: float) -> int:
        return MINUTE_S

    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window:
        first, last = int(began // MINUTE_S) * MINUTE_S, -int(-ended // MINUTE_S) * MINUTE_S
        if first < self.minutes_from:
            first = first // HOUR_S * HOUR_S
        parts = [one for name in self._named(release) for one in self._parts(name, first, last)]
        return Window(app, first, last, merged(_chosen(one, route) for one in parts), release, route)

    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        if step_s != MINUTE_S:
            raise ValueError(f"the past is told by the minute, not by {step_s} s")
        first, last = int(began // MINUTE_S) * MINUTE_S, -int(-ended // MINUTE_S) * MINUTE_S
        minutes = [self._minutes.get(name, {}) for name in self._named(release)]
        return [
            Window(app, at, at + MINUTE_S, merged(_chosen(of[at], route) for of in minutes if at in of), release, route)
            for at in range(first, last, MINUTE_S)
        ]

    def _named(self, release: str | None) -> Iterable[str]:
        return self._hours if release is None else [release]

    def _parts(self, release: str, first: int, last: int) -> Iterator[_Counted]:
        minutes, hours = self._minutes.get(release, {}), self._hours.get(release, {})
        at = first
        while at < last:
            is_hour = at % HOUR_S == 0 and at + HOUR_S <= last
            if found := hours.get(at) if is_hour else minutes.get(at):
                yield found
            at += HOUR_S if is_hour else MINUTE_S

    def _served(self, source: Remembering, began: int, ended: int) -> list[str]:
        found = source.releases(self._app, began=began, ended=ended)
        return [one.release for one in found if one.release and one.release != UNKNOWN and one.requests]

    def _note(self, release: str, parts: dict[int, _Counted]) -> None:
        hours = self._hours.setdefault(release, {})
        for at, (tally, known) in parts.items():
            of = at // HOUR_S * HOUR_S
            before = hours.get(of, (NOTHING, NOTHING))
            hours[of] = (before[0] + tally, before[1] + known)

    def _forget(self, began: int) -> None:
        """Let go of what no baseline from ``began`` on reaches back to."""
        self.minutes_from = max(self.minutes_from, (began - int(SCATTER_S)) // HOUR_S * HOUR_S)
        _drop(self._minutes, self.minutes_from)
        _drop(self._hours, began - int(LONGEST_S) - 2 * HOUR_S)


def _drop(kept: dict[str, dict[int, _Counted]], before: int) -> None:
    for release in list(kept):
        kept[release] = {at: one for at, one in kept[release].items() if at >= before}
        if not kept[release]:
            del kept[release]


def _chosen(one: _Counted, route: str | None) -> Tally:
    return one[1] if route == KNOWN else one[0]


def _buckets(source: Past, app: str, release: str, began: int, ended: int, step_s: int) -> dict[int, _Counted]:
    """What a release served by the step, where it served anything."""
    whole = source.buckets(app, began=began, ended=ended, step_s=step_s, release=release)
    other: list[Window] | None = None
    if any(one.by_status["404"] for one in whole):
        # Without the rest is as good as the known ones by themselves, and need not add up two hundred routes.
        other = source.buckets(app, began=began, ended=ended, step_s=step_s, release=release, route=OTHER)
    return {
        int(one.began): (one.tally, Tally(one.tally.statuses - (other[at].tally.statuses if other else 0)))
        for at, one in enumerate(whole)
        if one.requests
    }
