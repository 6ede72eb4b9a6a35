"""What each further app costs an idle pawld: processor time and memory with 1, 2, 5, 10 and 20 apps.

The apps are a few lines of the standard library each, answer nothing meanwhile, and are deployed one after another to
the same pawld. For each number of apps: pawld's processor time over 15 s in which nothing is asked of it (the sum
over its threads from the scheduler's own account, to the nanosecond), as a share of one core, and its resident memory
at the end. What the apps themselves and Caddy use is not in it; Caddy's is shown beside.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

from bench.report import Result, Target
from bench.stage import Stage, cpu_s, memory_bytes, stage

_COUNTS = (1, 2, 5, 10, 20)
_IDLE_S = 15.0
_CONFIG = '[processes.web]\ncommand = "python tiny.py $SOCKET"\nhealth = "/"\n'
_NOISE = 1.1  # flat within this factor


@dataclass(frozen=True, slots=True)
class _Idle:
    apps: int
    cpu_share: float
    rss_mb: float
    caddy_cpu_share: float
    caddy_rss_mb: float

    def row(self) -> list[str]:
        return [
            str(self.apps), f"{self.cpu_share:.3%}", f"{self.cpu_share / self.apps:.3%}", f"{self.rss_mb:.1f} MB",
            f"{self.rss_mb / self.apps:.1f} MB", f"{self.caddy_cpu_share:.3%}", f"{self.caddy_rss_mb:.1f} MB",
        ]  # fmt: skip


def measure() -> Result:
    found = []
    with stage() as on:
        there = 0
        for count in _COUNTS:
            for number in range(there, count):
                on.deploy(on.app("tiny", f"tiny{number}", pawl__toml=_CONFIG))
            there = count
            time.sleep(3)
            found.append(_idle(on, count))
    first, last = found[0], found[-1]
    more = last.apps - first.apps
    cpu_share, rss_mb = (last.cpu_share - first.cpu_share) / more, (last.rss_mb - first.rss_mb) / more
    note = f"From {first.apps} to {last.apps} apps each further one cost {cpu_share:.4%} of a core and {rss_mb:.2f} MB."
    targets = [
        Target("idle processor share of pawld per app, 1 to 20 apps",
               f"{first.cpu_share:.3%} to {last.cpu_share / last.apps:.3%}", "flat or falling",
               _is_falling([one.cpu_share / one.apps for one in found])),
        Target("resident memory of pawld per app, 1 to 20 apps",
               f"{first.rss_mb:.1f} to {last.rss_mb / last.apps:.1f} MB", "flat or falling",
               _is_falling([one.rss_mb / one.apps for one in found])),
    ]  # fmt: skip
    headings = ["apps", "CPU", "CPU per app", "memory", "memory per app", "Caddy's CPU", "Caddy's memory"]
    return Result(headings, [one.row() for one in found], targets, [note])


def _idle(on: Stage, count: int) -> _Idle:
    pawld, caddy = on.pids()
    began = time.monotonic()
    before = cpu_s(pawld), cpu_s(caddy)
    time.sleep(_IDLE_S)
    after = cpu_s(pawld), cpu_s(caddy)
    took_s = time.monotonic() - began
    shares = [(late - early) / took_s for early, late in zip(before, after, strict=True)]
    return _Idle(count, shares[0], memory_bytes(pawld) / 1e6, shares[1], memory_bytes(caddy) / 1e6)


def _is_falling(values: list[float]) -> bool:
    return all(later <= earlier * _NOISE for earlier, later in pairwise(values))
