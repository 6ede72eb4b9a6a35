"""Rows of a ledger in SQL, read back into records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from pawl.ledger.database import ALL_ROWS, Database
from pawl.ledger.events import ChangeFound, DeployQueued, decoded
from pawl.ledger.records import AppView, DeployView, Recorded, ReleaseView, StageView, TaskView
from pawl.model import Commit, Live, Outcome, Stage

_PREVIOUS = 20
_AT_A_TIME = 5000
_queued = msgspec.json.Decoder(DeployQueued)
_found = msgspec.json.Decoder(ChangeFound)
_commit = msgspec.json.Decoder(Commit)
_scale = msgspec.json.Decoder(dict[str, int])

# Which deploys to read: statements that select ids, put into the three below.
ALL = "SELECT id FROM deploys ORDER BY queued_seq DESC LIMIT ?"
OF_APP = "SELECT id FROM deploys WHERE app = ? ORDER BY queued_seq DESC LIMIT ?"
ONE = "SELECT id FROM deploys WHERE id = ?"
UNFINISHED = "SELECT id FROM deploys WHERE outcome IS NULL"

_DEPLOYS = (
    "SELECT d.id, d.app, d.status, d.outcome, d.reason, d.detail, d.failed_stage, d.queued_at, d.began_at, "
    "d.switched_at, d.ended_at, d.duration_s, e.data, c.data FROM deploys d JOIN events e ON e.seq = d.queued_seq "
    "LEFT JOIN events c ON c.seq = d.change_seq "
    "WHERE d.id IN ({}) ORDER BY d.queued_seq"
)
_STAGES = (
    "SELECT deploy, stage, began_at, ended_at, duration_s, detail FROM stages WHERE deploy IN ({}) ORDER BY began_seq"
)
_TASKS = (
    "SELECT deploy, position, command, began_at, ended_at, exit_status, duration_s FROM tasks "
    "WHERE deploy IN ({}) ORDER BY position"
)


class UnreadableError(Exception):
    """A record or a view holds what no Pawl of this version wrote."""


def up_to(limit: int | None) -> int:
    """The limit as SQL takes it; below zero nothing is asked for."""
    return ALL_ROWS if limit is None else max(0, limit)


def events(
    db: Database,
    *,
    app: str | None = None,
    deploy: str | None = None,
    after: int = 0,
    kinds: Collection[str] | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> Iterable[Recorded]:
    """Yield the events that meet the conditions, as :meth:`pawl.ledger.base.Ledger.events` says.

    Raises:
        UnreadableError: a record is not in its stored form; the text names its ``seq``.
    """
    conditions = ["seq > ?"]
    values: list[object] = [after]
    for column, wanted in (("app", app), ("deploy", deploy)):
        if wanted is not None:
            conditions.append(f"{column} = ?")
            values.append(wanted)
    if kinds is not None:
        conditions.append(f"kind IN ({', '.join('?' * len(kinds)) or 'NULL'})")
        values.extend(kinds)
    order = "DESC" if newest_first else "ASC"
    rows = db.execute(
        "SELECT seq, at, app, deploy, data FROM events "  # noqa: S608  # put together from the constants above
        f"WHERE {' AND '.join(conditions)} ORDER BY seq {order} LIMIT ?",
        (*values, up_to(limit)),
    )
    for row in rows:
        yield recorded(*row)


def recorded(seq: int, at: str, app: str | None, deploy: str | None, data: str) -> Recorded:
    """The event in a row.

    Raises:
        UnreadableError: it is not in its stored form; the text names its ``seq``.
    """
    try:
        event = decoded(data)
    except ValueError as error:
        raise UnreadableError(f"event {seq} cannot be read: {error}") from error
    return Recorded(seq=seq, at=at, app=app, deploy=deploy, event=event)


def history(db: Database) -> Iterator[Recorded]:
    """Every event, oldest first, a part at a time: a ledger of any size passes through.

    Raises:
        UnreadableError: a record is not in its stored form; the text names its ``seq``.
    """
    after = 0
    while part := list(events(db, after=after, limit=_AT_A_TIME)):
        yield from part
        after = part[-1].seq


def apps(db: Database) -> list[AppView]:
    return [_app(db, row) for row in db.execute(_APPS + "ORDER BY a.name").fetchall()]


def app(db: Database, name: str) -> AppView | None:
    row = db.execute(_APPS + "WHERE a.name = ?", (name,)).fetchone()
    return _app(db, row) if row else None


_APPS = (
    'SELECT a.name, a.created_at, a.scale, l.release, l.settings, l."commit", l.deploy, l.since '
    "FROM apps a LEFT JOIN lives l ON l.seq = a.live "
)


def _app(db: Database, row: tuple[str, ...]) -> AppView:
    name, created_at, scale = row[:3]
    live = _live(row[3:]) if row[3] is not None else None
    # Settings are never below 0: where nothing is live, no place is left out.
    pair = (live.release, live.settings) if live else ("", -1)
    chosen = db.execute(
        'SELECT release, settings, "commit", deploy, since FROM lives WHERE app = ? AND is_latest = 1 AND is_good = 1 '
        "AND NOT (release = ? AND settings = ?) ORDER BY seq DESC LIMIT ?",
        (name, *pair, _PREVIOUS),
    )
    return AppView(
        name=name,
        created_at=created_at,
        live=live,
        previous=tuple(_live(place) for place in chosen),
        scale=_scale.decode(scale),
    )


def _live(row: tuple[str, ...]) -> Live:
    release, settings, commit, deploy, since = row
    return Live(release=release, settings=int(settings), commit=commit, deploy=deploy, since=since)


def releases(db: Database, app: str) -> list[ReleaseView]:
    rows = db.execute(
        'SELECT release, "commit", environment, built_at, pruned_at, size_bytes, last_live_at FROM releases '
        "WHERE app = ? ORDER BY built_seq DESC",
        (app,),
    )
    return [
        ReleaseView(
            release=row[0],
            commit=_commit.decode(row[1]),
            environment=row[2],
            built_at=row[3],
            pruned_at=row[4],
            size_bytes=row[5],
            last_live_at=row[6],
        )
        for row in rows
    ]


def settings_version(db: Database, app: str) -> int:
    row = db.execute("SELECT settings FROM apps WHERE name = ?", (app,)).fetchone()
    return int(row[0]) if row else 0


def deploys(db: Database, which: str, values: tuple[object, ...] = ()) -> list[DeployView]:
    """The deploys whose ids the statement ``which`` selects, oldest first, with their stages and tasks."""
    stages: dict[str, list[StageView]] = defaultdict(list)
    for deploy, stage, began_at, ended_at, duration_s, detail in db.execute(_STAGES.format(which), values):
        stages[deploy].append(
            StageView(stage=Stage(stage), began_at=began_at, ended_at=ended_at, duration_s=duration_s, detail=detail)
        )
    tasks: dict[str, list[TaskView]] = defaultdict(list)
    for deploy, position, command, began_at, ended_at, exit_status, duration_s in db.execute(
        _TASKS.format(which), values
    ):
        tasks[deploy].append(
            TaskView(
                index=position,
                command=command,
                began_at=began_at,
                ended_at=ended_at,
                exit_status=exit_status,
                duration_s=duration_s,
            )
        )
    return [
        _deploy(row, tuple(stages.get(row[0], ())), tuple(tasks.get(row[0], ())))
        for row in db.execute(_DEPLOYS.format(which), values)
    ]


def _deploy(row: Sequence[Any], stages: tuple[StageView, ...], tasks: tuple[TaskView, ...]) -> DeployView:
    (
        deploy, app, status, outcome, reason, detail, failed, queued_at, began_at, switched_at, ended_at, lasted, data,
        change,
    ) = row  # fmt: skip
    asked = _queued.decode(data)
    found = _found.decode(change) if change else asked
    previous = found.from_live.release if change and found.from_live else None
    return DeployView(
        id=deploy,
        app=app,
        kind=asked.deploy_kind,
        commit=asked.commit,
        release=asked.release,
        settings=asked.settings,
        previous_release=previous if change else asked.previous_release,
        commits=found.commits,
        authors=found.authors,
        options=asked.options,
        asked_by=asked.asked_by,
        from_live=found.from_live,
        path=asked.path,
        status=status,
        outcome=Outcome(outcome) if outcome else None,
        reason=reason,
        detail=detail,
        failed_stage=Stage(failed) if failed else None,
        queued_at=queued_at,
        began_at=began_at,
        switched_at=switched_at,
        ended_at=ended_at,
        duration_s=lasted,
        stages=stages,
        tasks=tasks,
    )
