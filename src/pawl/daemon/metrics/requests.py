"""Requests since the beginning of the signal store, kept in memory from the first scrape on.

A counter that falls is a restart to Prometheus: it takes the whole new value for growth. So what is shown goes on
across restarts of pawld: an app is read from the store once, all that was ever counted, and from then on each piece of
the log that was counted is added. ``Progress.lines`` says which pieces an answer of the store has in it already.

Bounded: of each app the releases with requests in the day before it was read, at most ten, and its twenty busiest
routes of that day. Whoever was chosen stays as long as pawld runs and there is room; an app is read again when a
release or a route turns up that has none of its numbers here yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pawl.daemon.metrics.exposition import Page, Spread
from pawl.observe import lanes
from pawl.observe.attribution import UNKNOWN
from pawl.observe.histogram import BUCKETS, Histogram, bucket_of, edge
from pawl.observe.paths import OTHER, Known
from pawl.observe.records import Counted
from pawl.observe.signals import LoggedSignals
from pawl.observe.tally import CLASSES, NOTHING, Tally

MOST_RELEASES = 10
MOST_ROUTES = 20
_DAY_S = 86_400
_TRIES = 3
_ALWAYS_SHOWN = ("2xx", "5xx")

Answer = TypeVar("Answer")


class Ask(Protocol):
    """Has a question about what was counted answered on another thread: :meth:`pawl.daemon.signals.Signals.ask`."""

    async def __call__(self, question: Callable[[LoggedSignals], Answer], /) -> Answer: ...


def _nearest_edge(wanted_s: float) -> int:
    """The number of the stored bucket that begins nearest to a time."""
    below = bucket_of(wanted_s)
    return min((below, below + 1), key=lambda bucket: abs(edge(bucket) - wanted_s))


_STEPS = tuple(map(_nearest_edge, (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)))
EDGES_S = tuple(float(f"{edge(step):.6g}") for step in _STEPS)
"""Where the buckets that are shown end, in seconds: edges of the stored ones, so that their counts are exact."""


def spread_of(histogram: Histogram) -> Spread:
    """The histogram in the buckets that are shown; the sum is within 1 %.

    >>> spread_of(Histogram.of_values([0.004, 0.3, 60])).ladder[-1]
    (inf, 3)
    """
    counts = lanes.counted(histogram.buckets)
    ladder, seen, before = [], 0, 0
    for step, edge_s in zip((*_STEPS, BUCKETS), (*EDGES_S, float("inf")), strict=True):
        seen, before = seen + sum(counts[before:step]), step
        ladder.append((edge_s, seen))
    return Spread(ladder, histogram.total_s)


@dataclass(slots=True)
class _App:
    """What was counted of one app; ``releases`` and ``routes`` are those that are shown."""

    releases: dict[str, Tally] = field(default_factory=dict)
    routes: dict[str, Tally] = field(default_factory=dict)
    is_whole: bool = False
    """Whether every request is in the numbers; if not, it is to be read again."""

    def add(self, release: str, route: str, tally: Tally) -> None:
        """Take in what was counted after the store was read."""
        if not self.is_whole:
            return
        if release in self.releases:
            self.releases[release] += tally
        elif len(self.releases) <= MOST_RELEASES:
            self.is_whole = False
        if route in self.routes:
            self.routes[route] += tally
        elif len(self.routes) <= MOST_ROUTES:
            self.is_whole = False


class RequestTotals:
    """Counters of requests by app, release and route. All on the event loop but the reading, which ``ask`` does."""

    def __init__(self, ask: Ask, *, now: Callable[[], float] = time.time) -> None:
        self._ask = ask
        self._now = now
        self._apps: dict[str, _App] = {}
        self._meanwhile: list[tuple[int, Counted]] | None = None
        self._called: dict[str, dict[int, str]] = {}
        self._known: Mapping[str, Known] = {}

    def counted(self, counted: Counted, known: Mapping[str, Known], lines: int) -> None:
        """Take in a piece of the log that was stored; ``lines`` are all that were ever counted, with these."""
        self._known = known
        if self._meanwhile is not None:
            self._meanwhile.append((lines, counted))
        if self._apps:
            self._add(counted, self._apps)

    def _add(self, counted: Counted, apps: Mapping[str, _App]) -> None:
        for key, tally in counted.tallies.items():
            app = apps.get(key.app)
            if app is not None:
                app.add(key.release, self._route(key.app, key.route), tally)

    def _route(self, app: str, number: int) -> str:
        if not number:
            return OTHER
        called = self._called.setdefault(app, {})
        if number not in called:
            called.update((to, name) for name, to in self._known[app].numbers.items())
        return called[number]

    async def read(self, releases: Mapping[str, Collection[str]]) -> None:
        """Have the numbers of these apps, with these releases at least (others by their requests of the last day).

        Raises:
            StateError: the store cannot be read; what was known before is known still.
        """
        self._apps = {name: self._apps.get(name) or _App() for name in releases}
        for _ in range(_TRIES):
            wanted = {
                name: app for name, app in self._apps.items()
                if not (app.is_whole and set(releases[name]) <= app.releases.keys())
            }  # fmt: skip
            if not wanted:
                return
            self._meanwhile = []
            try:
                asked = {name: (tuple(releases[name]), tuple(app.routes)) for name, app in wanted.items()}
                lines, found = await self._ask(_Question(asked, self._now()))
                self._apps |= found
                for after, counted in self._meanwhile:
                    if after > lines:
                        self._add(counted, found)
            finally:
                self._meanwhile = None

    def show(self, page: Page) -> None:
        """Put every counter on the page."""
        for name, app in self._apps.items():
            for release, tally in app.releases.items():
                for status, count in _shown(tally):
                    page.add("pawl_requests_total", count, app=name, release=release, status=status)
                spread = spread_of(tally.latencies)
                page.add_spread("pawl_request_duration_seconds", spread, app=name, release=release)
            for route, tally in app.routes.items():
                for status, count in _shown(tally):
                    page.add("pawl_route_requests_total", count, app=name, route=route, status=status)
                spread = spread_of(tally.latencies)
                page.add_spread("pawl_route_request_duration_seconds", spread, app=name, route=route)


def _shown(tally: Tally) -> Iterable[tuple[str, int]]:
    """Classes with requests, and those that are looked for: a series that begins with its first error hides it."""
    found = tally.by_status
    return [(status, found[status]) for status in CLASSES if found[status] or status in _ALWAYS_SHOWN]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is read of the store: by app, the releases and the routes that are to be there."""

    apps: Mapping[str, tuple[Collection[str], Collection[str]]]
    now: float

    def __call__(self, source: LoggedSignals) -> tuple[int, dict[str, _App]]:
        """How many lines are in the numbers, and the numbers."""
        return source.progress().lines, {app: self._app(source, app) for app in self.apps}

    def _app(self, source: LoggedSignals, app: str) -> _App:
        releases, routes = self.apps[app]
        began, ended = self.now - _DAY_S, self.now + _DAY_S  # ahead of now: what a wrong clock wrote is there too
        recent = [one.release or UNKNOWN for one in source.releases(app, began=began, ended=ended)]
        chosen = list(dict.fromkeys([UNKNOWN, *releases, *recent]))[: max(MOST_RELEASES, len(releases)) + 1]
        busiest = [one.route or OTHER for one in source.routes(app, began=began, ended=ended)]
        shown = list(dict.fromkeys([OTHER, *routes, *busiest]))[: MOST_ROUTES + 1]
        served, asked = source.ever(app, chosen), source.ever_by_route(app, shown)
        return _App(
            {release: served.get(release, NOTHING) for release in chosen},
            {route: asked.get(route, NOTHING) for route in shown},
            is_whole=True,
        )
