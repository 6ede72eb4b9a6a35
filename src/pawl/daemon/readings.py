"""What ``GET /v1/apps/APP/signals`` answers: the golden signals of a span, as JSON with units in the names."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from pawl.daemon.shapes import iso
from pawl.errors import StateError, UsageError
from pawl.observe.attribution import UNKNOWN
from pawl.observe.gauges import Reading
from pawl.observe.paths import OTHER, path_of, route_of
from pawl.observe.signals import LoggedSignals, Window
from pawl.observe.store.schema import LEVELS
from pawl.observe.tally import merged

Json = dict[str, Any]

STEPS_S = (5, 15, 30, 60, 300, 900, 3600, 21_600, 86_400, 7 * 86_400)
MOST_STEPS = 60
MOST_ROWS = 20
"""Of routes and of releases, the busiest first."""

_USUAL_S = 3600.0
_COARSE_S = 3600
_KEPT_S = LEVELS[-1].kept_s
_MARGIN_S = 60.0  # the store's clock moves on between two questions, and a span may pass out of a level meanwhile
_UNITS = {"rss": "rss_bytes", "cpu": "cpu_cores", "memory_available": "memory_available_bytes"}


class SignalsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when to when (Unix seconds; the last hour, until now), of which route and release (a prefix will do)."""

    since: float | None = None
    until: float | None = None
    route: str | None = None
    release: str | None = None


def signals(source: LoggedSignals, app: str, query: SignalsQuery, *, now: float, releases: Iterable[str]) -> Json:
    """The answer for one app; ``releases`` are those it ever had. Blocks for up to a tenth of a second.

    The span is widened to whole buckets of what is kept, and cut to what is kept at all: ``began`` and ``ended`` say
    what is covered, and a span of days begins with a whole step. ``buckets`` are whole steps, so the first may begin
    before ``began``.

    Raises:
        UsageError: no such span, release or route.
        StateError: the store cannot be read.
    """
    began, ended = _span(query, now)
    step_s = step(ended - began, source.finest_step_s(began - _MARGIN_S))
    if step_s >= _COARSE_S:  # a long span begins with a whole step: its first hours would cost as much as all the rest
        began = max(began // step_s * step_s, now - _KEPT_S)
    served = source.releases(app, began=began, ended=ended)
    release = _release(app, query.release, [*releases, *(one.release or UNKNOWN for one in served)])
    served = [one for one in served if release in (None, one.release)]
    route = None if query.route is None else normalised(query.route)
    routes = source.routes(app, began=began, ended=ended, release=release, route=route)
    if route is not None:
        if not routes:
            _refuse_never_asked_for(source, app, route, now)
        served = _served(source, served, routes, began=began, ended=ended, route=route)
    # The whole is the sum of its releases: asked for by itself it would cost one more reading of all rows.
    first, last = source.widened(began, ended)
    window = Window(app, first, last, merged(one.tally for one in served), release, route)
    buckets = source.buckets(app, began=began, ended=ended, step_s=step_s, release=release, route=route)
    return {
        "app": app,
        "began": iso(window.began),
        "ended": iso(window.ended),
        "route": route,
        "release": release,
        "requests": window.requests,
        "rate_per_s": window.rate_per_s,
        "errors": window.errors,
        "error_share": window.error_share,
        "by_status": window.by_status,
        "p50_s": window.p50,
        "p95_s": window.p95,
        "p99_s": window.p99,
        "mean_s": window.mean,
        "step_s": step_s,
        "buckets": [_bucket(one, window.ended) for one in buckets],
        "routes": [_by_route(one) for one in routes[:MOST_ROWS]],
        "more_routes": max(0, len(routes) - MOST_ROWS),
        "releases": [_by_release(one) for one in served[:MOST_ROWS]],
        "more_releases": max(0, len(served) - MOST_ROWS),
        "gauges": _gauges(source, app, began, ended, release),
        "counting": _counting(source),
    }


def step(span_s: float, finest_s: int) -> int:
    """The narrowest step, in seconds, that cuts a span into about ``MOST_STEPS`` or fewer; the widest for the longest.

    About, for a span "since an hour ago" is a little longer than an hour when the question arrives.

    >>> step(900.1, 5), step(3600.1, 5), step(7200, 60), step(30 * 86_400, 60), step(5, 3600), step(400 * 86_400, 3600)
    (15, 60, 300, 86400, 3600, 604800)
    """
    fitting = [one for one in STEPS_S if one >= finest_s and one % finest_s == 0]
    return next((one for one in fitting if span_s < one * (MOST_STEPS + 1)), STEPS_S[-1])


def normalised(text: str) -> str:
    """The route a person means: by its name or by an address of it; a path alone is that of all its methods.

    Raises:
        UsageError: it is neither.

    >>> normalised("get /entries/4711/?page=2"), normalised("/entries/4711/"), normalised("GET /entries/:id/")
    ('GET /entries/:id/', '/entries/:id/', 'GET /entries/:id/')
    """
    method, _, path = text.strip().rpartition(" ")
    if text.strip() == OTHER:
        return OTHER
    if not path.startswith("/"):
        raise UsageError(f"'{text[:80]}' is not a route", next_step="write '/feeds/' or 'GET /feeds/'")
    return route_of(method.strip().upper(), path) if method else path_of(path)


def _span(query: SignalsQuery, now: float) -> tuple[float, float]:
    for name, at in (("since", query.since), ("until", query.until)):
        if at is not None and not math.isfinite(at):
            raise UsageError(f"{name} is not a time")
    ended = now if query.until is None else min(query.until, now)
    began = ended - _USUAL_S if query.since is None else query.since
    if began > now:
        raise UsageError("the span begins in the future", next_step="ask for one that has begun: --since 1h")
    if began > ended:
        raise UsageError("the span ends before it begins")
    if ended < now - _KEPT_S:
        raise UsageError("the span is over for too long", why=f"signals are kept for {_KEPT_S // 86_400} days")
    return max(began, now - _KEPT_S), ended


def _release(app: str, text: str | None, names: Iterable[str]) -> str | None:
    if text is None:
        return None
    names = sorted({*names, UNKNOWN})
    found = [name for name in names if text and name.startswith(text)]
    if text in names:
        return text
    if len(found) != 1:
        why = f"it may be: {', '.join(found[:5])}" if found else ""
        problem = f"'{text[:40]}' is the beginning of several releases" if found else f"no release '{text[:40]}'"
        raise UsageError(f"{problem} of '{app}'", why=why, next_step=f"see: pawl releases {app}")
    return found[0]


def _served(
    source: LoggedSignals,
    releases: Sequence[Window],
    routes: Iterable[Window],
    *,
    began: float,
    ended: float,
    route: str,
) -> list[Window]:
    """What each release served of a route; ``routes`` is what they served of it together."""
    if len(releases) == 1:
        (one,) = releases
        parts = [replace(one, tally=merged(each.tally for each in routes), route=route)]
    else:
        parts = [source.window(one.app, began=began, ended=ended, release=one.release, route=route) for one in releases]
    return sorted((one for one in parts if one.requests), key=lambda one: -one.requests)


def _path(route: str) -> str:
    return route.partition(" ")[2]


def _refuse_never_asked_for(source: LoggedSignals, app: str, route: str, now: float) -> None:
    """Tell a route without requests in the span, which is an answer, from one that there never was."""
    ever = source.routes(app, began=now - _KEPT_S, ended=now)
    if not ever or route == OTHER or any(route in (one.route, _path(one.route or "")) for one in ever):
        return
    near = _nearest(route, [one.route for one in ever if one.route and one.route != OTHER])
    raise UsageError(
        f"nobody asked '{app}' for '{route[:80]}'",
        why=f"the nearest: {', '.join(near)}" if near else f"only {OTHER} was asked for: answers with 4xx alone",
        next_step=f"see: pawl signals {app}",
    )


def _nearest(route: str, names: Sequence[str]) -> list[str]:
    """The routes whose names are most like this one, at most three; ``names`` come with the busiest first."""
    by_path: dict[str, list[str]] = {}
    for name in names:
        by_path.setdefault(_path(name), []).append(name)
    wanted = route if route.startswith("/") else _path(route)
    near = difflib.get_close_matches(wanted, by_path, n=3, cutoff=0.5) or list(by_path)[:3]
    return [name for path in near for name in by_path[path]][:3]


def _bucket(window: Window, ended: float) -> Json:
    return {
        "began": iso(window.began),
        "ended": iso(min(window.ended, ended)),
        "requests": window.requests,
        "errors": window.errors,
        "p50_s": window.p50,
        "p95_s": window.p95,
        "p99_s": window.p99,
    }


def _by_route(window: Window) -> Json:
    return {
        "route": window.route,
        "requests": window.requests,
        "errors": window.errors,
        "error_share": window.error_share,
        "not_found": window.by_status["404"],
        "p50_s": window.p50,
        "p95_s": window.p95,
        "p99_s": window.p99,
    }


def _by_release(window: Window) -> Json:
    return {
        "release": window.release,
        "requests": window.requests,
        "errors": window.errors,
        "error_share": window.error_share,
        "p95_s": window.p95,
    }


def _gauges(source: LoggedSignals, app: str, began: float, ended: float, release: str | None) -> list[Json]:
    """Those of the instances and of the services the app stands on, then the machine's, whose ``instance`` is ''."""
    found = source.every_gauge(app, began=began, ended=ended, release=release)
    if release is not None:
        found |= source.every_gauge(app, began=began, ended=ended, release="")  # services belong to no release
    machine = source.every_gauge("", began=began, ended=ended)
    return [*_readings(found), *_readings(machine)]


def _readings(found: dict[tuple[str, str], Reading]) -> list[Json]:
    ordered = sorted(found.items(), key=lambda item: (item[0][1], item[0][0]))
    return [
        {
            "name": _UNITS.get(name, name),
            "instance": instance,
            "mean": reading.mean,
            "least": reading.least,
            "most": reading.most,
        }
        for (name, instance), reading in ordered
    ]


def _counting(source: LoggedSignals) -> Json:
    """How counting goes: lines ever counted, those that could not be read, and why there are none just now or null."""
    progress = source.progress()
    trouble = None
    try:
        source.check()
    except StateError as error:
        trouble = {"what": error.what, "why": error.why, "next": error.next_step}
    return {"lines": progress.lines, "invalid": progress.invalid, "trouble": trouble}
