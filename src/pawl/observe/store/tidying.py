"""Rolling up and removing, a small piece at a time: no call takes longer than some ten milliseconds.

A bucket is rolled up once the wider bucket it lies in is over. It is marked then, and a request that comes late for it
is added on all levels where it is rolled up already (``rows.add``), so every request is in one row of each level at
most.
"""

from __future__ import annotations

import sqlite3

from pawl.observe.store.rows import Place, add, decode, merge
from pawl.observe.store.schema import LEVELS

_LATE_S = 10  # Caddy writes a line when the request has ended, and buffers nothing: this is ample
_ROWS_AT_ONCE = 200


def tidy(db: sqlite3.Connection, now: float) -> bool:
    """Do one piece, within the caller's transaction; whether there may be more. ``now`` comes from the log."""
    for level in range(len(LEVELS) - 1):
        if _roll_up(db, level, now):
            return True
    removed = [_remove(db, level, now) for level in range(len(LEVELS))]
    return any(removed)


def _roll_up(db: sqlite3.Connection, level: int, now: float) -> bool:
    """Add one place's buckets of one wider bucket to it; False if no wider bucket has ended."""
    table, wider = LEVELS[level].table, LEVELS[level + 1]
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
        f"SELECT id, data FROM {table} WHERE is_rolled = 0 "  # noqa: S608  # ours
        "AND began >= ? AND began < ? AND app = ? AND shard = ? AND release = ?",
        (began, began + wider.width_s, *first[1:]),
    ).fetchall()
    add(db, level + 1, began, place, merge([decode(place.shard, data) for _, data in rows]))
    db.executemany(f"UPDATE {table} SET is_rolled = 1 WHERE id = ?", [(row[0],) for row in rows])  # noqa: S608  # ours
    return True


def _remove(db: sqlite3.Connection, level: int, now: float) -> bool:
    """Delete some rows that are past their time; whether there may be more."""
    table, old = LEVELS[level].table, LEVELS[level].floor(now - LEVELS[level].kept_s)
    # Whoever is not rolled up yet waits for it; the widest are never.
    ready = "AND is_rolled" if level + 1 < len(LEVELS) else ""
    removed = db.execute(
        f"DELETE FROM {table} WHERE id IN "  # noqa: S608  # ours
        f"(SELECT id FROM {table} WHERE began < ? {ready} ORDER BY began LIMIT ?)",
        (old, _ROWS_AT_ONCE),
    )
    return removed.rowcount == _ROWS_AT_ONCE
