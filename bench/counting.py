"""What counting the access log costs: lines a second on one core, and the share of a core at 1,000 requests a second.

The log is made here, line for line as Caddy writes it: 50 routes of unequal traffic, half of the addresses with a
number no other request has, two releases at once, times spread by a log-normal law, 1 % errors and 3 % that are not
there. First a file of 400,000 lines, 200 to the second, is counted as fast as it goes, as after pawld was away for
half an hour, with everything pawld does: reading, counting, committing, rolling up. Then 1,000 lines a second are
written for 30 s while they are followed as pawld does it. Figures are processor time of this process; the memory is
what counting adds to it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.report import Result, Target, median
from bench.stage import memory_bytes
from pawl.observe.attribution import Tenure
from pawl.observe.counting import Counting
from pawl.observe.store import SignalStore

BEGAN = 1_770_000_000.0
ROUTES = 50
_LINES = 400_000
_PER_S = 1_000
_FOLLOWED_S = 30
_ROUNDS = 3


def measure() -> Result:
    before = memory_bytes(_own_pid())
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as name:
        folder = Path(name)
        log = folder / "access.log"
        with log.open("wb") as file:
            file.writelines(lines(_LINES, began=BEGAN, per_s=200))
        size = log.stat().st_size
        before = memory_bytes(os.getpid())
        rounds = [_caught_up(folder / f"{number}.db", log) for number in range(_ROUNDS)]
        speeds = [_LINES / cpu_s for cpu_s, _, _ in rounds]
        longest = max(pause_s for _, pause_s, _ in rounds)
        store_bytes = rounds[-1][2]
        grown = (memory_bytes(os.getpid()) - before) / 1e6
        share, lag_s = asyncio.run(_followed(folder / "followed.db", folder / "live" / "access.log"))
    grown = (memory_bytes(_own_pid()) - before) / 1e6
    speed = median(speeds)
    rows = [
        ["lines a second on one core (median of 3)", f"{speed:,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})"],
        ["bytes of log a second", f"{speed * size / _LINES / 1e6:.0f} MB"],
        ["longest single step, processor time (pawld does nothing else meanwhile)", f"{longest * 1000:.0f} ms"],
        [f"share of a core at {_PER_S:,} requests a second", f"{share:.1%}"],
        ["from the last line written to all of them counted", f"{lag_s:.1f} s"],
        ["store after half an hour at 200 a second", f"{store_bytes / 1e6:.1f} MB"],
        ["resident memory that all of this added", f"{grown:.0f} MB"],
    ]
    targets = [
        Target("log lines counted a second on one core", f"{speed:,.0f}", "≥ 50,000", speed >= 50_000),
        Target("share of one core at 1,000 requests a second", f"{share:.1%}", "≤ 5 %", share <= 0.05),
    ]
    return Result(["", "measured"], rows, targets)


def lines(number: int, *, began: float, per_s: float, seed: int = 1) -> Iterator[bytes]:
    """Lines of an access log as Caddy writes them."""
    chance = random.Random(seed)
    paths = [f"/part{route}/" + ("%d/" if route % 2 else "") for route in range(ROUTES)]
    weights = [1 / (1 + route) for route in range(ROUTES)]
    for index, path in enumerate(chance.choices(paths, weights, k=number)):
        status = chance.choices((200, 302, 404, 500), (93, 3, 3, 1))[0]
        latency_s = chance.lognormvariate(-3.5, 0.8)
        yield line(
            began + index / per_s,
            uri=path % index if "%" in path else path,
            status=status,
            latency_s=latency_s,
            upstream=f"unix//run/pawl/i/{index % 2}.sock",
        )


def line(at: float, *, uri: str, status: int, latency_s: float, upstream: str) -> bytes:
    """One line."""
    request = {"remote_ip": "203.0.113.7", "proto": "HTTP/2.0", "method": "GET", "host": "www.example.org", "uri": uri}
    rest = {"bytes_read": 0, "duration": latency_s, "size": 5120, "status": status, "up_ms": latency_s * 990}
    whole = {"ts": at, "request": request, **rest, "upstream": upstream, "app": "demo"}
    return json.dumps(whole, separators=(",", ":")).encode() + b"\n"


def _caught_up(path: Path, log: Path) -> tuple[float, float, int]:
    """Count it all; the processor time, the longest step, the bytes of the store."""
    counting = _counting(path, log)
    longest_s, is_more = 0.0, True
    began_s = time.process_time()
    while is_more:
        step_s = time.process_time()
        is_more = counting.step()
        longest_s = max(longest_s, time.process_time() - step_s)
    took_s = time.process_time() - began_s
    counting.close()
    return took_s, longest_s, path.stat().st_size


async def _followed(path: Path, log: Path) -> tuple[float, float]:
    """The share of a core that following takes, and how far behind it was at the end."""
    log.parent.mkdir()
    ready = list(lines(_PER_S * _FOLLOWED_S, began=BEGAN, per_s=_PER_S))
    counting = _counting(path, log)
    following = asyncio.create_task(counting.follow())
    began_s, used_s, written_s = time.perf_counter(), time.process_time(), 0.0
    with log.open("ab", buffering=0) as file:
        for at in range(0, len(ready), _PER_S // 20):
            await asyncio.sleep(max(0.0, began_s + at / _PER_S - time.perf_counter()))
            own_s = time.process_time()
            file.write(b"".join(ready[at : at + _PER_S // 20]))
            written_s += time.process_time() - own_s
    ended_s = time.perf_counter()
    while counting.counted().lines < len(ready):
        await asyncio.sleep(0.01)
    lag_s = time.perf_counter() - ended_s
    used_s = time.process_time() - used_s - written_s
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    counting.close()
    return used_s / (time.perf_counter() - began_s), lag_s


def _counting(path: Path, log: Path) -> Counting:
    store = SignalStore(path)
    for number in range(2):
        address = f"unix//run/pawl/i/{number}.sock"
        store.instance_began(Tenure(address, "demo", f"release{number}", f"web.{number}", BEGAN - 1))
    return Counting(store, log)


def _own_pid() -> int:
    return os.getpid()
