"""The golden signals from a Prometheus, for places where Pawl does not own the proxy: the second source.

Counters are read per series at the ends of steps (``/api/v1/query_range``) and subtracted here, not by ``increase()``:
that extrapolates to fractions, and the first error of a new release, whose series begins with it, would not be in it
at all.

The queries, for ``window("demo", release="r2", route="GET /feeds/")`` with the usual names::

    http_requests_total{app="demo",release="r2",method="GET",route="/feeds/"}
    http_request_duration_seconds_bucket{app="demo",release="r2",method="GET",route="/feeds/"}
"""

from __future__ import annotations

import http.client
import json
import math
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pawl.errors import StateError
from pawl.observe import lanes
from pawl.observe.gauges import Reading
from pawl.observe.histogram import Histogram, bucket_of, edge_after
from pawl.observe.signals import KNOWN, Window
from pawl.observe.tally import NOTHING, Tally, class_of, merged

_MOST_POINTS = 500  # in one answer and series; Prometheus refuses more than 11,000
_MOST_PARTS = 50

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the metrics and labels are called; a label named '' is not there. ``step_s``: the scrape interval."""

    requests: str = "http_requests_total"
    durations: str = "http_request_duration_seconds"
    app: str = "app"
    release: str = "release"
    method: str = "method"
    route: str = "route"
    status: str = "status"
    step_s: int = 15


class PrometheusSignals:
    """A :class:`~pawl.observe.signals.SignalSource` over the HTTP API of a Prometheus at ``url``.

    A request is seen with the scrape after it, up to ``step_s`` late. A series that was not there before counts from
    0. A quantile is as exact as the metric's own buckets, within which requests are taken to be spread evenly. Safe to
    be used from several threads, so pawld can have another one wait for it.
    """

    def __init__(self, url: str, *, metrics: Metrics | None = None, timeout_s: float = 5.0) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._metrics = metrics or Metrics()
        self._timeout_s = timeout_s

    def check(self) -> None:
        """Every call asks anew, so there is nothing to be behind with."""

    def finest_step_s(self, began: float) -> int:
        return self._metrics.step_s

    def window(
        self, app: str, *, began: float, ended: float, release: str | None = None, route: str | None = None
    ) -> Window:
        parts = self._tallies(app, began, ended, self._step(ended - began), release, route)
        return Window(app, began, ended, merged(tally for _, _, tally in parts), release, route)

    def buckets(
        self, app: str, *, began: float, ended: float, step_s: int, release: str | None = None, route: str | None = None
    ) -> list[Window]:
        finest = self.finest_step_s(began)
        if step_s < finest or step_s % finest:
            raise ValueError(f"{step_s} s is no multiple of {finest} s, the interval of scrapes")
        first, last = began // step_s * step_s, -(-ended // step_s) * step_s
        parts: defaultdict[float, list[Tally]] = defaultdict(list)
        inner = self._step(last - first)
        for at, _, tally in self._tallies(app, first, last, step_s if step_s % inner else inner, release, route):
            parts[at // step_s * step_s].append(tally)
        starts = [first + number * step_s for number in range(round((last - first) / step_s))]
        return [
            Window(app, at, at + step_s, merged(parts[at]) if at in parts else NOTHING, release, route) for at in starts
        ]

    def routes(self, app: str, *, began: float, ended: float, release: str | None = None) -> list[Window]:
        parts: defaultdict[str, list[Tally]] = defaultdict(list)
        for _, route, tally in self._tallies(app, began, ended, self._step(ended - began), release, None):
            parts[route].append(tally)
        windows = [Window(app, began, ended, merged(tallies), release, route) for route, tallies in parts.items()]
        windows = [window for window in windows if window.requests]
        return sorted(windows, key=lambda window: (-window.requests, window.route or ""))

    def gauges(
        self, app: str, name: str, *, began: float, ended: float, release: str | None = None
    ) -> dict[str, Reading]:
        """None: what an instance uses is not read from Prometheus."""
        return {}

    def selector(self, metric: str, app: str, release: str | None, route: str | None) -> str:
        """The query for the series of a metric."""
        names = self._metrics
        wanted = {names.app: app, names.release: release}
        if route is not None and route != KNOWN:
            method, _, path = route.rpartition(" ")
            wanted |= {names.method: method or None, names.route: path}
        inside = ",".join(f"{name}={json.dumps(value)}" for name, value in wanted.items() if name and value is not None)
        return f"{metric}{{{inside}}}"

    def _step(self, span_s: float) -> int:
        """Wide enough for few points, and narrow enough to notice that a counter began anew."""
        return self._metrics.step_s * max(1, math.ceil(span_s / self._metrics.step_s / _MOST_POINTS))

    def _tallies(
        self, app: str, began: float, ended: float, step_s: int, release: str | None, route: str | None
    ) -> Iterator[tuple[float, str, Tally]]:
        names = self._metrics
        for labels, at, count in self._increases(
            self.selector(names.requests, app, release, route), began, ended, step_s
        ):
            status = labels.get(names.status, "")
            place = class_of(int(status) if status.isdecimal() else 200)
            yield at, self._route(labels), Tally(lanes.of_counts({place: count}))
        ladders: defaultdict[tuple[float, str], Counter[float]] = defaultdict(Counter)
        durations = self.selector(f"{names.durations}_bucket", app, release, route)
        for labels, at, count in self._increases(durations, began, ended, step_s):
            ladders[at, self._route(labels)][float(labels["le"])] += count
        for (at, name), ladder in ladders.items():
            yield at, name, Tally(0, _histogram(ladder))

    def _route(self, labels: Labels) -> str:
        return f"{labels.get(self._metrics.method, 'ANY')} {labels.get(self._metrics.route, '/')}"

    def _increases(self, selector: str, began: float, ended: float, step_s: int) -> Iterator[tuple[Labels, float, int]]:
        """By how much each counter grew in each step: its labels, when the step began, the growth."""
        for series in self._query_range(selector, began, ended, step_s):
            before: float | None = None
            for at, text in series["values"]:
                value = float(text)
                # Less than before: the process was restarted and counts from 0 again.
                grown = value if before is None or value < before else value - before
                is_first_point = before is None and at <= began
                if grown and not is_first_point:
                    yield series["metric"], at - step_s, round(grown)
                before = value

    def _query_range(self, query: str, began: float, ended: float, step_s: int) -> Sequence[Any]:
        asked = urllib.parse.urlencode({"query": query, "start": began, "end": ended, "step": step_s})
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=self._timeout_s)
        try:
            connection.request("GET", f"{self._url.path.rstrip('/')}/api/v1/query_range?{asked}")
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._trouble(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if found.get("status") != "success":
            raise self._trouble(f"{answer.status}: {found.get('error', 'no reason given')}")
        series: Sequence[Any] = found["data"]["result"]
        return series

    def _trouble(self, why: str) -> StateError:
        place = urllib.parse.urlunsplit(self._url._replace(netloc=self._url.netloc.rpartition("@")[2]))
        return StateError(f"Prometheus at {place} cannot be asked", why=why, next_step=f"see: curl {place}/-/ready")


def _histogram(ladder: Mapping[float, int]) -> Histogram:
    """Our buckets from cumulative ones (``le`` to count), with requests spread evenly between two edges."""
    counts: Counter[int] = Counter()
    low, below = 0.0, 0
    for high, count in sorted(ladder.items()):
        here = max(0, count - below)
        if math.isinf(high):
            counts[bucket_of(edge_after(low))] += here
        else:
            parts = min(here, _MOST_PARTS)
            for part in range(parts):
                place = bucket_of(low + (high - low) * (part + 0.5) / parts)
                counts[place] += here // parts + (part < here % parts)
        low, below = high, max(below, count)
    return Histogram(lanes.of_counts(counts))
