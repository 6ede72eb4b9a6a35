"""How long `pawl --help` and `pawl status` take, against starting a bare Python (`python -c pass`).

The same interpreter and environment for all three, started by turns, output to nowhere; `status` asks a pawld with one
app live. The medians are compared.
"""

from __future__ import annotations

import subprocess
import time

from bench.report import Result, Target, median, spread
from bench.stage import PAWL, PYTHON, Stage, stage

_ROUNDS = 31
_COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "pawl --help": [PAWL, "--help"],
    "pawl status": [PAWL, "status"],
}
_LIMITS = {"pawl --help": 8, "pawl status": 12}


def measure() -> Result:
    took: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    with stage() as on:
        on.deploy(on.app("hello", pawl__toml='[processes.web]\ncommand = "gunicorn hello:app"\nhealth = "/"\n'))
        for number in range(_ROUNDS + 1):
            for name, command in _COMMANDS.items():
                seconds = _seconds(on, command)
                if number:  # the first fills the file cache
                    took[name].append(seconds * 1000)
    bare = median(took["python -c pass"])
    ratios = {name: median(values) / bare for name, values in took.items()}
    rows = [
        [f"`{name}`", spread(values, unit="ms", digits=1), f"{ratios[name]:.1f}", str(_LIMITS.get(name, ""))]
        for name, values in took.items()
    ]
    targets = [
        Target(f"`{name}` / starting a bare Python", f"{ratios[name]:.1f}", f"≤ {limit}", ratios[name] <= limit)
        for name, limit in _LIMITS.items()
    ]
    return Result(["", "took", "/ bare Python", "to reach"], rows, targets)


def _seconds(on: Stage, command: list[str]) -> float:
    environ = on.pawl.environ()
    began = time.perf_counter()
    subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
