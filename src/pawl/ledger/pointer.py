"""What is live: the pointer of an app, moved by ``switched`` and ``switched_back``, and the places it was before.

Each place is a row of ``lives``. A place is discredited (``is_good`` 0) when the deploy that led there is taken back,
fails or is rolled back, and when a rollback leads away from it; only good ones are offered for a rollback.
"""

from __future__ import annotations

from typing import NamedTuple

from pawl.ledger.database import Database
from pawl.ledger.events import Switched, SwitchedBack
from pawl.ledger.records import Recorded
from pawl.model import DeployKind


class _Place(NamedTuple):
    """Where the pointer of an app stands, all None if nothing is live; and the kind of the deploy that asks."""

    seq: int | None
    release: str | None
    settings: int | None
    deploy: str | None
    asking: str | None


def switched(db: Database, at: Recorded, event: Switched) -> None:
    db.execute("UPDATE deploys SET switched_at = ? WHERE id = ? AND switched_at IS NULL", (at.at, at.deploy))
    here = _place(db, at)
    if here is None or (here.release, here.settings, here.deploy) == (event.release, event.settings, at.deploy):
        return
    if here.asking == DeployKind.ROLLBACK:
        db.execute("UPDATE lives SET is_good = 0 WHERE seq = ?", (here.seq,))
    _was_live(db, at, here.release)
    _arrive(db, at, release=event.release, settings=event.settings, commit=event.commit, deploy=at.deploy or "")


def switched_back(db: Database, at: Recorded, event: SwitchedBack) -> None:
    discredit(db, at)
    here = _place(db, at)
    if here is None:
        return
    if event.release is None or event.settings is None:
        _was_live(db, at, here.release)
        db.execute("UPDATE apps SET live = NULL WHERE name = ?", (at.app,))
    elif (here.release, here.settings) != (event.release, event.settings) or here.deploy == at.deploy:
        _was_live(db, at, here.release)
        before = db.execute(
            'SELECT deploy, "commit" FROM lives WHERE app = ? AND release = ? AND settings = ? AND deploy <> ? '
            "ORDER BY seq DESC LIMIT 1",
            (at.app, event.release, event.settings, at.deploy),
        ).fetchone()
        deploy, commit = before or ("", "")
        _arrive(db, at, release=event.release, settings=event.settings, commit=event.commit or commit, deploy=deploy)


def discredit(db: Database, at: Recorded, *, only_unfinished: bool = False) -> None:
    """The places that the deploy led to are no longer offered for a rollback."""
    unless_ended, deploy = (
        (" AND EXISTS (SELECT 1 FROM deploys WHERE id = ? AND outcome IS NULL)", [at.deploy])
        if only_unfinished
        else ("", [])
    )
    db.execute(
        f"UPDATE lives SET is_good = 0 WHERE deploy = ? AND app = ?{unless_ended}",  # noqa: S608  # two constants
        (at.deploy, at.app, *deploy),
    )


def _place(db: Database, at: Recorded) -> _Place | None:
    """Where the app's pointer stands; None if there is no such app."""
    row = db.execute(
        "SELECT l.seq, l.release, l.settings, l.deploy, (SELECT kind FROM deploys WHERE id = ?) "
        "FROM apps a LEFT JOIN lives l ON l.seq = a.live WHERE a.name = ?",
        (at.deploy, at.app),
    ).fetchone()
    return _Place(*row) if row else None


def _arrive(db: Database, at: Recorded, *, release: str, settings: int, commit: str, deploy: str) -> None:
    db.execute(
        "UPDATE lives SET is_latest = 0 WHERE app = ? AND release = ? AND settings = ? AND is_latest = 1",
        (at.app, release, settings),
    )
    db.execute(
        'INSERT INTO lives (seq, app, release, settings, "commit", deploy, since, is_latest, is_good) '
        "VALUES (?, ?, ?, ?, ?, ?, ?, 1, 1)",
        (at.seq, at.app, release, settings, commit, deploy, at.at),
    )
    db.execute("UPDATE apps SET live = ? WHERE name = ?", (at.seq, at.app))
    _was_live(db, at, release)


def _was_live(db: Database, at: Recorded, release: str | None) -> None:
    db.execute("UPDATE releases SET last_live_at = ? WHERE app = ? AND release = ?", (at.at, at.app, release))
