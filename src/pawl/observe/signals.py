"""The golden signals of an app for a span of time, and the contract of whoever can tell them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from pawl.errors import PawlError, StateError
from pawl.observe.gauges import Reading
from pawl.observe.histogram import Histogram
from pawl.observe.paths import OTHER
from pawl.observe.store import Progress, SignalStore
from pawl.observe.store.schema import LEVELS
from pawl.observe.store.steps import Step
from pawl.observe.tally import NOTHING, Tally, merged


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked of an app from ``began`` to before ``ended`` (Unix time).

    ``release`` None: of all releases. ``route``: ``GET /feeds/``, or a path for all its methods; None: of all routes.
    """

    app: str
    began: float
    ended: float
    tally: Tally
    release: str | None = None
    route: str | None = None

    @property
    def requests(self) -> int:
        """All requests, those included whose client went away."""
        return self.tally.requests

    @property
    def errors(self) -> int:
        """Answers with 5xx, the proxy's own included (502: nothing answered; 503: nothing ran)."""
        return self.tally.errors

    @property
    def error_share(self) -> float | None:
        """0..1; None without requests."""
        return self.errors / self.requests if self.requests else None

    @property
    def by_status(self) -> dict[str, int]:
        """Requests by ``tally.CLASSES``, each in one of them."""
        return self.tally.by_status

    @property
    def rate_per_s(self) -> float:
        return self.requests / (self.ended - self.began) if self.ended > self.began else 0.0

    @property
    def histogram(self) -> Histogram:
        """Latencies in seconds, at the proxy: from the request's arrival to the last byte of the answer."""
        return self.tally.latencies

    @property
    def p50(self) -> float | None:
        """In seconds, as are ``p95``, ``p99`` and ``mean``; None without requests."""
        return self.histogram.quantile(0.5)

    @property
    def p95(self) -> float | None:
        return self.histogram.quantile(0.95)

    @property
    def p99(self) -> float | None:
        return self.histogram.quantile(0.99)

    @property
    def mean(self) -> float | None:
        return self.histogram.mean


KNOWN = "(known)"
"""Instead of a route: all but ``paths.OTHER``."""


class SignalSource(Protocol):
    """Tells the golden signals. Implementations: the access log (here), Prometheus.

    **Times** are Unix times. A span is widened to whole buckets of what the source still has (for the access log 5 s
    within the last two hours, a minute within 30 days, then an hour and a day); the answer's ``began`` and ``ended``
    say what it covers. Requests count when they end.

    **Nothing known** (no such app, release or route, no traffic) is a window without requests, never an error: whoever
    asks has to tell "no data" from "no errors".

    **Accuracy**: counts are exact, quantiles at most 1 % off, where the source can do that (Prometheus: as good as its
    buckets).

    **Errors**: StateError, where the source cannot be asked. All calls block.

    **Known routes**: the route ``KNOWN`` stands for all that have had a good answer once, which leaves out what
    scanners ask for. A source that cannot tell takes all.
    """

    def check(self) -> None:
        """Return when what is newest can be told too.

        Raises:
            StateError: requests are served and not counted just now.
        """

    def finest_step_s(self, began: float) -> int:
        """The narrowest step that :meth:`buckets` can give for a span that begins there."""

    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window:
        """The whole span as one."""

    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        """The span in steps, oldest first, those without requests too. A step is a multiple of :meth:`finest_step_s`.

        Raises:
            ValueError: the step is narrower than what is still known, or no multiple of it.
        """

    def routes(self, app: str, *, began: float, ended: float, release: str | None = None) -> list[Window]:
        """Every route with requests, the one with most first."""

    def gauges(
        self, app: str, name: str, *, began: float, ended: float, release: str | None = None
    ) -> dict[str, Reading]:
        """The values of one gauge over the span by instance; none where the source has no such gauge."""


class LoggedSignals:
    """A :class:`SignalSource` over what was counted of the access log."""

    def __init__(self, store: SignalStore, trouble: Callable[[], PawlError | None] = lambda: None) -> None:
        self._store = store
        self._trouble = trouble

    def check(self) -> None:
        if trouble := self._trouble():
            raise StateError("requests are not counted just now", why=trouble.what, next_step=trouble.next_step)

    def finest_step_s(self, began: float) -> int:
        now = self._store.progress().newest
        for level in LEVELS:
            if began >= level.floor(now - level.kept_s):
                return level.width_s
        return LEVELS[-1].width_s

    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window:
        first, last = self.widened(began, ended)
        found = self._store.tallies(app, first, last, release=release, wanted=_wanted(route))
        return Window(app, first, last, merged(tally for _, _, tally in found), release, route)

    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        finest = self.finest_step_s(began)
        if step_s < finest or step_s % finest:
            raise ValueError(f"{step_s} s is no multiple of {finest} s, the narrowest that is kept of that time")
        first, last = _floor(began, step_s), -_floor(-ended, step_s)
        parts: defaultdict[int, list[Tally]] = defaultdict(list)
        for at, _, tally in self._store.tallies(
            app, first, last, release=release, wanted=_wanted(route), step_s=step_s
        ):
            parts[_floor(at, step_s)].append(tally)
        return [
            Window(app, at, at + step_s, merged(parts[at]) if at in parts else NOTHING, release, route)
            for at in range(first, last, step_s)
        ]

    def routes(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        """As of the protocol; with ``route`` only that one, or those of a path, which takes a quarter of the time."""
        first, last = self.widened(began, ended)
        parts: defaultdict[str, list[Tally]] = defaultdict(list)
        wanted = _wanted(route) or (lambda _: True)
        for _, name, tally in self._store.tallies(app, first, last, release=release, wanted=wanted):
            parts[name].append(tally)
        windows = [Window(app, first, last, merged(tallies), release, name) for name, tallies in parts.items()]
        return sorted(windows, key=lambda window: (-window.requests, window.route or ""))

    def releases(self, app: str, *, began: float, ended: float) -> list[Window]:
        """Every release with requests, the one with most first; ``attribution.UNKNOWN`` of what reached none."""
        first, last = self.widened(began, ended)
        found = self._store.releases(app, first, last)
        windows = [Window(app, first, last, tally, release) for release, tally in found.items()]
        return sorted(windows, key=lambda window: (-window.requests, window.release or ""))

    def steps(self, app: str, *, began: int, ended: int, step_s: int) -> dict[int, Step]:
        """All that is known of an app in each step, its gauges and the machine's too, by when the step began.

        Steps of which nothing is known are left out. One pass, in half the time of :meth:`buckets` and gauges.

        Raises:
            ValueError: the step is narrower than what is still known, or no multiple of it.
        """
        finest = self.finest_step_s(began)
        if step_s < finest or step_s % finest or began % step_s:
            raise ValueError(
                f"steps of {step_s} s are no multiple of {finest} s, the narrowest that is kept of that time"
            )
        return self._store.steps(app, began, ended, step_s=step_s)

    def progress(self) -> Progress:
        """What was counted ever."""
        return self._store.progress()

    def ever(self, app: str, releases: Collection[str]) -> dict[str, Tally]:
        """All that was ever counted of some releases; those without a request in 400 days are left out."""
        return self._store.ever(app, releases)

    def ever_by_route(self, app: str, routes: Collection[str]) -> dict[str, Tally]:
        """All that was ever counted of some routes; those never asked for are left out."""
        return self._store.ever_by_route(app, routes)

    def every_gauge(
        self, app: str, *, began: float, ended: float, release: str | None = None
    ) -> dict[tuple[str, str], Reading]:
        """The values of all gauges over the span, by name and instance; one pass, whatever their number."""
        first, last = self.widened(began, ended)
        found: dict[tuple[str, str], Reading] = {}
        for _, name, instance, reading in self._store.gauges(app, first, last, release=release):
            key = (name, instance)
            found[key] = found[key] + reading if key in found else reading
        return found

    def gauges(
        self, app: str, name: str, *, began: float, ended: float, release: str | None = None
    ) -> dict[str, Reading]:
        first, last = self.widened(began, ended)
        found: dict[str, Reading] = {}
        for _, called, instance, reading in self._store.gauges(app, first, last, release=release):
            if called == name:
                found[instance] = found[instance] + reading if instance in found else reading
        return found

    def widened(self, began: float, ended: float) -> tuple[int, int]:
        """The span in whole buckets of what is kept of its time, as every answer covers it."""
        return _floor(began, self.finest_step_s(began)), -_floor(-ended, self.finest_step_s(ended))


def _floor(at: float, step_s: int) -> int:
    return int(at // step_s) * step_s


def _wanted(route: str | None) -> Callable[[str], bool] | None:
    if route is None:
        return None
    if route == KNOWN:
        return lambda name: name != OTHER
    if route.startswith("/"):
        return lambda name: name.partition(" ")[2] == route
    return lambda name: name == route
