"""The rows of the measures in SQL, and a span of them read back.

``measured_days`` holds each day of an app, and of all together, summed up as its deploys end: reading years of all apps
costs a row a day, and nothing has to be made first.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import msgspec

from pawl.ledger.database import Database
from pawl.ledger.dora.day import Day, in_order, of_deploy, together
from pawl.ledger.dora.facts import BAD, Measured, Named, Notable, Place, apply
from pawl.ledger.dora.span import ALL, Span
from pawl.ledger.events import (
    AppRemoved,
    ChangeFound,
    DeployEnded,
    DeployQueued,
    Fact,
    IncidentClosed,
    IncidentOpened,
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
_DAY_FIELDS = msgspec.structs.fields(Day)


def _sql(field: msgspec.structs.FieldInfo) -> str:
    return "INTEGER" if field.type is int else "TEXT"


_TELLING = "(is_notable = 1 OR is_named = 1)"
_OF_NOTABLE = ("day", *(name for name in Notable.__struct_fields__ if name != "day"))

VIEWS = {
    "measured": "CREATE TABLE measured (deploy TEXT PRIMARY KEY, "
    + ", ".join(f"{field.name} {_sql(field)} NOT NULL" for field in _FIELDS[1:])
    + ", is_notable INTEGER NOT NULL, is_named INTEGER NOT NULL)",
    "measured_places": """CREATE TABLE measured_places (
        app TEXT PRIMARY KEY,
        serving TEXT NOT NULL,
        newest TEXT NOT NULL
    )""",
    "measured_days": "CREATE TABLE measured_days (app TEXT NOT NULL, day TEXT NOT NULL, "
    + ", ".join(f"{field.name} {_sql(field)} NOT NULL" for field in _DAY_FIELDS[2:])
    + ", PRIMARY KEY (app, day))",
}
VIEW_INDEXES = (
    # With all that is asked of it: the rows themselves lie far apart.
    f"CREATE INDEX measured_notable ON measured ({', '.join(_OF_NOTABLE)}) WHERE {_TELLING}",
    "CREATE INDEX incidents_by_cause ON incidents (caused_by) WHERE caused_by IS NOT NULL",
    "CREATE INDEX incidents_by_fix ON incidents (fixed_by) WHERE fixed_by IS NOT NULL",
)

_COLUMNS = ", ".join(_NAMES)
_READ = f"SELECT {_COLUMNS} FROM measured "  # noqa: S608  # put together from the fields above
_IS_NAMED = "SELECT 1 FROM incidents WHERE caused_by = ? OR fixed_by = ?"
_ADD = (
    f"INSERT INTO measured ({_COLUMNS}, is_notable, is_named) VALUES ({', '.join('?' * (len(_NAMES) + 1))}, "  # noqa: S608
    f"CASE WHEN EXISTS ({_IS_NAMED}) THEN 1 ELSE 0 END)"
)

_DAY_COLUMNS = ", ".join(Day.__struct_fields__)
_READ_DAYS = f"SELECT {_DAY_COLUMNS} FROM measured_days WHERE app = ? AND day >= ? AND day <= ? ORDER BY day"  # noqa: S608
_KEEP_DAY = (
    f"INSERT INTO measured_days ({_DAY_COLUMNS}) VALUES ({', '.join('?' * len(_DAY_FIELDS))}) "  # noqa: S608
    "ON CONFLICT (app, day) DO UPDATE SET "
    + ", ".join(f"{field.name} = excluded.{field.name}" for field in _DAY_FIELDS[2:])
)
_MOST_HELD = 1000


class SqlRows:
    """:class:`pawl.ledger.dora.facts.Rows` within a transaction: what changes is held, and written by :meth:`write`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._stored: dict[str, Measured | None] = {}
        self._held: dict[str, Measured] = {}
        self._places: dict[str, Place] = {}
        self._moved = set[str]()
        self._days: dict[tuple[str, str], Day] = {}

    def deploy(self, deploy: str) -> Measured | None:
        if deploy not in self._stored:
            row = self._db.execute(_READ + "WHERE deploy = ?", (deploy,)).fetchone()
            self._stored[deploy] = known = _measured(row) if row else None
            if known is not None:
                self._held[deploy] = known
        return self._held.get(deploy)

    def is_held(self, deploy: str | None) -> bool:
        """Whether the deploy was read or changed since the last writing."""
        return deploy in self._held

    def keep(self, row: Measured) -> None:
        self._held[row.deploy] = row

    def place(self, app: str) -> Place:
        if app not in self._places:
            row = self._db.execute("SELECT serving, newest FROM measured_places WHERE app = ?", (app,)).fetchone()
            self._places[app] = Place(*row) if row else Place()
        return self._places[app]

    def keep_place(self, app: str, place: Place) -> None:
        self._places[app] = place
        self._moved.add(app)

    def end(self, row: Measured) -> None:
        more = of_deploy(row)
        for app in {row.app, ALL}:
            self._days[app, row.day] = together(self._days.get((app, row.day), Day(app, row.day)), more)

    def write(self, *, from_deploys: int = 0) -> None:
        """Write what is held, if it is of so many deploys at least."""
        if len(self._stored) < from_deploys:
            return
        for row in self._held.values():
            self._write_deploy(row, self._stored[row.deploy])
        for app in self._moved:
            self._write_place(app, self._places[app])
        for day in self._days.values():
            self._write_day(day)
        for held in (self._stored, self._held, self._places, self._moved, self._days):
            held.clear()

    def _write_deploy(self, row: Measured, before: Measured | None) -> None:
        if before is None:
            self._db.execute(_ADD, (*msgspec.structs.astuple(row), int(row.is_notable), row.deploy, row.deploy))
            return
        if row == before:
            return
        changes = {name: new for name in _NAMES if (new := getattr(row, name)) != getattr(before, name)}
        if row.is_notable != before.is_notable:
            changes["is_notable"] = int(row.is_notable)
        columns = ", ".join(f"{name} = ?" for name in changes)
        self._db.execute(f"UPDATE measured SET {columns} WHERE deploy = ?", (*changes.values(), row.deploy))  # noqa: S608

    def _write_place(self, app: str, place: Place) -> None:
        self._db.execute(
            "INSERT INTO measured_places (app, serving, newest) VALUES (?, ?, ?) ON CONFLICT (app) DO UPDATE "
            "SET serving = excluded.serving, newest = excluded.newest",
            (app, place.serving, place.newest),
        )

    def _write_day(self, more: Day) -> None:
        row = self._db.execute(_READ_DAYS, (more.app, more.day, more.day)).fetchone()
        whole = in_order(together(Day(*row), more) if row else more)
        self._db.execute(_KEEP_DAY, msgspec.structs.astuple(whole))


def change(rows: SqlRows, db: Database, at: Recorded) -> None:
    """Change the rows by one event, within the caller's transaction; to be written by it in the end."""
    how = _CHANGES.get(type(at.event))
    if how is not None:
        rows.write(from_deploys=_MOST_HELD)
        how(rows, db, at)


def _changed(rows: SqlRows, _: Database, at: Recorded) -> None:
    apply(rows, at)


def _judged(rows: SqlRows, _: Database, at: Recorded) -> None:
    """What ``apply`` does, but for the verdicts that change nothing, which are nearly all."""
    if isinstance(at.event, VerdictReached) and (at.event.acts or at.event.observation.verdict in BAD):
        apply(rows, at)


def _began(rows: SqlRows, db: Database, at: Recorded) -> None:
    """What ``apply`` does, without reading a row for it: a deploy has many stages."""
    if rows.is_held(at.deploy):
        apply(rows, at)
    elif isinstance(at.event, StageBegan) and at.event.stage is not Stage.QUEUED:
        db.execute(
            "UPDATE measured SET began_at = ? WHERE deploy = ? AND app = ? AND began_at = '' AND ended_at = ''",
            (at.at, at.deploy, at.app),
        )


def _incident(_: SqlRows, db: Database, at: Recorded) -> None:
    """The deploys that it names, if it is known under this name; one that is yet to be written asks for itself."""
    event = at.event
    deploy = event.caused_by if isinstance(event, IncidentOpened) else None
    deploy = event.fixed_by if isinstance(event, IncidentClosed) else deploy
    if deploy is not None:
        db.execute(
            f"UPDATE measured SET is_named = 1 WHERE deploy = ? AND EXISTS ({_IS_NAMED})",  # noqa: S608
            (deploy, deploy, deploy),
        )


_CHANGES: dict[type[Fact], Callable[[SqlRows, Database, Recorded], None]] = {
    AppRemoved: _changed,
    ChangeFound: _changed,
    DeployQueued: _changed,
    StageBegan: _began,
    Switched: _changed,
    SwitchedBack: _changed,
    VerdictReached: _judged,
    RestoredWatched: _changed,
    DeployEnded: _changed,
    IncidentOpened: _incident,
    IncidentClosed: _incident,
}


def span(db: Database, app: str | None, since: str, until: str) -> Span:
    """What :meth:`pawl.ledger.base.Ledger.measured` answers."""
    of = ALL if app is None else app
    of_app, values = ("", ()) if app is None else ("app = ? AND ", (app,))
    days = tuple(Day(*row) for row in db.execute(_READ_DAYS, (of, since, until)).fetchall())
    first = db.execute("SELECT min(day) FROM measured_days WHERE app = ?", (of,)).fetchone()[0]
    found = db.execute(f"{_TELL} WHERE {of_app}day >= ? AND {_TELLING}", (*values, since)).fetchall()
    return Span(
        first_day=first, days=days, notable=tuple(sorted([Notable(*row) for row in found], key=_WENT_LIVE)),
        named=_named(db, of_app, values),
    )  # fmt: skip


_TELL = f"SELECT {', '.join(Notable.__struct_fields__)} FROM measured"  # noqa: S608  # put together from the fields
_WENT_LIVE = attrgetter("live_at", "deploy")


def _named(db: Database, of_app: str, values: tuple[str, ...]) -> tuple[Named, ...]:
    rows = db.execute(
        f"SELECT id, caused_by, fixed_by, ended_at FROM incidents WHERE {of_app}"  # noqa: S608
        "(caused_by IS NOT NULL OR fixed_by IS NOT NULL) ORDER BY opened_seq",
        values,
    )
    return tuple(Named(*row) for row in rows.fetchall())


def _measured(row: tuple[object, ...]) -> Measured:
    return Measured(*row)  # type: ignore[arg-type]  # columns in the order of the fields
