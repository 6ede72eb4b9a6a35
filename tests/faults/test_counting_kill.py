"""SIGKILL in the middle of counting, while the log grows and rotates: in the end the totals are those of the lines."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

from pawl.observe.counting import Counting
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore

ROUNDS = 15
T0 = 1_769_990_400

# Counts without end, as fast as it can, in pieces so small that a kill meets every part of the work.
COUNTER = """
import os, sys
from pathlib import Path
from pawl.observe.counting import Counting
from pawl.observe.store import SignalStore

folder = Path(sys.argv[1])
counting = Counting(SignalStore(folder / "signals.db"), folder / "access.log", chunk_bytes=8192)
os.write(1, b"counting\\n")
while True:
    counting.step()
"""

# Writes like Caddy until it is told to stop, then says what it wrote; a line comes in two parts now and then.
WRITER = """
import json, random, sys, time
from pathlib import Path

folder, began = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(4)
log, number, rotations, wrote = folder / "access.log", 0, 0, {}
while not (folder / "stop").exists():
    with log.open("ab", buffering=0) as file:
        for _ in range(chance.randrange(50, 1200)):
            number += 1
            status, path = chance.choice((200, 200, 200, 302, 404, 500)), "abcdefgh"[number % 8]
            wrote[f"{path} {status}"] = wrote.get(f"{path} {status}", 0) + 1
            line = json.dumps({
                "ts": began + number / 200, "duration": chance.lognormvariate(-3, 1), "status": status, "app": "demo",
                "request": {"method": "GET", "uri": f"/{path}/{number}/"}, "upstream": "unix//x.sock", "up_ms": 1.5,
            }).encode() + b"\\n"
            cut = chance.randrange(len(line)) if number % 50 == 0 else 0
            if cut:
                file.write(line[:cut])
                time.sleep(0.002)
            file.write(line[cut:])
            if number % 20 == 0:
                time.sleep(0.001)
    rotations += 1
    log.rename(log.with_name(f"access-2026-02-02T00-00-{rotations:06}-size.log"))
print(json.dumps([rotations, wrote]))
"""


def killed_after(folder: Path, delay_s: float) -> None:
    """Let a counter run, kill it ``delay_s`` after its first sign of life."""
    counter = subprocess.Popen([sys.executable, "-c", COUNTER, str(folder)], stdout=subprocess.PIPE)
    assert counter.stdout is not None
    with counter.stdout as pipe:
        os.read(pipe.fileno(), 100)
        kill = threading.Timer(delay_s, counter.kill)
        kill.start()
        kill.join()
    assert counter.wait() == -9, "the counter ended by itself"


def test_no_request_is_lost_or_doubled_in_fifteen_kills(tmp_path: Path) -> None:
    chance = random.Random(20260202)
    counted_after = []
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(T0)], stdout=subprocess.PIPE) as writer:
        try:
            for _ in range(ROUNDS):
                killed_after(tmp_path, chance.uniform(0, 0.4))
                store = SignalStore(tmp_path / "signals.db")
                counted_after.append(store.progress().lines)
                store.close()
        finally:
            (tmp_path / "stop").touch()
            assert writer.stdout is not None
            said = writer.stdout.read()
    rotations, wrote = json.loads(said)

    store = SignalStore(tmp_path / "signals.db")
    counting = Counting(store, tmp_path / "access.log")
    counting.catch_up()
    total = sum(wrote.values())
    assert (store.progress().lines, store.progress().invalid) == (total, 0)
    signals = LoggedSignals(store)
    ended = T0 + total / 200 + 1
    whole = signals.window("demo", began=T0, ended=ended)
    assert (whole.requests, whole.histogram.count) == (total, total)
    found = {}
    for route in signals.routes("demo", began=T0, ended=ended):
        for name, count in route.by_status.items():
            found[(route.route, name)] = count
    classes = {200: "2xx", 302: "3xx", 404: "404", 500: "5xx"}
    expected = dict.fromkeys(found, 0) | _by_route(wrote, classes)
    assert found == expected
    assert counted_after == sorted(counted_after)
    assert len(set(counted_after)) > ROUNDS / 2, "the counters were killed before they did anything"
    assert rotations > 5
    counting.close()
    store.close()


def _by_route(wrote: dict[str, int], classes: dict[int, str]) -> dict[tuple[str | None, str], int]:
    """What was written, by route and class. With this seed no route begins with a 404, which gets it no place."""
    found: dict[tuple[str | None, str], int] = {}
    for key, count in wrote.items():
        path, status = key.split()
        found[f"GET /{path}/:id/", classes[int(status)]] = count
    return found
