"""Rows of buckets: adding to them, and finding those that make up a span of time."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import add as add_up
from typing import Any, NamedTuple

from pawl.observe import tally
from pawl.observe.gauges import Reading
from pawl.observe.store.schema import ALL_RELEASES, EVER, GAUGES, LEVELS, MINUTE, TABLES, TENS, TOTAL, Level

Data = Mapping[int, Any]
"""What a row holds, by number; ``+`` merges it. Tallies by route; in the shard GAUGES readings by name."""

_NO_SUM = (0, 0.0)
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


def sums(rows: Iterable[bytes]) -> dict[int, tuple[int, float]]:
    """How many values each gauge had in rows of the shard GAUGES, and their sum; the extremes are not looked at.

    Rows that follow one another mostly have the same gauges as many times, so their means are added up side by side.
    """
    found: dict[int, tuple[int, float]] = {}
    head, means, times = b"", array("f"), 0
    for row in rows:
        columns = zlib.decompress(row)
        number = len(columns) // _READING.size
        raw = bytearray(4 * number)
        for place in range(4):
            raw[place::4] = columns[(4 + place) * number : (5 + place) * number]
        if columns.startswith(head) and len(head) == 4 * number:
            means, times = array("d", map(add_up, means, array("f", raw))), times + 1
        else:
            _note(found, head, means, times)
            head, means, times = columns[: 4 * number], array("d", array("f", raw)), 1
    _note(found, head, means, times)
    return found


def _note(found: dict[int, tuple[int, float]], head: bytes, means: Sequence[float], times: int) -> None:
    """Add the sums of means of rows that begin alike: the gauges' numbers, then how many values each had in a row."""
    for key, count, mean in zip(*_headed(head), means, strict=True):
        before, total = found.get(key, _NO_SUM)
        found[key] = (before + count * times, total + count * mean)


@lru_cache(32)
def _headed(head: bytes) -> tuple[array[int], array[int]]:
    """Two columns of numbers of two bytes each, in each of which the lower bytes come first."""
    half = len(head) // 2
    raw = bytearray(len(head))
    for first, place in ((0, 0), (half, half)):
        raw[place : place + half : 2] = head[first : first + half // 2]
        raw[place + 1 : place + half : 2] = head[first + half // 2 : first + half]
    both = array("H", raw)
    return both[: half // 2], both[half // 2 :]


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
        if LEVELS[level : level + 1] == (MINUTE,):
            add_to_tens(db, [(began, data)], place)
        roll(db, level, began, place, data)


def add_to_tens(db: sqlite3.Connection, minutes: Iterable[tuple[int, Data]], place: Place) -> None:
    """Add minutes that are rolled up, each with when it began, within the caller's transaction."""
    if place.shard not in (TOTAL, GAUGES):
        return
    tens: dict[int, list[Data]] = {}
    for began, data in minutes:
        tens.setdefault(TENS.floor(began), []).append(data)
    for began, parts in tens.items():
        key = (began, place.app, place.shard, place.release)
        before = db.execute(
            f"SELECT data FROM {TENS.table} WHERE began = ? AND app = ? AND shard = ? AND release = ?",  # noqa: S608  # a table of ours
            key,
        ).fetchone()
        after = merge([*parts, *([decode(place.shard, before[0])] if before else [])])
        db.execute(
            f"INSERT INTO {TENS.table} (began, app, shard, release, is_rolled, data) VALUES (?, ?, ?, ?, 1, ?) "  # noqa: S608  # the same
            "ON CONFLICT (began, app, shard, release) DO UPDATE SET data = excluded.data",
            (*key, encode(place.shard, after)),
        )


def roll(db: sqlite3.Connection, level: int, began: int, place: Place, data: Data) -> None:
    """Add what a row of a level holds to the next, within the caller's transaction; of gauges no ever is kept."""
    wider = TABLES[level + 1]
    if wider is EVER and place.shard == GAUGES:
        return
    if wider is EVER and place.shard != TOTAL:
        place = replace(place, release=ALL_RELEASES)
    add(db, level + 1, wider.floor(began), place, data)


class Row(NamedTuple):
    """One row that was found; ``data`` as stored."""

    began: int
    app: int
    shard: int
    release: int
    data: bytes


def find(
    db: sqlite3.Connection, app: int, shard: int, began: int, ended: int, *, levels: Sequence[Level] = LEVELS
) -> Iterator[Row]:
    """The rows that together are all that was counted from ``began`` to before ``ended``, each request in one of them.

    Each part of the span comes from the widest of ``levels`` (finest first) that fits into it; what was not yet rolled
    up from narrower ones. A bucket that is only partly within the span is left out.
    """
    return map(Row._make, find_all(db, (app,), (shard,), began, ended, levels=levels))


def find_all(
    db: sqlite3.Connection,
    apps: Sequence[int],
    shards: Sequence[int],
    began: int,
    ended: int,
    *,
    levels: Sequence[Level] = LEVELS,
) -> Iterator[tuple[int, int, int, int, bytes]]:
    """As :func:`find`, of several apps and shards in one pass; each row bare, with the fields of :class:`Row`."""
    for place, level in enumerate(levels):
        last = ended - level.width_s + 1
        inner_began = inner_ended = last
        if place + 1 < len(levels):
            wider = levels[place + 1].width_s
            if -(-began // wider) < ended // wider:
                inner_began, inner_ended = -(-began // wider) * wider, ended // wider * wider
        yield from _between(db, level, began, min(inner_began, last), apps, shards)
        yield from _between(db, level, inner_began, inner_ended, apps, shards, "AND is_rolled = 0")
        yield from _between(db, level, inner_ended, last, apps, shards)


def ever(db: sqlite3.Connection, app: int, shard: int) -> Iterator[Row]:
    """The rows that together are all that was ever counted: whatever is in no wider row."""
    for level in TABLES:
        found = db.execute(
            f"SELECT began, app, shard, release, data FROM {level.table} "  # noqa: S608  # a table of ours
            "WHERE is_rolled = 0 AND app = ? AND shard = ?",
            (app, shard),
        )
        yield from map(Row._make, found)


def _between(
    db: sqlite3.Connection, level: Level, began: int, ended: int, apps: Sequence[int], shards: Sequence[int],
    also: str = "",
) -> Iterator[tuple[int, int, int, int, bytes]]:  # fmt: skip
    return db.execute(
        f"SELECT began, app, shard, release, data FROM {level.table} "  # noqa: S608  # a table of ours
        f"WHERE began >= ? AND began < ? AND app IN ({_places(apps)}) AND shard IN ({_places(shards)}) {also}",
        (began, ended, *apps, *shards),
    )


def _places(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))
