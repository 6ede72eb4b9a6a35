"""The tables of a ledger, and how the record of an earlier Pawl is brought forward.

``events`` and ``counters`` are the record; all other tables are views, made anew whenever the version changes. So a
migration only has to bring the record forward, and an empty one is enough for a changed view.
"""

from __future__ import annotations

from collections.abc import Sequence

from pawl.ledger.database import Database
from pawl.ledger.dora import stored

Migration = Sequence[str]
"""SQL statements, valid for every keeper, that change ``events`` and ``counters`` from one version to the next."""

MIGRATIONS: tuple[Migration, ...] = (
    (),  # to 2: verdicts, events that an older Pawl cannot read
    (),  # to 3: incidents, and what was learned
    (),  # to 4: what is measured of each deploy
    (),  # to 5: its days summed up as deploys end
    (),  # to 6: the change of a deploy that had to wait, as it was found when its turn came
)
"""The first leads from version 1 to 2. What they did is also in ``RECORD``, for new ledgers."""

VERSION = 1 + len(MIGRATIONS)
"""The version of the ledger that this Pawl writes."""

RECORD = (
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        app TEXT,
        deploy TEXT,
        kind TEXT NOT NULL,
        data TEXT NOT NULL
    )""",
    "CREATE INDEX events_by_app ON events (app, seq) WHERE app IS NOT NULL",
    "CREATE INDEX events_by_deploy ON events (deploy, seq) WHERE deploy IS NOT NULL",
    "CREATE INDEX events_by_kind ON events (kind, seq)",
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
        change_seq INTEGER, -- of the last change_found
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
    "incidents": """CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        opened_seq INTEGER NOT NULL,
        app TEXT NOT NULL,
        title TEXT NOT NULL,
        began_at TEXT NOT NULL,
        opened_at TEXT NOT NULL,
        opened_by TEXT NOT NULL,
        caused_by TEXT,
        is_external INTEGER NOT NULL,
        ended_at TEXT,
        closed_at TEXT,
        closed_by TEXT NOT NULL,
        fixed_by TEXT,
        note TEXT NOT NULL
    )""",
    **stored.VIEWS,
}

_VIEW_INDEXES = (
    "CREATE INDEX lives_by_pair ON lives (app, release, settings)",
    "CREATE INDEX lives_to_choose ON lives (app, seq) WHERE is_latest = 1 AND is_good = 1",
    "CREATE INDEX lives_by_deploy ON lives (deploy)",
    "CREATE INDEX releases_by_age ON releases (app, built_seq)",
    "CREATE INDEX deploys_by_app ON deploys (app, queued_seq)",
    "CREATE INDEX deploys_by_time ON deploys (app, queued_at)",
    "CREATE INDEX incidents_by_app ON incidents (app, opened_seq)",
    "CREATE INDEX deploys_unfinished ON deploys (queued_seq) WHERE outcome IS NULL",
    *stored.VIEW_INDEXES,
)


def create_views(db: Database) -> None:
    """Make the view tables, empty, in place of those that are there."""
    for table in VIEWS:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in (*VIEWS.values(), *_VIEW_INDEXES):
        db.execute(statement)
