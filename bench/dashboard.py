"""How quickly the graphs of an app are made, and how large they are.

The store is that of `bench/signals.py`, 30 days at 200 requests a second, with the gauges of four instances, a
database, two queues and the machine; 40 deploys are marked. Graphs are what the app's page has below its head: they are
read from the store, worked out, drawn, and put into their tables. Cold: the store was opened just before. Again: the
same question once more. Times are the thread's processor time, so that others on the machine do not count; the store is
in the page cache, so there is nothing else to wait for. Each figure is the median of 9 with the least and the greatest;
the size is that of all graphs, compressed by gzip as the page is.
"""

from __future__ import annotations

import gzip
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench import signals
from bench.report import Result, Target, median
from pawl.dashboard.charts import figure
from pawl.dashboard.charts.chart import Mark
from pawl.dashboard.graphs import charts
from pawl.dashboard.spans import USUAL, Span
from pawl.observe.gauges import Reading
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import SignalStore
from pawl.observe.store import rows as store_rows
from pawl.observe.store.schema import GAUGES, LEVELS, TENS

_NOW = float(signals.ENDED)
_MACHINE = 2
_NAMES = [
    f"{gauge} web.{place}" for place in range(1, 5) for gauge in ("rss", "cpu", "open_files", "restarts", "in_flight")
]
_NAMES += ["db_connections main", "db_active main", "db_bytes main", "queue_length celery", "queue_length mail"]
_LIMITS_MS = {"24h": 50, "30d": 150}
_MOST_KB = 150
_TIMES = 9


def measure() -> Result:
    rows, targets = [], []
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
        path = Path(folder) / "signals.db"
        signals.fill(path, [1 / (1 + route) for route in range(50)])
        _furnish(path)
        for name in USUAL:
            cold, again, kb = _span(path, name)
            rows.append([name, *(_shown(times) for times in (*zip(*cold, strict=True), again)), f"{kb:.0f} kB"])
            took_ms = 1000 * median([sum(one) for one in cold])
            if name in _LIMITS_MS:
                limit = _LIMITS_MS[name]
                what = f"the graphs of an app over {name} at 200 requests/s, server time, cold"
                targets.append(Target(what, f"{took_ms:.0f} ms", f"≤ {limit} ms", took_ms <= limit))
            if name == "24h":
                targets.append(Target("their size, compressed", f"{kb:.0f} kB", f"≤ {_MOST_KB} kB", kb <= _MOST_KB))
    return Result(["span", "cold: read and worked out", "drawn", "again: all", "size"], rows, targets)


def _span(path: Path, name: str) -> tuple[list[tuple[float, float]], list[float], float]:
    """How long each part took when the store was just opened, all of it once more, and the size in kB."""
    cold, again, size = [], [], 0
    span = Span.of({"span": name}, _NOW)
    marks = tuple(
        Mark(
            _NOW - place * (USUAL[name] / 40),
            f"Fetch feeds in batches of {place}",
            "Ada Lovelace, kept",
            "/deploys/d1",
            "kept",
        )
        for place in range(40)
    )
    for _ in range(_TIMES):
        store = SignalStore(path)
        source = LoggedSignals(store)
        began = time.thread_time()
        steps = source.steps("demo", began=span.began, ended=span.until, step_s=span.step_s)
        found = charts(steps, span, marks)
        read = time.thread_time()
        shown = "".join(figure(one, zone=None, csv_href=f"/{one.id}.csv", json_href=f"/{one.id}.json") for one in found)
        cold.append((read - began, time.thread_time() - read))
        began = time.thread_time()
        steps = source.steps("demo", began=span.began, ended=span.until, step_s=span.step_s)
        "".join(figure(one, zone=None) for one in charts(steps, span, marks))
        again.append(time.thread_time() - began)
        store.close()
        size = len(gzip.compress(shown.encode(), 6))
    return cold, again, size / 1000


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
