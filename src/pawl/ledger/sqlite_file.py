"""A SQLite file as a ledger: its record, its versions, what is checked at the start, and the copy before a change."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from pawl.errors import INSTALLING, StateError
from pawl.ledger.database import Database
from pawl.ledger.schema import MIGRATIONS, RECORD, VERSION, Migration, create_views
from pawl.ledger.sqlite_errors import damaged

_APPLICATION = 0x5061776C  # "Pawl"
# A whole check reads the file once; up to this size that is quick (measured: 25 ms), above it would delay the start.
_CHECKED_WHOLE_BYTES = 16 * 2**20

_APPEND_ONLY = (
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)


def prepare(
    db: sqlite3.Connection,
    path: Path,
    *,
    rebuild: Callable[[Database], None],
    migrations: Sequence[Migration] = MIGRATIONS,
) -> None:
    """Make the database at ``path`` a ledger of this Pawl's version; what is wrong is found before a byte is written.

    ``rebuild`` fills the views of a ledger that was brought forward.

    Raises:
        StateError: it is damaged, belongs to another program, or was written by a newer Pawl.
        sqlite3.Error, OSError: it cannot be read or written.
    """
    newest = 1 + len(migrations)
    version = _version(db, path)
    if version > newest:
        raise StateError(
            f"the ledger {path} was written by a newer Pawl",
            why=f"it has version {version}, this Pawl knows versions up to {newest}",
            next_step=f"install that Pawl again ({INSTALLING}), "
            f"or put back the copy {path.name}.before-v{newest + 1} if there is one",
        )
    if version:
        _check(db, path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 16777216")
    if version == 0:
        _in_transaction(db, lambda: _create(db, newest))
    elif version < newest:
        _back_up(db, path.with_name(f"{path.name}.before-v{newest}"))
        _in_transaction(db, lambda: _bring_forward(db, migrations[version - 1 :], newest, rebuild))


def check_readable(db: sqlite3.Connection, path: Path) -> None:
    """Check that a ledger can be read as it is.

    Raises:
        StateError: it is none, or of another version than this Pawl's.
    """
    version = _version(db, path)
    if version != VERSION:
        raise StateError(
            f"the ledger {path} cannot be read as it is",
            why=f"it has version {version}, this Pawl reads version {VERSION}",
            next_step="start pawld once, which brings it forward: pawl up",
        )


def events_in(path: Path) -> int:
    """How many events a ledger has, without changing it; 0 if there is none, or none that can be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
    except sqlite3.Error:
        return 0


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The version of the ledger; 0 for a new, empty database."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    application = db.execute("PRAGMA application_id").fetchone()[0]
    is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application == _APPLICATION and version > 0:
        return version
    if is_empty and version == 0 and application == 0:
        return 0
    raise StateError(
        f"{path} is a database of another program, not a ledger",
        next_step=f"move it out of {path.parent}; Pawl then starts with an empty ledger",
    )


def _check(db: sqlite3.Connection, path: Path) -> None:
    size_bytes = db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    if size_bytes <= _CHECKED_WHOLE_BYTES:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, str(found).splitlines()[-1])
    else:  # both ends of the record and the counter; damage in between is reported when it is read
        for order in ("ASC", "DESC"):
            db.execute(f"SELECT * FROM events ORDER BY seq {order} LIMIT 100").fetchall()  # noqa: S608  # two constants
    if db.execute("SELECT count(*) FROM counters WHERE name = 'deploy'").fetchone()[0] != 1:
        raise damaged(path, "the counter of deploys is missing")


def _create(db: sqlite3.Connection, version: int) -> None:
    for statement in (*RECORD, *_APPEND_ONLY):
        db.execute(statement)
    create_views(db)
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {version}")


def _bring_forward(
    db: sqlite3.Connection,
    migrations: Sequence[Migration],
    version: int,
    rebuild: Callable[[Database], None],
) -> None:
    for migration in migrations:
        for statement in migration:
            db.execute(statement)
    rebuild(db)
    db.execute(f"PRAGMA user_version = {version}")


def _in_transaction(db: sqlite3.Connection, work: Callable[[], None]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        work()
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _back_up(db: sqlite3.Connection, target: Path) -> None:
    """Copy the whole ledger to ``target``; there is never half a copy of that name."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_RDWR, 0o600))
        copy = sqlite3.connect(part)
        try:
            db.backup(copy)
        finally:
            copy.close()
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
