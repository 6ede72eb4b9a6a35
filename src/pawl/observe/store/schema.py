"""The tables of the signal store, and how time is divided.

Four tables of one shape hold buckets of 5 s, a minute, an hour and a day. A row has all that one app's release was
counted with in one bucket and **shard**: shard 0 has the app's total, shard 1 and up 64 routes each, shard -1 gauges.
``is_rolled`` says that the row is in the next table's rows too. Rows begin with the time in their only index, so that
they are added and removed at its ends. A fifth table has one bucket of all time, where days end once they are over: of
each release the total, as long as it has a day, and of each route what all releases together were asked. A sixth stands
beside them: ten minutes each of totals and gauges, for graphs of a day.

Size, measured by ``bench/signals.py`` with 200 requests a second over 50 routes of wide latencies and 25 gauges: 4.2
kB for each minute of traffic, 180 MB for the 30 days of minutes and 195 MB with all else. Hours and days are kept
longer and add 0.4 MB a day from then on. The bound is apps x (200 routes + 1) x the buckets kept; with less traffic a
row is smaller.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import INSTALLING, StateError
from pawl.observe.store.errors import damaged

HOUR_S, DAY_S = 3600, 86_400


@dataclass(frozen=True, slots=True)
class Level:
    """A width of buckets, and how long they are kept."""

    width_s: int
    kept_s: int

    @property
    def table(self) -> str:
        return "buckets_ever" if self is EVER else f"buckets_{self.width_s}"

    def floor(self, at: float) -> int:
        """When the bucket that holds ``at`` began."""
        return int(at) // self.width_s * self.width_s


LEVELS = (
    Level(5, 2 * HOUR_S),
    Level(60, 30 * DAY_S + HOUR_S),  # an hour more, so that a query over 30 days finds its first minutes
    Level(HOUR_S, 400 * DAY_S),
    Level(DAY_S, 400 * DAY_S),
)

MINUTE = LEVELS[1]
EVER = Level(1 << 40, 1 << 40)  # wider than time
TABLES = (*LEVELS, EVER)
"""Each with what rolls up into the next."""

TENS = Level(600, 8 * DAY_S)
"""Beside the others: totals and gauges of minutes that are rolled up; a graph of a day has a tenth to read then."""

TOTAL, GAUGES = 0, -1
ALL_RELEASES = 0
"""Stands for a release where all are in one row."""
ROUTES_PER_SHARD = 64

_APPLICATION = 0x50617753  # "PawS"
_VERSION = 3


def shard_of(route: int) -> int:
    """The shard that holds a route's tallies."""
    return 1 + route // ROUTES_PER_SHARD


def open_database(path: Path) -> sqlite3.Connection:
    """The database at ``path``, made if it is not there (its folder must be).

    ``synchronous = NORMAL``: a commit is not synced to the disk, so a power cut may undo the last ones. It undoes the
    position in the log together with its counts, for they are one commit; those lines are then counted again.

    Raises:
        StateError: it belongs to another program, is damaged, or was written by a newer Pawl.
        sqlite3.Error, OSError: it cannot be used.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    db = sqlite3.connect(path, isolation_level=None, timeout=2.0)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    application = db.execute("PRAGMA application_id").fetchone()[0]
    is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application not in (_APPLICATION, 0) or (application == 0 and not is_empty):
        raise StateError(
            f"{path} is a database of another program, not a signal store",
            next_step=f"move it out of {path.parent}; Pawl then begins a new one",
        )
    if version > _VERSION:
        raise StateError(
            f"the signal store {path} was written by a newer Pawl",
            why=f"it has version {version}, this Pawl knows versions up to {_VERSION}",
            next_step=f"install that Pawl again ({INSTALLING})",
        )
    if is_empty:
        db.execute("PRAGMA page_size = 8192")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA journal_size_limit = 8388608")
    db.execute("PRAGMA cache_size = -1024")  # KiB
    db.execute("PRAGMA wal_autocheckpoint = 2000")  # pages; for whoever does not call checkpoint() before that
    if is_empty:
        _create(db)
    elif version < _VERSION:
        _migrate(db, version)
    if db.execute("SELECT count(*) FROM counters").fetchone()[0] != len(_COUNTERS):
        raise damaged(path, "its counters are missing")


_COUNTERS = ("lines", "invalid", "newest", "tens_from")
"""``tens_from``: what was rolled up before that time is not in ``TENS``."""


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    for level in (*TABLES, TENS):
        _create_buckets(db, level)
    for statement in _OTHERS:
        db.execute(statement)
    db.executemany("INSERT INTO counters VALUES (?, 0)", [(name,) for name in _COUNTERS])
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


def _create_buckets(db: sqlite3.Connection, level: Level) -> None:
    db.execute(
        f"""CREATE TABLE {level.table} (
            id INTEGER PRIMARY KEY,
            began INTEGER NOT NULL,
            app INTEGER NOT NULL,
            shard INTEGER NOT NULL,
            release INTEGER NOT NULL,
            is_rolled INTEGER NOT NULL DEFAULT 0,
            data BLOB NOT NULL,
            UNIQUE (began, app, shard, release)
        )"""
    )
    db.execute(f"CREATE INDEX {level.table}_to_roll ON {level.table} (began, app) WHERE is_rolled = 0")


def _migrate(db: sqlite3.Connection, version: int) -> None:
    """From version 1, which had no bucket of all time (it is filled by tidying), and from 2, which had no tens."""
    db.execute("BEGIN IMMEDIATE")
    if version < 2:
        _create_buckets(db, EVER)
    _create_buckets(db, TENS)
    newest = db.execute("SELECT value FROM counters WHERE name = 'newest'").fetchone()
    if newest is not None:
        # An hour that has not begun yet is rolled up whole.
        db.execute("INSERT INTO counters VALUES ('tens_from', ?)", (newest[0] // HOUR_S * HOUR_S + HOUR_S,))
    db.execute(f"PRAGMA user_version = {_VERSION}")
    db.execute("COMMIT")


_OTHERS = (
    # kind: app, release, gauge. A row's number stands for the name in the tables of buckets.
    "CREATE TABLE names (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name))",
    # number: see paths.Known; seen: the last day with a request while the route has a place, else -1.
    """CREATE TABLE routes (
        app TEXT NOT NULL, number INTEGER NOT NULL, route TEXT NOT NULL, seen INTEGER NOT NULL,
        PRIMARY KEY (app, number), UNIQUE (app, route)
    ) WITHOUT ROWID""",
    """CREATE TABLE tenures (
        address TEXT NOT NULL, app TEXT NOT NULL, release TEXT NOT NULL, instance TEXT NOT NULL,
        began REAL NOT NULL, ended REAL,
        PRIMARY KEY (address, began)
    ) WITHOUT ROWID""",
    """CREATE TABLE files (
        inode INTEGER PRIMARY KEY, head BLOB NOT NULL, head_bytes INTEGER NOT NULL,
        "offset" INTEGER NOT NULL, is_skipping INTEGER NOT NULL
    )""",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value NOT NULL)",
)
