"""What watching a change costs and how soon it acts, on the running system.

A shop of the standard library (`tests/apps/shop`) with seeded faults is deployed under a steady 20 requests a second,
after 40 s of traffic; times are those of the access log, from the candidate's first request to its last. First a change
that breaks 20 % of the requests, which the test has to see; then one that fails every request, and one whose health
check fails with all else some seconds after the switch: hard fails, from the first failed request to the last. The
memory of pawld is read after all of that.

Counting on against off: `wrk` on gunicorn through Pawl's proxy, 32 connections, by turns with pawld at work and with
pawld stopped (SIGSTOP; Caddy needs it for nothing), ratios taken within a round. Counting, wrk and the app share two
cores.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import wrk
from bench.report import Result, Target, median, spread
from bench.stage import Stage, load, memory_bytes, stage
from tests.support import Repository, repository

_SHOP = Path(__file__).parents[1] / "tests" / "apps" / "shop"
_ROUNDS = 3
_BEFORE_S = 40.0
_THROUGHPUT_ROUNDS = 8
_GUNICORN = '[processes.web]\ncommand = "gunicorn --workers 2 hello:app"\nhealth = "/"\n'


@dataclass(frozen=True, slots=True)
class _Seen:
    """Of one bad change, in seconds: its first request to its last, and its first failed request to its last."""

    served_s: float
    failing_s: float


def measure() -> Result:
    with stage() as on:
        broken = [_taken_back(on, f"broken{number}", {"errors": 0.2}) for number in range(_ROUNDS)]
        failing = [_taken_back(on, f"failing{number}", {"errors": 1.0}) for number in range(_ROUNDS)]
        ill = [_taken_back(on, f"ill{number}", {"ill_after_s": 6}) for number in range(_ROUNDS)]
        memory = memory_bytes(on.pids()[0]) / 1e6
        ratio = _throughput(on)
    rows = [
        ["20 % of the requests fail, 20 requests/s: switch to all back", spread([one.served_s for one in broken])],
        ["every request fails: first failed to last failed", spread([one.failing_s for one in failing])],
        ["the health check fails with all else: first failed to last failed", spread([one.failing_s for one in ill])],
        ["resident memory of pawld afterwards", f"{memory:.0f} MB"],
        ["throughput with counting on / off", f"{ratio:.3f}"],
    ]
    slowest = max(one.served_s for one in broken)
    outage = max(one.failing_s for one in [*failing, *ill])
    targets = [
        Target("a change that breaks 20 % of requests at 20/s, from switch to all traffic back (slowest)",
               f"{slowest:.1f} s", "≤ 25 s", slowest <= 25),
        Target("a total outage, from the first failed request to the last (longest)", f"{outage:.1f} s", "≤ 5 s",
               outage <= 5),
        Target("resident memory of pawld while all that runs", f"{memory:.0f} MB", "≤ 80 MB", memory <= 80),
        Target("proxy throughput with counting on / off", f"{ratio:.3f}", "≥ 0.97", ratio >= 0.97),
    ]  # fmt: skip
    return Result(["", "measured"], rows, targets)


def _taken_back(on: Stage, app: str, faults: dict[str, float]) -> _Seen:
    repo: Repository = repository(on.folder / app, _SHOP)
    config = (repo.path / "pawl.toml").read_text().replace('"shop"', f'"{app}"')
    repo.commit("Name it", pawl__toml=config.replace("duration_s = 45", "duration_s = 120"))
    on.deploy(repo)
    repo.commit("Break it", FAULTS=json.dumps(faults))
    with load(on.url(app), rate=20, connections=16):
        time.sleep(_BEFORE_S)
        process = on.command("deploy", repo.path, "--json")
        said, _ = process.communicate(timeout=300)
        time.sleep(2)
    outcome = json.loads(said.splitlines()[-1])
    if outcome["outcome"] != "rolled back":
        raise RuntimeError(f"it was not taken back: {outcome}")
    release = repo.git("rev-parse", "HEAD")[:12]
    lines = _lines(on, app, release)
    failed = [at for at, status in lines if status >= 500]
    on.timed("remove", app, "--yes")
    return _Seen(lines[-1][0] - lines[0][0], failed[-1] - failed[0])


def _lines(on: Stage, app: str, release: str) -> list[tuple[float, int]]:
    """When each request to a release ended, and its status, from the access log."""
    with closing(sqlite3.connect(f"file:{on.pawl.home.signals}?mode=ro", uri=True)) as db:
        asked = db.execute("SELECT address FROM tenures WHERE app = ? AND release = ?", (app, release))
        addresses = {address for (address,) in asked}
    found = []
    with (on.pawl.home.log / "access.log").open() as log:
        for raw in log:
            line = json.loads(raw)
            if line["app"] == app and line["upstream"] in addresses:
                found.append((line["ts"], line["status"]))
    return sorted(found)


def _throughput(on: Stage) -> float:
    repo = on.app("hello", "counted", pawl__toml=_GUNICORN)
    on.deploy(repo)
    url, pawld = on.url("counted").replace("counted.localhost", "127.0.0.1"), on.pids()[0]
    ratios = []
    for number in range(_THROUGHPUT_ROUNDS):
        rates = {}
        for is_counting in (True, False) if number % 2 else (False, True):
            time.sleep(2)  # what the last run logged is counted by then
            if not is_counting:
                os.kill(pawld, signal.SIGSTOP)
            try:
                rates[is_counting] = wrk.run(url, host="counted.localhost", seconds=3).rate
            finally:
                os.kill(pawld, signal.SIGCONT)
        ratios.append(rates[True] / rates[False])
    return median(ratios)
