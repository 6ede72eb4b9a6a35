"""Throughput and p99 through Pawl's proxy against bare Caddy with the same access log and the same app.

The upstream is the very same process for all: an instance that Pawl runs, behind its unix socket. Bare Caddy is one
host and one upstream, with the same fields kept out of its access log; once as it comes, with its connections to the
upstream kept alive, and once without, as Pawl has it so that a switch takes effect with the next request. Three apps:
hello-world on gunicorn with its default workers, which keep no connection alive; on gunicorn with threads, which do;
and the fastest upstream at hand, another Caddy answering a constant, where hardly anything but the proxy is left to
measure. `wrk`, 32 connections, on the same two cores; the proxies by turns, and ratios taken within a round. The p99 at
full load says how the queue in front of everything grows; beside it the p99 at a steady 1,000 requests a second, which
all of them manage, and the processor time the proxy itself had for each request, which hardly depends on what else the
machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench import wrk
from bench.peers import BareCaddy
from bench.report import Result, Target, median, share_point
from bench.stage import Stage, cpu_s, load, stage
from pawl.proxy.launch import find_binary
from tests.support import Repository

_ROUNDS = 8
_SECONDS = 2
_GUNICORN = '[processes.web]\ncommand = "gunicorn --workers 2 {} hello:app"\nhealth = "/"\n'
_FAST = f"web: {find_binary()} respond --listen unix/$SOCKET --body hello\n"
_PAWL, _KEPT, _UNKEPT = "Pawl", "bare Caddy", "bare Caddy, upstream connections not kept"


@dataclass(slots=True)
class _Proxy:
    """A proxy under measurement: where, which process, and what was found in each round."""

    url: str
    pid: int
    runs: list[wrk.Throughput] = field(default_factory=list)
    steady_p99_s: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Processor time the proxy had for each request."""


_Proxies = dict[str, _Proxy]


def measure() -> Result:
    with stage() as on:
        found = {
            "gunicorn": _app(on, on.app("hello", "plain", pawl__toml=_GUNICORN.format(""))),
            "gunicorn, threads": _app(on, on.app("hello", "threads", pawl__toml=_GUNICORN.format("--threads 4"))),
            "a constant from Caddy": _app(on, on.app("tiny", "fast", Procfile=_FAST)),
        }
    rows = [row for name, one in found.items() for row in _rows(name, one)]
    targets = []
    for name, one in found.items():
        for peer in (_KEPT, _UNKEPT):
            ratio = _ratio(one, peer, _rates)
            what = f"throughput through Pawl / {peer}: {name}"
            targets.append(Target(what, f"{ratio:.2f}", "≥ 0.85", ratio >= 0.85))
    failed = sum(run.failed for one in found.values() for proxy in one.values() for run in proxy.runs)
    headings = [
        "app", "proxy", "requests/s", "Pawl / it", "p99, full load", "Pawl / it", "p99, 1,000/s", "Pawl / it",
        "proxy's CPU per request", "Pawl / it",
    ]  # fmt: skip
    return Result(headings, rows, targets, [f"Requests that failed in all of this: {failed}."])


def _app(on: Stage, repo: Repository) -> _Proxies:
    app = repo.path.name
    host = f"{app}.localhost"
    on.deploy(repo)
    dial = on.records(app)[0].address
    bare = {
        _KEPT: BareCaddy(on.folder / f"{app}-k", host=host),
        _UNKEPT: BareCaddy(on.folder / f"{app}-u", host=host, is_kept_alive=False),
    }
    found = {_PAWL: _Proxy(on.url(app), on.pids()[1])}
    try:
        for name, caddy in bare.items():
            caddy.start(dial)
            found[name] = _Proxy(caddy.url, caddy.pid)
        for number in range(_ROUNDS):
            proxies = list(found.values())
            turn = proxies[number % 3 :] + proxies[: number % 3]
            for proxy in turn:
                _full_load(proxy, host)
            for proxy in turn:
                _steady_load(proxy)
    finally:
        for caddy in bare.values():
            caddy.stop()
    return found


def _full_load(proxy: _Proxy, host: str) -> None:
    before = cpu_s(proxy.pid)
    run = wrk.run(proxy.url.replace(host, "127.0.0.1"), host=host, seconds=_SECONDS)
    proxy.runs.append(run)
    proxy.cpu_us.append((cpu_s(proxy.pid) - before) / (run.rate * _SECONDS) * 1e6)


def _steady_load(proxy: _Proxy) -> None:
    with load(proxy.url, rate=1000, connections=16) as running:
        time.sleep(1)
    proxy.steady_p99_s.append(share_point([answer.latency_s for answer in running.tally.answers], 0.99))


def _rates(proxy: _Proxy) -> list[float]:
    return [run.rate for run in proxy.runs]


def _full_p99_s(proxy: _Proxy) -> list[float]:
    return [run.p99_s for run in proxy.runs]


def _ratio(found: _Proxies, peer: str, of: Callable[[_Proxy], list[float]]) -> float:
    """Pawl's figure by the peer's, taken within each round; the median of the rounds."""
    return median([ours / its for ours, its in zip(of(found[_PAWL]), of(found[peer]), strict=True)])


def _rows(app: str, found: _Proxies) -> list[list[str]]:
    figures: list[tuple[Callable[[_Proxy], list[float]], Callable[[float], str]]] = [
        (_rates, lambda rate: f"{rate:,.0f}"),
        (_full_p99_s, lambda seconds: f"{seconds * 1000:.1f} ms"),
        (lambda proxy: proxy.steady_p99_s, lambda seconds: f"{seconds * 1000:.1f} ms"),
        (lambda proxy: proxy.cpu_us, lambda micros: f"{micros:.0f} µs"),
    ]
    rows = []
    for name, proxy in found.items():
        row = [app, name]
        for of, shown in figures:
            row += [shown(median(of(proxy))), "" if name == _PAWL else f"{_ratio(found, name, of):.2f}"]
        rows.append(row)
    return rows
