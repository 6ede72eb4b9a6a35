"""How long going back takes, until the first request is served by the release that was live before.

Warm: its instances are still up, as they are for `keep_warm_s` (300 s by default) after a switch; counted both from the
start of the command `pawl rollback` (which includes starting Python) and from the moment the request is sent to
pawld's API (what a dashboard's button does). Cold: `keep_warm_s = 0`, so the old release has to boot; beside it the
same app's boot measured directly, by turns. Requests come 500 times a second, so an answer is seen up to 2 ms late.
"""

from __future__ import annotations

import time
from typing import Any

from bench.peers import boot_times
from bench.report import Result, Target, median, spread
from bench.stage import Stage, first_served, load, stage

_ROUNDS = 9
_COMMAND = "gunicorn hello:app"
_CONFIG = f'[processes.web]\ncommand = "{_COMMAND}"\nhealth = "/"\n'


def measure() -> Result:
    with stage() as on:
        warm = _rounds(on, "warm", _CONFIG)
        cold = _rounds(on, "cold", _CONFIG + "keep_warm_s = 0\n")
    cold_extra = median([took - boot for took, boot in zip(cold["command"], cold["boot"], strict=True)])
    rows = [
        ["warm, from the command's start", spread(warm["command"]), "≤ 0.1 s"],
        ["warm, from the request to the API", spread(warm["API"]), "≤ 0.1 s"],
        ["cold, from the command's start", spread(cold["command"]), "≤ boot + 0.3 s"],
        ["cold, from the request to the API", spread(cold["API"]), "≤ boot + 0.3 s"],
        ["the app's boot, directly", spread(cold["boot"]), ""],
    ]
    by_command, by_api = median(warm["command"]), median(warm["API"])
    targets = [
        Target("rollback, kept warm, from the API request to the first request served", f"{by_api:.3f} s", "≤ 0.1 s",
               by_api <= 0.1),
        Target("rollback, kept warm, from the start of the command", f"{by_command:.3f} s", "≤ 0.1 s",
               by_command <= 0.1),
        Target("rollback, cold, from the start of the command, above the app's boot", f"{cold_extra:.3f} s", "≤ 0.3 s",
               cold_extra <= 0.3),
    ]  # fmt: skip
    return Result(["", "until the first request is served by it", "to reach"], rows, targets)


def _rounds(on: Stage, app: str, config: str) -> dict[str, list[float]]:
    repo = on.app("hello", app, pawl__toml=config)
    on.deploy(repo)
    old = repo.git("rev-parse", "HEAD")[:12]
    on.change(repo)
    found: dict[str, list[float]] = {"command": [], "API": [], "boot": []}
    with load(on.url(app), rate=500, connections=4) as running:
        for _ in range(_ROUNDS):
            on.deploy(repo)
            began, _ = on.timed("rollback", app)
            found["command"].append(first_served(running.tally, old, began) - began)
            on.deploy(repo)
            began = time.monotonic()
            answer = on.client.post("apps", app, "rollback")
            found["API"].append(first_served(running.tally, old, began) - began)
            _wait_ended(on, answer)
            found["boot"] += boot_times(on, app, _COMMAND, rounds=1)
    return found


def _wait_ended(on: Stage, answer: dict[str, Any]) -> None:
    for line in on.client.lines("deploys", answer["deploy"], "events"):
        if line["event"] == "outcome" and line["outcome"] != "kept":
            raise RuntimeError(f"the rollback failed: {line}")
