"""Requests that fail while releases are switched under load: 10 deploys and 5 rollbacks.

32 keep-alive clients send 1,200 requests a second, never send one again, and count as failed whatever is not
answered with a status below 500. They look whether the server has closed their connection before they send, as every
HTTP client does; a connection found closed is counted apart. Each deploy is a new commit of a gunicorn app with two
workers, through `pawl deploy`; after every second one `pawl rollback`. Beside it, the way it is done without Pawl: the
same load on a Caddy with the same access log, whose configuration is reloaded 15 times in the same time to switch
between two processes of the same app. Those two are never stopped, so what fails there is due to the reload alone. Each
switch counts only once an answer of the new release (or the other process) was seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.peers import BareCaddy, Direct
from bench.report import Result, Target, share_point
from bench.stage import Stage, first_served, load, stage
from pawl.demo.load import Tally
from tests.support import Repository

_COMMAND = "gunicorn --workers 2 hello:app"
_CONFIG = f'[processes.web]\ncommand = "{_COMMAND}"\nhealth = "/"\n'
_RATE = 1200.0
_CONNECTIONS = 32
_ROUNDS = 5  # of two deploys and one rollback


@dataclass(frozen=True, slots=True)
class _Run:
    tally: Tally
    took_s: float

    @property
    def rate(self) -> float:
        return (self.tally.served + self.tally.failed) / self.took_s


def measure() -> Result:
    with stage() as on:
        repo = on.app("hello", pawl__toml=_CONFIG)
        on.deploy(repo)
        ours = _pawl(on, repo)
        peer = _caddy(on, ours.took_s)
    rows = [_row("Pawl", ours), _row("Caddy, a reload per switch", peer)]
    failed = ours.tally.failed
    target = Target(
        f"requests failed during 10 deploys and 5 rollbacks at {ours.rate:,.0f}/s",
        f"{failed} of {ours.tally.served + failed:,}", "0 at ≥ 1,000/s", failed == 0 and ours.rate >= 1000,
    )  # fmt: skip
    headings = ["", "requests", "a second", "failed", "closed while idle", "p99", "slowest", "reasons"]
    return Result(headings, rows, [target])


def _pawl(on: Stage, repo: Repository) -> _Run:
    releases: list[str] = []
    with load(on.url("hello"), rate=_RATE, connections=_CONNECTIONS) as running:
        began = time.monotonic()
        time.sleep(1)
        for _ in range(_ROUNDS):
            for _ in range(2):
                releases.append(on.change(repo))
                first_served(running.tally, releases[-1], on.deploy(repo)[0])
            first_served(running.tally, releases[-2], on.timed("rollback", "hello")[0])
        time.sleep(1)
        took_s = time.monotonic() - began
    return _Run(running.tally, took_s)


def _caddy(on: Stage, took_s: float) -> _Run:
    processes = [Direct(on, "hello", _COMMAND) for _ in range(2)]
    caddy = BareCaddy(on.folder / "bare", host="hello.localhost")
    try:
        for number, process in enumerate(processes):
            process.start(release=f"process {number}")
        caddy.start(processes[0].dial)
        with load(caddy.url, rate=_RATE, connections=_CONNECTIONS) as running:
            began = time.monotonic()
            for number in range(3 * _ROUNDS):
                time.sleep(took_s / (3 * _ROUNDS + 1))
                other = (number + 1) % 2
                asked = time.monotonic()
                caddy.reload(processes[other].dial)
                first_served(running.tally, f"process {other}", asked)
            time.sleep(1)
            lasted_s = time.monotonic() - began
        return _Run(running.tally, lasted_s)
    finally:
        caddy.stop()
        for process in processes:
            process.stop()


def _row(name: str, run: _Run) -> list[str]:
    latencies = [answer.latency_s * 1000 for answer in run.tally.answers]
    reasons = ", ".join(f"{count} {reason}" for reason, count in run.tally.failures.most_common())
    return [
        name, f"{run.tally.served + run.tally.failed:,}", f"{run.rate:,.0f}", str(run.tally.failed),
        str(run.tally.reopened), f"{share_point(latencies, 0.99):.0f} ms", f"{max(latencies):.0f} ms", reasons or "–",
    ]  # fmt: skip
