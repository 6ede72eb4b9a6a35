"""Resident memory of an idle pawld with two apps, and of its Caddy.

Once after work (three deploys of each app, then 5,000 requests to each, then 10 s of nothing) and once freshly started
with both apps live. Resident counts every page the process has in memory, those it shares with others too; the
proportional share (PSS) counts a page shared by two processes as half. What the apps use themselves is not in it.
"""

from __future__ import annotations

import time

from bench import wrk
from bench.peers import BareCaddy
from bench.report import Result, Target
from bench.stage import Stage, memory_bytes, stage

_CONFIG = '[processes.web]\ncommand = "gunicorn hello:app"\nhealth = "/"\n'
_LIMIT_MB = 64


def measure() -> Result:
    with stage() as on:
        repos = [on.app("hello", name, pawl__toml=_CONFIG) for name in ("alpha", "beta")]
        for _ in range(3):
            for repo in repos:
                on.change(repo)
                on.deploy(repo)
        for repo in repos:
            wrk.run(on.url("x").replace("x.localhost", "127.0.0.1"), host=f"{repo.path.name}.localhost", seconds=3)
        time.sleep(10)
        worked = [_figures(pid) for pid in on.pids()]
        bare = _bare(on)
        on.timed("down")
        on.pawl.up()
        time.sleep(10)
        fresh = [_figures(pid) for pid in on.pids()]
    rows = [
        ["pawld, after work", *_shown(worked[0])],
        ["its Caddy, after work", *_shown(worked[1])],
        ["pawld, freshly started", *_shown(fresh[0])],
        ["its Caddy, freshly started", *_shown(fresh[1])],
        ["bare Caddy with one app, freshly started", *_shown(bare)],
    ]
    most = max(worked[0][0], fresh[0][0])
    target = Target("resident memory of an idle pawld with two apps", f"{most:.0f} MB", f"≤ {_LIMIT_MB} MB",
                    most <= _LIMIT_MB)  # fmt: skip
    return Result(["", "resident", "proportional share"], rows, [target])


def _bare(on: Stage) -> tuple[float, float]:
    caddy = BareCaddy(on.folder / "bare", host="alpha.localhost")
    try:
        caddy.start(on.records("alpha")[0].address)
        time.sleep(3)
        return _figures(caddy.pid)
    finally:
        caddy.stop()


def _figures(pid: int) -> tuple[float, float]:
    return memory_bytes(pid) / 1e6, memory_bytes(pid, "Pss") / 1e6


def _shown(figures: tuple[float, float]) -> list[str]:
    return [f"{figure:.1f} MB" for figure in figures]
