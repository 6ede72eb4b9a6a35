"""A place in a database of PostgreSQL: one schema with the tables of one ledger.

Beside the record and the views there is ``ledger``, one row: the version, and of the last transaction a token and what
``seq`` was before it.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from pawl.errors import INSTALLING, StateError, UsageError
from pawl.ledger import reading, views
from pawl.ledger.database import Database
from pawl.ledger.postgres_errors import VARIABLE, described
from pawl.ledger.schema import RECORD, VIEWS, Migration, create_views
from pawl.postgres import Server

_PREFIX = "pawl_"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,49}")
_AT_A_TIME = 100

_CREATED = (
    *RECORD,
    """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF coalesce(current_setting('pawl.takes_back', true), '') <> 'yes' THEN
            RAISE EXCEPTION 'the ledger is append-only';
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    "CREATE TABLE ledger (version INTEGER NOT NULL, token TEXT NOT NULL, seq_before INTEGER NOT NULL)",
)


def checked(place: str) -> str:
    """The name of a place, if it can be one.

    >>> checked("web-1")
    'web-1'

    Raises:
        UsageError: it is empty, too long or has other signs than small letters, digits and ``_ . -``.
    """
    if _NAME.fullmatch(place):
        return place
    raise UsageError(
        f"'{place[:60]}' cannot be the name of a place",
        why="it has up to 50 small letters, digits, _ . and -, and begins with a letter or digit",
        next_step=f"name another in {VARIABLE}: …?place=NAME",
    )


def schema_of(place: str) -> str:
    """The place's schema, quoted.

    >>> schema_of("web-1")
    '"pawl_web-1"'
    """
    return f'"{_PREFIX}{checked(place)}"'


def lock_of(place: str) -> int:
    """The key of the lock that the writer of a place holds: the same wherever it is worked out.

    >>> lock_of("web-1")
    6515301273382220234
    """
    return int.from_bytes(hashlib.sha256(schema_of(place).encode()).digest()[:8], "big", signed=True)


def places(db: Database) -> list[str]:
    """The places of the database whose tables the user may see, by name."""
    rows = db.execute(
        "SELECT nspname::text FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'ledger' "
        "WHERE left(nspname, ?) = ? AND has_schema_privilege(n.oid, 'USAGE') ORDER BY nspname COLLATE \"C\"",
        (len(_PREFIX), _PREFIX),
    )
    return [str(name)[len(_PREFIX) :] for (name,) in rows]


def version_of(db: Database, place: str) -> int | None:
    """The version of the place's ledger; 0 if there is a schema with nothing in it, None if there is none.

    Below zero: it has that version, and somebody put its record back, so that the views are not those of the events.

    Raises:
        StateError: the schema has something else in it.
    """
    schema = schema_of(place)
    has_schema, has_ledger, tables = _one(
        db,
        "SELECT to_regnamespace(?) IS NOT NULL, to_regclass(? || '.ledger') IS NOT NULL, "
        "(SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(?))",
        (schema, schema, schema),
    )
    if not has_schema:
        return None
    if not has_ledger:
        if tables:
            raise StateError(
                f"the schema {schema} belongs to another program, it holds no ledger",
                next_step=f"name another place in {VARIABLE}: …?place=NAME",
            )
        return 0
    return int(_one(db, f"SELECT version FROM {schema}.ledger")[0])  # noqa: S608  # a checked name


def create(db: Database, place: str, version: int, token: str, *, has_schema: bool) -> None:
    """Make the place, within the caller's transaction; the session's search path leads there."""
    if not has_schema:
        db.execute(f"CREATE SCHEMA {schema_of(place)}")
    for statement in _CREATED:
        db.execute(statement)
    db.execute("INSERT INTO ledger (version, token, seq_before) VALUES (?, ?, 0)", (version, token))
    create_views(db)


def bring_forward(db: Database, migrations: Sequence[Migration], version: int) -> None:
    """Copy the record and bring it to ``version``, within the caller's transaction; earlier copies are dropped."""
    if migrations:
        _copy_record(db, version)
    db.execute("SET LOCAL pawl.takes_back = 'yes'")
    for migration in migrations:
        for statement in migration:
            db.execute(statement)
    rebuild(db)
    db.execute("UPDATE ledger SET version = ?", (version,))


def _copy_record(db: Database, version: int) -> None:
    copies = db.execute(
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' "
        "AND relname ~ '_before_v[0-9]+$'"
    )
    for (name,) in copies.fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for table in ("events", "counters"):
        db.execute(f"CREATE TABLE {table}_before_v{version} AS TABLE {table}")


def newer(server: Server, place: str, version: int, newest: int) -> StateError:
    return StateError(
        f"the ledger of {place} in {described(server)} was written by a newer Pawl",
        why=f"it has version {version}, this Pawl knows versions up to {newest}",
        next_step=f"install that Pawl again ({INSTALLING}); what was recorded before is in "
        f"events_before_v{newest + 1}, if it was copied",
    )


def sign(db: Database, token: str) -> None:
    """Mark the caller's transaction, before it changes anything else."""
    db.execute("UPDATE ledger SET token = ?, seq_before = (SELECT coalesce(max(seq), 0) FROM events)", (token,))


def signature(db: Database) -> str:
    """The token of the last transaction that was committed."""
    return str(_one(db, "SELECT token FROM ledger")[0])


def take_back(db: Database, token: str) -> None:
    """Undo the last transaction, within the caller's; what it gave out as deploy ids stays given out."""
    db.execute("SET LOCAL pawl.takes_back = 'yes'")
    gone = db.execute("DELETE FROM events WHERE seq > (SELECT seq_before FROM ledger)").rowcount
    if gone > 0:
        rebuild(db)
    sign(db, token)


def rebuild(db: Database) -> None:
    """Derive the views from the events: worked out in a temporary file on this side, for a question to the server for
    each event would take many times as long, and then copied over."""
    with closing(sqlite3.connect("", isolation_level=None)) as scratch:
        scratch.execute("BEGIN")
        views.rebuild(scratch, reading.history(db))
        create_views(db)
        for table in VIEWS:
            _copy(scratch.execute(f"SELECT * FROM {table}"), db, table)  # noqa: S608  # a constant


def _copy(rows: sqlite3.Cursor, db: Database, table: str) -> None:
    marks = f"({', '.join('?' * len(rows.description))})"
    while part := rows.fetchmany(_AT_A_TIME):
        db.execute(
            f"INSERT INTO {table} VALUES {', '.join([marks] * len(part))}",  # noqa: S608  # constants
            [value for row in part for value in row],
        )


def _one(db: Database, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
    row: Sequence[Any] = db.execute(sql, values).fetchone()
    return row
