"""What Pawl itself adds to a deploy: `pawl deploy` to live, dependencies unchanged, less what is the app's own time.

From the start of the command, as a user's shell would start it, to the first answer of the new release through the
proxy (asked 400 times a second), less the app's boot (the same command with the same environment started directly,
until its first good answer) and, in the second row, less its test and its release task (the same commands run
directly). All are measured by turns, once a round; the figure is the median of the rounds' differences. An answer is
seen up to 2.5 ms late, which counts against Pawl.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from bench.peers import boot_times
from bench.report import Result, Target, median, spread
from bench.stage import Stage, first_served, load, stage

_ROUNDS = 9
_COMMAND = "gunicorn hello:app"
_CONFIG = f'[processes.web]\ncommand = "{_COMMAND}"\nhealth = "/"\n'
_CHORES = '[build]\ntest = "python chore.py"\n[release]\ntasks = ["python chore.py"]\n'


def measure() -> Result:
    with stage() as on:
        plain = _rounds(on, "plain", _CONFIG, chores=0)
        whole = _rounds(on, "whole", _CHORES + _CONFIG, chores=2)
    rows = [row for _, found in (plain, whole) for row in found]
    targets = [
        Target("`pawl deploy` to live less the app's own boot time (median)", f"{plain[0]:.3f} s", "≤ 0.3 s",
               plain[0] <= 0.3),
        Target("the same with a test and a task, less their time too (median)", f"{whole[0]:.3f} s", "≤ 0.3 s",
               whole[0] <= 0.3),
    ]  # fmt: skip
    headings = ["app", "command to live", "app's boot", "test and task", "Pawl's own", "the stages (medians, ms)"]
    return Result(headings, rows, targets)


def _rounds(on: Stage, app: str, config: str, *, chores: int) -> tuple[float, list[list[str]]]:
    repo = on.app("hello", app, pawl__toml=config)
    on.deploy(repo)
    to_live, boot, chore, stages = [], [], [], []
    with load(on.url(app), rate=400, connections=4) as running:
        for _ in range(_ROUNDS):
            release = on.change(repo)
            began, _ = on.deploy(repo)
            to_live.append(first_served(running.tally, release, began) - began)
            stages.append(on.stages(app))
            boot += boot_times(on, app, _COMMAND, rounds=1)
            chore.append(sum(_chore_s(on, app) for _ in range(chores)))
    own = [live - first - second for live, first, second in zip(to_live, boot, chore, strict=True)]
    name = "with a test and a task" if chores else "hello world, gunicorn"
    return median(own), [[name, spread(to_live), spread(boot), spread(chore), spread(own), _shown(stages)]]


def _chore_s(on: Stage, app: str) -> float:
    plan = on.client.get("apps", app, "run")
    began = time.perf_counter()
    subprocess.run(["/bin/sh", "-c", "python chore.py"], cwd=plan["cwd"], env=plan["environ"], check=True)
    return time.perf_counter() - began


def _shown(stages: Sequence[dict[str, float]]) -> str:
    return ", ".join(f"{name} {median([one[name] for one in stages]) * 1000:.0f}" for name in stages[0])
