"""The rows of the measures in SQL, and a span of them read back.

``measured_days`` holds each day summed up. The sum is made when it is first asked for and forgotten when another deploy
of that day ends, so that reading years costs a row a day and app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from pawl.ledger.database import Database
from pawl.ledger.dora.day import Day, summed_up
from pawl.ledger.dora.facts import BAD, Measured, Named, Place, apply
from pawl.ledger.dora.span import Span
from pawl.ledger.events import (
    AppRemoved,
    DeployEnded,
    DeployQueued,
    Fact,
    RestoredWatched,
    StageBegan,
    Switched,
    SwitchedBack,
    VerdictReached,
)
from pawl.ledger.records import Recorded
from pawl.model import Stage

_FIELDS = msgspec.structs.fields(Measured)
_NAMES = [field.name for field in _FIELDS]

VIEWS = {
    "measured": "CREATE TABLE measured (deploy TEXT PRIMARY KEY, "
    + ", ".join(f"{field.name} {'INTEGER' if field.type is int else 'TEXT'} NOT NULL" for field in _FIELDS[1:])
    + ", is_notable INTEGER NOT NULL)",
    "measured_places": """CREATE TABLE measured_places (
        app TEXT PRIMARY KEY,
        serving TEXT NOT NULL,
        newest TEXT NOT NULL
    )""",
    "measured_days": """CREATE TABLE measured_days (
        day TEXT NOT NULL,
        app TEXT NOT NULL,
        deploys INTEGER NOT NULL,
        summed_up TEXT, -- JSON; NULL: to be done again
        PRIMARY KEY (day, app)
    )""",
}
VIEW_INDEXES = (
    "CREATE INDEX measured_by_day ON measured (day, app)",
    "CREATE INDEX measured_notable ON measured (day) WHERE is_notable = 1",
    "CREATE INDEX measured_days_by_app ON measured_days (app, day)",
    "CREATE INDEX incidents_by_cause ON incidents (caused_by) WHERE caused_by IS NOT NULL",
    "CREATE INDEX incidents_by_fix ON incidents (fixed_by) WHERE fixed_by IS NOT NULL",
)

_COLUMNS = ", ".join(_NAMES)
_READ = f"SELECT {_COLUMNS} FROM measured "  # noqa: S608  # put together from the fields above
_ADD = f"INSERT INTO measured ({_COLUMNS}, is_notable) VALUES ({', '.join('?' * (len(_NAMES) + 1))})"  # noqa: S608

_day = msgspec.json.Decoder(Day)


class _SqlRows:
    """:class:`pawl.ledger.dora.facts.Rows` for one event: of a row that was read only what changed is written."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._read: dict[str, Measured] = {}

    def deploy(self, deploy: str) -> Measured | None:
        row = self._db.execute(_READ + "WHERE deploy = ?", (deploy,)).fetchone()
        if row is None:
            return None
        self._read[deploy] = known = _measured(row)
        return known

    def keep(self, row: Measured) -> None:
        before = self._read.get(row.deploy)
        if before is None:
            self._db.execute(_ADD, (*msgspec.structs.astuple(row), int(row.is_notable)))
            return
        self._read[row.deploy] = row
        changes = {name: new for name in _NAMES if (new := getattr(row, name)) != getattr(before, name)}
        if row.is_notable != before.is_notable:
            changes["is_notable"] = int(row.is_notable)
        if changes:
            columns = ", ".join(f"{name} = ?" for name in changes)
            self._db.execute(f"UPDATE measured SET {columns} WHERE deploy = ?", (*changes.values(), row.deploy))  # noqa: S608

    def place(self, app: str) -> Place:
        row = self._db.execute("SELECT serving, newest FROM measured_places WHERE app = ?", (app,)).fetchone()
        return Place(*row) if row else Place()

    def keep_place(self, app: str, place: Place) -> None:
        self._db.execute(
            "INSERT INTO measured_places (app, serving, newest) VALUES (?, ?, ?) ON CONFLICT (app) DO UPDATE "
            "SET serving = excluded.serving, newest = excluded.newest",
            (app, place.serving, place.newest),
        )


def change(db: Database, at: Recorded) -> None:
    """Change the rows by one event, within the caller's transaction."""
    how = _CHANGES.get(type(at.event))
    if how is not None:
        how(db, at)


def _changed(db: Database, at: Recorded) -> None:
    apply(_SqlRows(db), at)


def _judged(db: Database, at: Recorded) -> None:
    """What ``apply`` does, but for the verdicts that change nothing, which are nearly all."""
    if isinstance(at.event, VerdictReached) and (at.event.acts or at.event.observation.verdict in BAD):
        _changed(db, at)


def _began(db: Database, at: Recorded) -> None:
    """What ``apply`` does, in one statement: a deploy has many stages."""
    if isinstance(at.event, StageBegan) and at.event.stage is not Stage.QUEUED:
        db.execute(
            "UPDATE measured SET began_at = ? WHERE deploy = ? AND app = ? AND began_at = '' AND ended_at = ''",
            (at.at, at.deploy, at.app),
        )


def _ended(db: Database, at: Recorded) -> None:
    """Its day is to be summed up again."""
    after = apply(_SqlRows(db), at)
    if after is not None:
        db.execute(
            "INSERT INTO measured_days (day, app, deploys, summed_up) VALUES (?, ?, 1, NULL) ON CONFLICT (day, app) "
            "DO UPDATE SET deploys = measured_days.deploys + 1, summed_up = NULL",
            (after.day, after.app),
        )


_CHANGES: dict[type[Fact], Callable[[Database, Recorded], None]] = {
    AppRemoved: _changed,
    DeployQueued: _changed,
    StageBegan: _began,
    Switched: _changed,
    SwitchedBack: _changed,
    VerdictReached: _judged,
    RestoredWatched: _changed,
    DeployEnded: _ended,
}


class Stale(NamedTuple):
    """A day that was summed up anew, to be kept if no deploy has ended since."""

    day: str
    app: str
    deploys: int
    summed_up: str


def span(db: Database, app: str | None, since: str, until: str) -> tuple[Span, list[Stale]]:
    """What :meth:`pawl.ledger.base.Ledger.measured` answers, and what of it is to be kept."""
    of_app, values = ("", ()) if app is None else ("app = ? AND ", (app,))
    rows = db.execute(
        f"SELECT day, app, deploys, summed_up FROM measured_days WHERE {of_app}day >= ? AND day <= ? "  # noqa: S608
        "ORDER BY day, app",
        (*values, since, until),
    ).fetchall()
    first = db.execute(_FIRST if app is None else _FIRST_OF_APP, values).fetchone()[0]
    stale = [(day, of, deploys) for day, of, deploys, known in rows if known is None]
    fresh = _sums(db, stale, of_app, values)
    days = tuple(_day.decode(known) if known is not None else fresh[day, of] for day, of, _, known in rows)
    notable = {
        row.deploy: row
        for which in (_NOTABLE, _NAMED)
        for row in map(_measured, db.execute(f"{_READ}WHERE {of_app}{which}", (*values, since)).fetchall())
    }
    found = Span(
        first_day=first, days=days, notable=tuple(sorted(notable.values(), key=lambda row: (row.live_at, row.deploy))),
        named=_named(db, of_app, values),
    )  # fmt: skip
    keep = [Stale(day, of, deploys, msgspec.json.encode(fresh[day, of]).decode()) for day, of, deploys in stale]
    return found, keep


_FIRST = "SELECT min(day) FROM measured_days"
_FIRST_OF_APP = "SELECT min(day) FROM measured_days WHERE app = ?"
_NOTABLE = "day >= ? AND is_notable = 1"
_NAMED = (
    "day >= ? AND (deploy IN (SELECT caused_by FROM incidents WHERE caused_by IS NOT NULL) "
    "OR deploy IN (SELECT fixed_by FROM incidents WHERE fixed_by IS NOT NULL))"
)


def keep_sums(db: Database, stale: list[Stale]) -> None:
    """Keep days that were summed up."""
    for one in stale:
        db.execute(
            "UPDATE measured_days SET summed_up = ? WHERE day = ? AND app = ? AND deploys = ?",
            (one.summed_up, one.day, one.app, one.deploys),
        )


def _sums(
    db: Database, stale: list[tuple[str, str, int]], of_app: str, values: tuple[str, ...]
) -> dict[tuple[str, str], Day]:
    if not stale:
        return {}
    wanted: dict[tuple[str, str], list[Measured]] = {(day, of): [] for day, of, _ in stale}
    rows = db.execute(f"{_READ}WHERE {of_app}day >= ? AND day <= ?", (*values, stale[0][0], stale[-1][0]))
    for row in map(_measured, rows):
        if (row.day, row.app) in wanted:
            wanted[row.day, row.app].append(row)
    return {(day, of): summed_up(of, day, found) for (day, of), found in wanted.items()}


def _named(db: Database, of_app: str, values: tuple[str, ...]) -> tuple[Named, ...]:
    rows = db.execute(
        f"SELECT id, caused_by, fixed_by, ended_at FROM incidents WHERE {of_app}"  # noqa: S608
        "(caused_by IS NOT NULL OR fixed_by IS NOT NULL) ORDER BY opened_seq",
        values,
    )
    return tuple(Named(*row) for row in rows.fetchall())


def _measured(row: tuple[object, ...]) -> Measured:
    return Measured(*row)  # type: ignore[arg-type]  # columns in the order of the fields
