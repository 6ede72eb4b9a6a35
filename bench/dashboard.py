"""What the page of an app costs pawld, over the usual spans, and how large it is.

The store is that of `bench/signals.py`, 30 days at 200 requests a second until now, with the gauges of four instances,
a database, two queues and the machine; the ledger has 40 deploys of the app in each span. A page is asked for over
HTTP, compressed, with one session, nine times; each time it ends a minute earlier than the time before, so that nothing
that was drawn can be shown again. Server time is all the processor time that pawld has meanwhile; waited is what passes
until the whole answer is there. The parts of the graphs are measured apart, as processor time of a thread: they are
read from a store that was just opened and worked out, then drawn and put into their tables. Each figure is the median
of 9 with the least and the greatest.
"""

from __future__ import annotations

import gzip
import http.client
import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench import signals
from bench.dora import told
from bench.report import Result, Target, median
from bench.stage import TINY, cpu_s, stage
from pawl.dashboard.charts import figure
from pawl.dashboard.charts.chart import Mark
from pawl.dashboard.graphs import charts
from pawl.dashboard.spans import USUAL, Span
from pawl.ledger.store import SqliteLedger
from pawl.observe.gauges import Reading
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from pawl.observe.store import rows as store_rows
from pawl.observe.store.schema import GAUGES, LEVELS, TENS

_MACHINE = 2
_NAMES = [
    f"{gauge} web.{place}" for place in range(1, 5) for gauge in ("rss", "cpu", "open_files", "restarts", "in_flight")
]
_NAMES += ["db_connections main", "db_active main", "db_bytes main", "queue_length celery", "queue_length mail"]
_LIMITS_MS = {"24h": 50, "30d": 150}
_MOST_KB = 150
_LEAST_GRAPHS = 6
_TIMES = 9


def measure() -> Result:
    now = int(time.time())
    rows, targets = [], []
    with stage() as on:
        on.pawl.ok("down")
        path = on.pawl.home.signals
        path.unlink(missing_ok=True)
        signals.fill(path, [1 / (1 + route) for route in range(50)], ended=now)
        _furnish(path)
        parts = {name: _parts(path, name, now) for name in USUAL}
        _remember(on.pawl.home.ledger, now)
        on.pawl.up()
        on.deploy(on.app("tiny", "demo", pawl__toml=TINY))
        port, cookie = on.signed_in()
        pid, _ = on.pids()
        for name, length_s in USUAL.items():
            asked = [_page(port, cookie, pid, now - length_s - 60 * turn, now - 60 * turn) for turn in range(_TIMES)]
            servers, waited, sizes = zip(*asked, strict=True)
            times = (servers, waited, *parts[name])
            size_kb = max(sizes) / 1000
            rows.append([name, *map(_shown, times), f"{size_kb:.0f} kB"])
            server_ms = 1000 * median(servers)
            if name in _LIMITS_MS:
                limit = _LIMITS_MS[name]
                what = f"the page of an app over {name} at 200 requests/s, server time"
                targets.append(Target(what, f"{server_ms:.0f} ms", f"≤ {limit} ms", server_ms <= limit))
            if name == "24h":
                targets.append(
                    Target("its size, compressed", f"{size_kb:.0f} kB", f"≤ {_MOST_KB} kB", size_kb <= _MOST_KB)
                )
    head = ["span", "page: server time", "waited", "graphs, cold: read and worked out", "drawn", "page: size"]
    return Result(head, rows, targets)


def _page(port: int, cookie: str, pid: int, began: int, ended: int) -> tuple[float, float, int]:
    """The processor time and the time that a page took, in seconds, and its size in bytes."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        used, asked = cpu_s(pid), time.perf_counter()
        headers = {"Cookie": cookie, "Accept-Encoding": "gzip"}
        connection.request("GET", f"/apps/demo?from={began}&to={ended}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        waited, used = time.perf_counter() - asked, cpu_s(pid) - used
    if answer.status != 200 or gzip.decompress(body).count(b"<figure") < _LEAST_GRAPHS:
        raise RuntimeError(f"the page answered {answer.status} without its graphs")
    return used, waited, len(body)


def _remember(path: Path, now: int) -> None:
    """40 deploys in each of the spans, in the order they were."""
    times = sorted({now - USUAL[name] * place // 40 for name in USUAL for place in range(1, 41)})
    clock = [datetime.fromtimestamp(0, UTC)]
    rng = random.Random(4)
    with closing(SqliteLedger(path, clock=lambda: clock[0])) as ledger:
        for number, at in enumerate(times):
            for moment, app, deploy, event in told(rng, 1_000_000 + number, "demo", datetime.fromtimestamp(at, UTC)):
                clock[0] = max(clock[0], moment)
                ledger.append(event, app=app, deploy=deploy)


def _parts(path: Path, name: str, now: int) -> tuple[list[float], list[float]]:
    """How long the graphs took when the store was just opened: to be read and worked out, and to be drawn."""
    read, drawn = [], []
    span = Span.of({"span": name}, now)
    marks = tuple(
        Mark(now - place * (USUAL[name] / 40), f"Fetch feeds in batches of {place}", "Ada, kept", "/deploys/d1", "kept")
        for place in range(40)
    )
    for _ in range(_TIMES):
        with closing(SignalStore(path)) as store:
            source = LoggedSignals(store)
            began = time.thread_time()
            steps = source.steps("demo", began=span.began, ended=span.until, step_s=span.step_s)
            found = charts(steps, span, marks)
            read.append(time.thread_time() - began)
            began = time.thread_time()
            for one in found:
                figure(one, zone=None, csv_href=f"/{one.id}.csv", json_href=f"/{one.id}.json")
            drawn.append(time.thread_time() - began)
    return read, drawn


def _furnish(path: Path) -> None:
    """Name the gauges after what they are of, and give the machine its own."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM names WHERE kind = 'gauge'")
        db.executemany(
            "INSERT INTO names VALUES (?, 'gauge', ?)", [(10 + place, name) for place, name in enumerate(_NAMES)]
        )
        machine = [(40, "load "), (41, "memory_available "), (42, "memory_used_share ")]
        db.executemany("INSERT INTO names VALUES (?, 'gauge', ?)", machine)
        db.execute("INSERT INTO names VALUES (?, 'app', '')", (_MACHINE,))
        db.execute("INSERT INTO names VALUES (4, 'release', '')")
        for level in (*LEVELS, TENS):
            count = min(level.width_s // 5, 65_535)
            data = store_rows.encode(GAUGES, {key: Reading(count, count * 0.7, 0.5, 0.9) for key, _ in machine})
            columns, table = "began, app, shard, release, is_rolled, data", level.table
            chosen = (
                f"SELECT began, {_MACHINE}, {GAUGES}, 4, is_rolled, ? FROM {table} WHERE app = 1 AND shard = {GAUGES}"
            )
            db.execute(f"INSERT INTO {table} ({columns}) {chosen}", (data,))
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM")


def _shown(times: Sequence[float]) -> str:
    return f"{median(times) * 1000:.1f} ms ({min(times) * 1000:.1f}–{max(times) * 1000:.1f})"
