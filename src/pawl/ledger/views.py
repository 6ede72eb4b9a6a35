"""What each event changes in the view tables: the same when it is appended and when the views are rebuilt.

A kind without an entry in ``_CHANGES`` changes nothing. No statement may fail for a history that makes no sense.
Conditions are part of the statements where they can be: what asks nothing is sent to a distant database in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from pawl.ledger import events, incidents, pointer
from pawl.ledger.database import Database
from pawl.ledger.dora import stored
from pawl.ledger.records import ENDED, Recorded
from pawl.ledger.schema import create_views
from pawl.model import Outcome, Stage

_json = msgspec.json.encode


def apply(db: Database, history: Iterable[Recorded]) -> None:
    """Change the views by events, one after the other, within the caller's transaction."""
    measured = stored.SqlRows(db)
    for recorded in history:
        change = _CHANGES.get(type(recorded.event))
        if change is not None:
            change(db, recorded, recorded.event)
        stored.change(measured, db, recorded)
    measured.write()


def rebuild(db: Database, history: Iterable[Recorded]) -> None:
    """Derive the views from the whole history, within the caller's transaction."""
    create_views(db)
    apply(db, history)


def _created(db: Database, at: Recorded, _: events.AppCreated) -> None:
    db.execute(
        "INSERT INTO apps (name, created_at, settings, scale) VALUES (?, ?, 0, '{}') ON CONFLICT DO NOTHING",
        (at.app, at.at),
    )


def _removed(db: Database, at: Recorded, _: events.AppRemoved) -> None:
    db.execute("DELETE FROM apps WHERE name = ?", (at.app,))
    db.execute("DELETE FROM lives WHERE app = ?", (at.app,))
    db.execute("DELETE FROM releases WHERE app = ?", (at.app,))


def _settings(db: Database, at: Recorded, event: events.SettingsChanged) -> None:
    db.execute("UPDATE apps SET settings = ? WHERE name = ?", (event.version, at.app))


def _scaled(db: Database, at: Recorded, event: events.Scaled) -> None:
    row = db.execute("SELECT scale FROM apps WHERE name = ?", (at.app,)).fetchone()
    if row is not None:
        scale = msgspec.json.decode(row[0], type=dict[str, int]) | event.processes
        db.execute("UPDATE apps SET scale = ? WHERE name = ?", (_json(scale).decode(), at.app))


def _built(db: Database, at: Recorded, event: events.ReleaseBuilt) -> None:
    db.execute(
        'INSERT INTO releases (app, release, built_seq, "commit", environment, built_at, size_bytes) '
        "SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM apps WHERE name = ?) "
        "ON CONFLICT (app, release) DO UPDATE SET built_seq = excluded.built_seq, "
        '"commit" = excluded."commit", environment = excluded.environment, built_at = excluded.built_at, '
        "size_bytes = excluded.size_bytes, pruned_at = NULL",
        (
            at.app,
            event.release,
            at.seq,
            _json(event.commit).decode(),
            event.environment,
            at.at,
            event.size_bytes,
            at.app,
        ),
    )


def _pruned(db: Database, at: Recorded, event: events.ReleasePruned) -> None:
    db.execute(
        "UPDATE releases SET pruned_at = ? WHERE app = ? AND release = ? AND pruned_at IS NULL",
        (at.at, at.app, event.release),
    )


def _queued(db: Database, at: Recorded, event: events.DeployQueued) -> None:
    db.execute(
        "INSERT INTO deploys (id, queued_seq, app, kind, status, reason, detail, queued_at) "
        "VALUES (?, ?, ?, ?, ?, '', '', ?) ON CONFLICT (id) DO NOTHING",
        (at.deploy, at.seq, at.app, event.deploy_kind, Stage.QUEUED, at.at),
    )


def _change_found(db: Database, at: Recorded, _: events.ChangeFound) -> None:
    db.execute("UPDATE deploys SET change_seq = ? WHERE id = ? AND switched_at IS NULL", (at.seq, at.deploy))


def _stage_began(db: Database, at: Recorded, event: events.StageBegan) -> None:
    db.execute(
        "INSERT INTO stages (deploy, stage, began_seq, began_at, detail) "
        "SELECT ?, ?, ?, ?, '' WHERE EXISTS (SELECT 1 FROM deploys WHERE id = ?) ON CONFLICT (deploy, stage) "
        "DO UPDATE SET began_seq = excluded.began_seq, began_at = excluded.began_at, "
        "ended_at = NULL, duration_s = NULL, detail = ''",
        (at.deploy, event.stage, at.seq, at.at, at.deploy),
    )
    db.execute("UPDATE deploys SET status = ? WHERE id = ? AND outcome IS NULL", (event.stage, at.deploy))
    if event.stage is not Stage.QUEUED:
        db.execute("UPDATE deploys SET began_at = ? WHERE id = ? AND began_at IS NULL", (at.at, at.deploy))


def _stage_ended(db: Database, at: Recorded, event: events.StageEnded) -> None:
    db.execute(
        "UPDATE stages SET ended_at = ?, duration_s = ?, detail = ? "
        "WHERE deploy = ? AND stage = ? AND ended_at IS NULL",
        (at.at, event.duration_s, event.detail, at.deploy, event.stage),
    )


def _task_began(db: Database, at: Recorded, event: events.TaskBegan) -> None:
    db.execute(
        "INSERT INTO tasks (deploy, position, command, began_at) "
        "SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM deploys WHERE id = ?) ON CONFLICT (deploy, position) "
        "DO UPDATE SET command = excluded.command, began_at = excluded.began_at, ended_at = NULL, "
        "exit_status = NULL, duration_s = NULL",
        (at.deploy, event.index, event.command, at.at, at.deploy),
    )


def _task_ended(db: Database, at: Recorded, event: events.TaskEnded) -> None:
    db.execute(
        "UPDATE tasks SET ended_at = ?, exit_status = ?, duration_s = ? "
        "WHERE deploy = ? AND position = ? AND ended_at IS NULL",
        (at.at, event.exit_status, event.duration_s, at.deploy, event.index),
    )


def _ended(db: Database, at: Recorded, event: events.DeployEnded) -> None:
    if event.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK):
        pointer.discredit(db, at, only_unfinished=True)
    db.execute(
        "UPDATE deploys SET status = ?, outcome = ?, reason = ?, detail = ?, failed_stage = ?, ended_at = ?, "
        "duration_s = ? WHERE id = ? AND outcome IS NULL",
        (
            ENDED,
            event.outcome,
            event.reason,
            event.detail,
            event.failed_stage,
            at.at,
            event.duration_s,
            at.deploy,
        ),
    )


_CHANGES: dict[type[events.Fact], Callable[..., None]] = {
    events.AppCreated: _created,
    events.AppRemoved: _removed,
    events.SettingsChanged: _settings,
    events.Scaled: _scaled,
    events.ReleaseBuilt: _built,
    events.ReleasePruned: _pruned,
    events.DeployQueued: _queued,
    events.ChangeFound: _change_found,
    events.StageBegan: _stage_began,
    events.StageEnded: _stage_ended,
    events.TaskBegan: _task_began,
    events.TaskEnded: _task_ended,
    events.Switched: pointer.switched,
    events.SwitchedBack: pointer.switched_back,
    events.DeployEnded: _ended,
    events.IncidentOpened: incidents.opened,
    events.IncidentClosed: incidents.closed,
}
