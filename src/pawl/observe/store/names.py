"""Names as numbers, and the known routes of each app: what the store keeps beside the buckets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Literal

from pawl.observe.attribution import Tenure
from pawl.observe.paths import Known
from pawl.observe.tail import Position

Kind = Literal["app", "release", "gauge"]


class Names:
    """Numbers of apps, releases and gauges. Numbers are never given to another name."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[tuple[Kind, str], int] = {}

    def number(self, kind: Kind, name: str) -> int:
        """The number of a name, which is given one within the caller's transaction if it has none."""
        found = self.find(kind, name)
        if found is None:
            found = self._db.execute("INSERT INTO names (kind, name) VALUES (?, ?)", (kind, name)).lastrowid
            assert found is not None
            self._numbers[kind, name] = found
        return found

    def find(self, kind: Kind, name: str) -> int | None:
        """The number of a name that has one."""
        if (kind, name) not in self._numbers:
            row = self._db.execute("SELECT id FROM names WHERE kind = ? AND name = ?", (kind, name)).fetchone()
            if row is None:
                return None
            self._numbers[kind, name] = int(row[0])
        return self._numbers[kind, name]

    def all(self, kind: Kind) -> dict[int, str]:
        """Every name of a kind, by number."""
        return dict(self._db.execute("SELECT id, name FROM names WHERE kind = ?", (kind,)).fetchall())

    def forget(self) -> None:
        """After a transaction that was rolled back: what it added is not there."""
        self._numbers.clear()


def read_routes(db: sqlite3.Connection) -> dict[str, Known]:
    """The routes of every app."""
    apps: dict[str, Known] = {}
    for app, number, route, seen in db.execute("SELECT app, number, route, seen FROM routes"):
        known = apps.setdefault(app, Known())
        known.numbers[route] = number
        if seen >= 0:
            known.seen[number] = seen
    return apps


def write_routes(db: sqlite3.Connection, apps: dict[str, Known]) -> None:
    """Store what has changed, within the caller's transaction."""
    for app, known in apps.items():
        if known.changed:
            routes = {number: route for route, number in known.numbers.items()}
            db.executemany(
                "INSERT INTO routes VALUES (?, ?, ?, ?) ON CONFLICT (app, number) DO UPDATE SET seen = excluded.seen",
                [(app, number, routes[number], known.seen.get(number, -1)) for number in sorted(known.changed)],
            )


def read_positions(db: sqlite3.Connection) -> list[Position]:
    """How far each file of the log was read."""
    rows = db.execute('SELECT inode, head, head_bytes, "offset", is_skipping FROM files')
    return [Position(inode, head, size, offset, bool(skips)) for inode, head, size, offset, skips in rows]


def write_position(db: sqlite3.Connection, position: Position, inodes: Iterable[int]) -> None:
    """Store how far a file was read, and forget the files that are not among ``inodes``."""
    at = (position.inode, position.head, position.head_bytes, position.offset, position.is_skipping)
    db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", at)
    kept = {position.inode, *inodes}
    gone = [(inode,) for (inode,) in db.execute("SELECT inode FROM files").fetchall() if inode not in kept]
    db.executemany("DELETE FROM files WHERE inode = ?", gone)


def read_tenures(db: sqlite3.Connection) -> list[Tenure]:
    """Which instance had which address when."""
    return [Tenure(*row) for row in db.execute("SELECT address, app, release, instance, began, ended FROM tenures")]


def write_tenure(db: sqlite3.Connection, tenure: Tenure) -> None:
    """Store or change one."""
    one = (tenure.address, tenure.app, tenure.release, tenure.instance, tenure.began, tenure.ended)
    db.execute("INSERT OR REPLACE INTO tenures VALUES (?, ?, ?, ?, ?, ?)", one)


def remove_tenures(db: sqlite3.Connection, before: float) -> None:
    """Forget those that ended before this time."""
    db.execute("DELETE FROM tenures WHERE ended < ?", (before,))
