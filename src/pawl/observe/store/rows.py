"""Rows of buckets: adding to them, and finding those that make up a span of time."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pawl.observe import tally
from pawl.observe.gauges import Reading
from pawl.observe.store.schema import ALL_RELEASES, EVER, GAUGES, LEVELS, TABLES, TOTAL, Level

Data = Mapping[int, Any]
"""What a row holds, by number; ``+`` merges it. Tallies by route; in the shard GAUGES readings by name."""

_READING = struct.Struct("<HHfff")  # eight digits are more than enough, and half of the room


@dataclass(frozen=True, slots=True)
class Place:
    """Which row of a bucket: the numbers of the app and the release, and the shard."""

    app: int
    shard: int
    release: int


def encode(shard: int, data: Data) -> bytes:
    """A row's data as it is stored."""
    if shard != GAUGES:
        return tally.encode(data)
    readings = sorted(data.items())
    packed = [_READING.pack(key, min(one.count, 65535), one.mean, one.least, one.most) for key, one in readings]
    whole = b"".join(packed)
    return zlib.compress(b"".join(whole[place :: _READING.size] for place in range(_READING.size)), 6)


def decode(shard: int, data: bytes) -> dict[int, Any]:
    """What :func:`encode` made."""
    if shard != GAUGES:
        return dict(tally.decode(data))
    columns = zlib.decompress(data)
    number = len(columns) // _READING.size
    whole = b"".join(columns[place::number] for place in range(number))
    rows = _READING.iter_unpack(whole)
    return {key: Reading(count, mean * count, least, most) for key, count, mean, least, most in rows}


def merge(parts: Sequence[Data]) -> dict[int, Any]:
    """All of these in one."""
    merged: dict[int, Any] = {}
    for part in parts:
        for key, one in part.items():
            merged[key] = merged[key] + one if key in merged else one
    return merged


def add(db: sqlite3.Connection, level: int, began: int, place: Place, data: Data) -> None:
    """Add to a row, within the caller's transaction. What was rolled up already is added further up as well."""
    table = TABLES[level].table
    key = (began, place.app, place.shard, place.release)
    row = db.execute(
        f"SELECT id, is_rolled, data FROM {table} WHERE began = ? AND app = ? AND shard = ? AND release = ?",  # noqa: S608  # a table of ours
        key,
    ).fetchone()
    if row is None:
        insert = f"INSERT INTO {table} (began, app, shard, release, data) VALUES (?, ?, ?, ?, ?)"  # noqa: S608  # the same
        db.execute(insert, (*key, encode(place.shard, data)))
        return
    number, is_rolled, before = row
    after = merge([decode(place.shard, before), data])
    db.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (encode(place.shard, after), number))  # noqa: S608  # the same
    if is_rolled:
        roll(db, level, began, place, data)


def roll(db: sqlite3.Connection, level: int, began: int, place: Place, data: Data) -> None:
    """Add what a row of a level holds to the next, within the caller's transaction; of gauges no ever is kept."""
    wider = TABLES[level + 1]
    if wider is EVER and place.shard == GAUGES:
        return
    if wider is EVER and place.shard != TOTAL:
        place = replace(place, release=ALL_RELEASES)
    add(db, level + 1, wider.floor(began), place, data)


@dataclass(frozen=True, slots=True)
class Row:
    """One row that was found; ``data`` as stored."""

    began: int
    release: int
    data: bytes


def find(
    db: sqlite3.Connection, app: int, shard: int, began: int, ended: int, *, levels: Sequence[Level] = LEVELS
) -> Iterator[Row]:
    """The rows that together are all that was counted from ``began`` to before ``ended``, each request in one of them.

    Each part of the span comes from the widest of ``levels`` (finest first) that fits into it; what was not yet rolled
    up from narrower ones. A bucket that is only partly within the span is left out.
    """
    for place, level in enumerate(levels):
        last = ended - level.width_s + 1
        inner_began = inner_ended = last
        if place + 1 < len(levels):
            wider = levels[place + 1].width_s
            if -(-began // wider) < ended // wider:
                inner_began, inner_ended = -(-began // wider) * wider, ended // wider * wider
        yield from _between(db, level, began, min(inner_began, last), app, shard)
        yield from _between(db, level, inner_began, inner_ended, app, shard, "AND is_rolled = 0")
        yield from _between(db, level, inner_ended, last, app, shard)


def ever(db: sqlite3.Connection, app: int, shard: int) -> Iterator[Row]:
    """The rows that together are all that was ever counted: whatever is in no wider row."""
    for level in TABLES:
        found = db.execute(
            f"SELECT began, release, data FROM {level.table} WHERE is_rolled = 0 AND app = ? AND shard = ?",  # noqa: S608  # a table of ours
            (app, shard),
        )
        for row in found:
            yield Row(*row)


def _between(
    db: sqlite3.Connection, level: Level, began: int, ended: int, app: int, shard: int, also: str = ""
) -> Iterator[Row]:
    found = db.execute(
        f"SELECT began, release, data FROM {level.table} "  # noqa: S608  # a table of ours
        f"WHERE began >= ? AND began < ? AND app = ? AND shard = ? {also}",
        (began, ended, app, shard),
    )
    for row in found:
        yield Row(*row)
