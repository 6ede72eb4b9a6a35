"""The tables of the SQLite ledger, and how a ledger of an earlier Pawl is brought forward.

``events`` and ``counters`` are the record; all other tables are views, made anew whenever the version changes. So a
migration only has to bring the record forward, and an empty one is enough for a changed view.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pawl.errors import StateError
from pawl.ledger.sqlite_errors import damaged

Migration = Sequence[str]
"""SQL statements that change ``events`` and ``counters`` from one version to the next."""

MIGRATIONS: tuple[Migration, ...] = (
    (),  # to 2: verdicts, events that an older Pawl cannot read
)
"""The first leads from version 1 to 2. What they did is also in ``_RECORD``, for new ledgers."""

_APPLICATION = 0x5061776C  # "Pawl"
# A whole check reads the file once; up to this size that is quick (measured: 25 ms), above it would delay the start.
_CHECKED_WHOLE_BYTES = 16 * 2**20

_RECORD = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        app TEXT,
        deploy TEXT,
        kind TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
    "CREATE INDEX events_by_app ON events (app) WHERE app IS NOT NULL",
    "CREATE INDEX events_by_deploy ON events (deploy) WHERE deploy IS NOT NULL",
    "CREATE INDEX events_by_kind ON events (kind)",
    """CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    # The highest number given out as a deploy id, also where no event came of it.
    "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "INSERT INTO counters VALUES ('deploy', 0)",
)

VIEWS = {
    "apps": """CREATE TABLE apps (
        name TEXT PRIMARY KEY,
        created_at TEXT NOT NULL,
        live INTEGER, -- lives.seq
        settings INTEGER NOT NULL,
        scale TEXT NOT NULL
    )""",
    # One row each time a pair of release and settings went live; latest: no later row of the same pair.
    "lives": """CREATE TABLE lives (
        seq INTEGER PRIMARY KEY,
        app TEXT NOT NULL,
        release TEXT NOT NULL,
        settings INTEGER NOT NULL,
        "commit" TEXT NOT NULL,
        deploy TEXT NOT NULL,
        since TEXT NOT NULL,
        is_latest INTEGER NOT NULL,
        is_good INTEGER NOT NULL
    )""",
    "releases": """CREATE TABLE releases (
        app TEXT NOT NULL,
        release TEXT NOT NULL,
        built_seq INTEGER NOT NULL,
        "commit" TEXT NOT NULL,
        environment TEXT NOT NULL,
        built_at TEXT NOT NULL,
        pruned_at TEXT,
        size_bytes INTEGER,
        last_live_at TEXT,
        PRIMARY KEY (app, release)
    )""",
    # What was asked for is read from the event at queued_seq.
    "deploys": """CREATE TABLE deploys (
        id TEXT PRIMARY KEY,
        queued_seq INTEGER NOT NULL UNIQUE,
        app TEXT NOT NULL,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        outcome TEXT,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        failed_stage TEXT,
        queued_at TEXT NOT NULL,
        began_at TEXT,
        switched_at TEXT,
        ended_at TEXT,
        duration_s REAL
    )""",
    "stages": """CREATE TABLE stages (
        deploy TEXT NOT NULL,
        stage TEXT NOT NULL,
        began_seq INTEGER NOT NULL,
        began_at TEXT NOT NULL,
        ended_at TEXT,
        duration_s REAL,
        detail TEXT NOT NULL,
        PRIMARY KEY (deploy, stage)
    )""",
    "tasks": """CREATE TABLE tasks (
        deploy TEXT NOT NULL,
        position INTEGER NOT NULL,
        command TEXT NOT NULL,
        began_at TEXT NOT NULL,
        ended_at TEXT,
        exit_status INTEGER,
        duration_s REAL,
        PRIMARY KEY (deploy, position)
    )""",
}

_VIEW_INDEXES = (
    "CREATE INDEX lives_by_pair ON lives (app, release, settings)",
    "CREATE INDEX lives_to_choose ON lives (app, seq) WHERE is_latest = 1 AND is_good = 1",
    "CREATE INDEX lives_by_deploy ON lives (deploy)",
    "CREATE INDEX releases_by_age ON releases (app, built_seq)",
    "CREATE INDEX deploys_by_app ON deploys (app, queued_seq)",
    "CREATE INDEX deploys_unfinished ON deploys (queued_seq) WHERE outcome IS NULL",
)


def create_views(db: sqlite3.Connection) -> None:
    """Make the view tables, empty, in place of those that are there."""
    for table in VIEWS:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in (*VIEWS.values(), *_VIEW_INDEXES):
        db.execute(statement)


def prepare(
    db: sqlite3.Connection,
    path: Path,
    *,
    rebuild: Callable[[sqlite3.Connection], None],
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
            next_step="install that Pawl again (pip install --upgrade pawl-deploy), "
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
    for statement in _RECORD:
        db.execute(statement)
    create_views(db)
    db.execute(f"PRAGMA application_id = {_APPLICATION}")
    db.execute(f"PRAGMA user_version = {version}")


def _bring_forward(
    db: sqlite3.Connection,
    migrations: Sequence[Migration],
    version: int,
    rebuild: Callable[[sqlite3.Connection], None],
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
