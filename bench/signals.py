"""How quickly 30 days at 200 requests a second are told, and how much room they take.

The store is made here as counting would have left it: every minute of 30 days with 12,000 requests over 50 routes,
hours and days rolled up from them, the last two hours in 5 s as well, and 25 gauges a minute. Traffic is either spread
by Zipf's law (the busiest route has 22 %) or evenly, which is the worst there is for the size; latencies are
log-normal with a sigma of 0.8, each route around a middle of its own. The target is for all that `pawl signals` shows;
some of its parts are beside it. Each figure is the median of 9.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from bench.report import Result, Target, median
from pawl.daemon.readings import SignalsQuery
from pawl.daemon.readings import signals as answer
from pawl.observe.gauges import Reading
from pawl.observe.histogram import bucket_of
from pawl.observe.paths import Known
from pawl.observe.records import Counted
from pawl.observe.signals import LoggedSignals, Window
from pawl.observe.store import SignalStore
from pawl.observe.store import rows as store_rows
from pawl.observe.store.schema import DAY_S, GAUGES, HOUR_S, LEVELS, TENS, TOTAL, Level, shard_of
from pawl.observe.tail import Position
from pawl.observe.tally import CODES, Tally, merged

ENDED = 1_770_000_000 // DAY_S * DAY_S + 10 * HOUR_S + 17 * 60 + 35  # not at the end of anything
_DAYS = 30
_PER_S = 200
_ROUTES = 50
_RELEASE = 3
_APP, _GAUGED = 1, 25
_ALL = "all that `pawl signals --since 30d` shows, as pawld works it out"
_DRAWS = 40  # this many different minutes are drawn; each minute of the store is one of them


def measure() -> Result:
    rows, targets = [], []
    for name, weights in (("Zipf", [1 / (1 + route) for route in range(_ROUTES)]), ("even", [1.0] * _ROUTES)):
        with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
            path = Path(folder) / "signals.db"
            fill(path, weights)
            size_mb = path.stat().st_size / 1e6
            store = SignalStore(path)
            took = _asked(LoggedSignals(store))
            store.close()
        rows += [[name, what, f"{median(times) * 1000:.1f} ms ({min(times) * 1000:.1f}–{max(times) * 1000:.1f})"]
                 for what, times in took.items()]  # fmt: skip
        rows.append([name, "the store", f"{size_mb:.0f} MB"])
        all_ms = 1000 * median(took[_ALL])
        targets += [
            Target(f"`pawl signals` over 30 days of {_PER_S} requests/s, all it shows ({name})", f"{all_ms:.0f} ms",
                   "≤ 100 ms", all_ms <= 100),
            Target(f"the store of it ({name})", f"{size_mb:.0f} MB", "≤ 200 MB", size_mb <= 200),
        ]  # fmt: skip
    return Result(["traffic", "", "measured"], rows, targets)


def _asked(signals: LoggedSignals) -> dict[str, list[float]]:
    began, ended = ENDED - _DAYS * DAY_S, ENDED
    query = SignalsQuery(since=float(began))
    questions: dict[str, Callable[[], object]] = {
        _ALL: lambda: answer(signals, "demo", query, now=float(ended), releases=["r1"]),
        "the app, 30 days": lambda: _shown(signals.window("demo", began=began, ended=ended)),
        "every route, 30 days": lambda: [_shown(one) for one in signals.routes("demo", began=began, ended=ended)],
        "one route, 30 days": lambda: _shown(signals.window("demo", began=began, ended=ended, route="GET /part7/")),
        "the app, 30 days by the day": lambda: signals.buckets("demo", began=began, ended=ended, step_s=DAY_S),
        "the app, 24 h by the minute": lambda: signals.buckets("demo", began=ended - DAY_S, ended=ended, step_s=60),
        "the app, 15 min in 5 s (a look of the judge)": lambda: signals.buckets(
            "demo", began=ended - 900, ended=ended, step_s=5
        ),
    }
    return {what: [_timed(question) for _ in range(9)] for what, question in questions.items()}


def _shown(window: Window) -> tuple[object, ...]:
    assert window.requests
    return window.error_share, window.by_status, window.p50, window.p95, window.p99, window.mean


def _timed(question: Callable[[], object]) -> float:
    began = time.perf_counter()
    question()
    return time.perf_counter() - began


def fill(path: Path, weights: Sequence[float], *, ended: int = ENDED) -> None:
    known = Known()
    for route in range(_ROUTES):
        known.admit(f"GET /part{route}/", ended // DAY_S)
    store = SignalStore(path)
    store.commit(Counted({}, newest=float(ended)), {"demo": known}, Position(1))
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        gauges = [(10 + one, "gauge", f"rss web.{one}") for one in range(_GAUGED)]
        names = [(_APP, "app", "demo"), (_RELEASE, "release", "r1"), *gauges]
        db.executemany("INSERT INTO names VALUES (?, ?, ?)", names)
        _level(db, LEVELS[0], ended - 2 * HOUR_S, ended, _drawn(weights, _PER_S * 5))
        minutes = _drawn(weights, _PER_S * 60)
        _level(db, LEVELS[1], ended - _DAYS * DAY_S, ended, minutes)
        _level(db, TENS, ended - TENS.kept_s, ended, [_added(minutes, 10)])
        hour = _added(minutes, 60)
        _level(db, LEVELS[2], ended - _DAYS * DAY_S, ended, [hour])
        _level(db, LEVELS[3], ended - _DAYS * DAY_S, ended, [_added([hour], 24)])
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _drawn(weights: Sequence[float], requests: int) -> list[dict[int, Tally]]:
    """Some buckets of time with so many requests, by number of the route."""
    chance = random.Random(requests)
    drawn = []
    for _ in range(_DRAWS):
        codes: dict[int, list[int]] = {route: [] for route in range(1, _ROUTES + 1)}
        for route in chance.choices(range(1, _ROUTES + 1), weights, k=requests):
            status = chance.choices((200, 302, 404, 500), (93, 3, 3, 1))[0]
            latency_s = 0.02 * (1 + route % 7) * chance.lognormvariate(0, 0.8)
            codes[route].append(CODES[status] + bucket_of(latency_s))
        drawn.append({route: Tally.of_codes(found) for route, found in codes.items() if found})
    return drawn


def _added(parts: Sequence[Mapping[int, Tally]], times: int) -> dict[int, Tally]:
    return store_rows.merge([parts[number % len(parts)] for number in range(times)])


def _level(
    db: sqlite3.Connection, level: Level, began: int, ended: int, drawn: Sequence[Mapping[int, Tally]]
) -> None:  # fmt: skip
    ready = [_rows(one) for one in drawn]
    if level is TENS:
        ready = [[(shard, data) for shard, data in one if shard == TOTAL] for one in ready]
    chance = random.Random(level.width_s)
    width = level.width_s
    wider = min((one.width_s for one in LEVELS if one.width_s > width), default=0)
    columns = "began, app, shard, release, is_rolled, data"
    insert = f"INSERT INTO {level.table} ({columns}) VALUES (?, ?, ?, ?, ?, ?)"
    last = ended // HOUR_S * HOUR_S if level is TENS else ended // width * width  # of hours that are over
    for at in range(level.floor(began), last, width):
        is_rolled = bool(wider) and at < ended // wider * wider
        shards = [*chance.choice(ready), (GAUGES, _gauges(chance))]
        db.executemany(insert, [(at, _APP, shard, _RELEASE, is_rolled, data) for shard, data in shards])


def _rows(tallies: Mapping[int, Tally]) -> list[tuple[int, bytes]]:
    shards: dict[int, dict[int, Tally]] = {TOTAL: {0: merged(tallies.values())}}
    for route, tally in tallies.items():
        shards.setdefault(shard_of(route), {})[route] = tally
    return [(shard, store_rows.encode(shard, found)) for shard, found in shards.items()]


def _gauges(chance: random.Random) -> bytes:
    values = {10 + one: chance.uniform(1e8, 2e8) for one in range(_GAUGED)}
    readings = {one: Reading(12, value * 12, value * 0.9, value * 1.1) for one, value in values.items()}
    return store_rows.encode(GAUGES, readings)
