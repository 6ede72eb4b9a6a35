"""Rolling up and removing, a small piece at a time: no call takes longer than some ten milliseconds.

A bucket is rolled up once the wider bucket it lies in is over. It is marked then, and a request that comes late for it
is added on all levels where it is rolled up already (``rows.add``), so every request is in one row of each level at
most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from pawl.observe.store.rows import Place, add_to_tens, decode, merge, roll
from pawl.observe.store.schema import EVER, LEVELS, MINUTE, TABLES, TENS, TOTAL

_LATE_S = 10  # Caddy writes a line when the request has ended, and buffers nothing: this is ample
_ROWS_AT_ONCE = 200
_DAYS_AT_ONCE = 20


def tidy(db: sqlite3.Connection, now: float) -> bool:
    """Do one piece, within the caller's transaction; whether there may be more. ``now`` comes from the log."""
    for level in range(len(LEVELS)):
        if _roll_up(db, level, now):
            return True
    removed = [_remove(db, level, now) for level in range(len(LEVELS))]
    return any(removed) or _remove_tens(db, now)


def _roll_up(db: sqlite3.Connection, level: int, now: float) -> bool:
    """Add one place's buckets of one wider bucket to it; False if no wider bucket has ended.

    That of all time never ends, so each day is added to it once that is over.
    """
    table, wider = LEVELS[level].table, LEVELS[level] if TABLES[level + 1] is EVER else LEVELS[level + 1]
    over = wider.floor(now - _LATE_S)
    first = db.execute(
        f"SELECT began, app, shard, release FROM {table} "  # noqa: S608  # ours
        "WHERE is_rolled = 0 AND began < ? ORDER BY began LIMIT 1",
        (over,),
    ).fetchone()
    if first is None:
        return False
    began, place = wider.floor(first[0]), Place(*first[1:])
    rows = db.execute(
        f"SELECT id, began, data FROM {table} WHERE is_rolled = 0 "  # noqa: S608  # ours
        "AND began >= ? AND began < ? AND app = ? AND shard = ? AND release = ?",
        (began, began + wider.width_s, *first[1:]),
    ).fetchall()
    parts = [(at, decode(place.shard, data)) for _, at, data in rows]
    if LEVELS[level] is MINUTE:
        add_to_tens(db, parts, place)
    roll(db, level, began, place, merge([data for _, data in parts]))
    db.executemany(f"UPDATE {table} SET is_rolled = 1 WHERE id = ?", [(row[0],) for row in rows])  # noqa: S608  # ours
    return True


def _remove(db: sqlite3.Connection, level: int, now: float) -> bool:
    """Delete some rows that are past their time; whether there may be more."""
    table, old = LEVELS[level].table, LEVELS[level].floor(now - LEVELS[level].kept_s)
    limit = _DAYS_AT_ONCE if level == len(LEVELS) - 1 else _ROWS_AT_ONCE
    removed = db.execute(
        f"SELECT id, app, shard, release FROM {table} "  # noqa: S608  # ours
        "WHERE began < ? AND is_rolled ORDER BY began LIMIT ?",  # whoever is not rolled up yet waits for it
        (old, limit),
    ).fetchall()
    db.executemany(f"DELETE FROM {table} WHERE id = ?", [(row[0],) for row in removed])  # noqa: S608  # ours
    if level == len(LEVELS) - 1:
        _forget(db, {(app, shard, release) for _, app, shard, release in removed if shard == TOTAL})
    return len(removed) == limit


def _remove_tens(db: sqlite3.Connection, now: float) -> bool:
    """Delete some of the tens that are past their time; whether there may be more."""
    chosen = f"SELECT id FROM {TENS.table} WHERE began < ? ORDER BY began LIMIT ?"  # noqa: S608  # ours
    old = (TENS.floor(now - TENS.kept_s), _ROWS_AT_ONCE)
    return db.execute(f"DELETE FROM {TENS.table} WHERE id IN ({chosen})", old).rowcount == _ROWS_AT_ONCE  # noqa: S608  # ours


def _forget(db: sqlite3.Connection, places: Iterable[tuple[int, int, int]]) -> None:
    """Delete the totals of releases whose last day was removed."""
    for place in places:
        db.execute(
            f"DELETE FROM {EVER.table} WHERE began = 0 AND app = ? AND shard = ? AND release = ? "  # noqa: S608  # ours
            f"AND NOT EXISTS (SELECT 1 FROM {LEVELS[-1].table} WHERE app = ? AND shard = ? AND release = ?)",
            (*place, *place),
        )
