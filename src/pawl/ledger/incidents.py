"""The incidents in SQL: the rows of ``incidents``, one each, and the deploys that happened meanwhile."""

from __future__ import annotations

from pawl.ledger.database import Database
from pawl.ledger.events import IncidentClosed, IncidentOpened
from pawl.ledger.records import IncidentView, Recorded, earliest_meanwhile, iso_utc

_COLUMNS = (
    "SELECT id, app, title, began_at, opened_at, opened_by, caused_by, is_external, ended_at, closed_at, closed_by, "
    "fixed_by, note FROM incidents "
)
_NEWEST_FIRST = "ORDER BY opened_seq DESC LIMIT ?"
_MEANWHILE = (
    "SELECT id FROM deploys WHERE app = ? AND queued_at >= ? AND queued_at <= ? "
    "AND (ended_at IS NULL OR ended_at >= ?) ORDER BY queued_seq"
)
_NEVER = "9999"  # sorts after every time


def opened(db: Database, at: Recorded, event: IncidentOpened) -> None:
    """A new incident; a second one of the same id changes nothing."""
    db.execute(
        "INSERT INTO incidents (id, opened_seq, app, title, began_at, opened_at, opened_by, caused_by, is_external, "
        "closed_by, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', '') ON CONFLICT (id) DO NOTHING",
        (
            event.incident, at.seq, at.app, event.title, iso_utc(event.began_at), at.at, event.by, event.caused_by,
            int(event.is_external),
        ),
    )  # fmt: skip


def closed(db: Database, at: Recorded, event: IncidentClosed) -> None:
    """The end of an incident that is open."""
    db.execute(
        "UPDATE incidents SET ended_at = ?, closed_at = ?, closed_by = ?, fixed_by = ?, note = ? "
        "WHERE id = ? AND app = ? AND closed_at IS NULL",
        (iso_utc(event.ended_at), at.at, event.by, event.fixed_by, event.note, event.incident, at.app),
    )


def newest(db: Database, app: str | None, *, limit: int) -> list[IncidentView]:
    """The incidents of an app or of all, the one opened last first, at most ``limit``."""
    if app is None:
        rows = db.execute(_COLUMNS + _NEWEST_FIRST, (limit,)).fetchall()
    else:
        rows = db.execute(f"{_COLUMNS} WHERE app = ? {_NEWEST_FIRST}", (app, limit)).fetchall()
    return [_view(db, row) for row in rows]


def one(db: Database, incident: str) -> IncidentView | None:
    row = db.execute(_COLUMNS + "WHERE id = ?", (incident,)).fetchone()
    return _view(db, row) if row else None


def _view(db: Database, row: tuple[str, ...]) -> IncidentView:
    (incident, app, title, began_at, opened_at, opened_by, caused_by, external) = row[:8]
    (ended_at, closed_at, closed_by, fixed_by, note) = row[8:]
    span = (app, earliest_meanwhile(began_at), ended_at or _NEVER, began_at)
    return IncidentView(
        id=incident, app=app, title=title, began_at=began_at, opened_at=opened_at, opened_by=opened_by,
        caused_by=caused_by, is_external=bool(external), ended_at=ended_at, closed_at=closed_at, closed_by=closed_by,
        fixed_by=fixed_by, note=note, deploys=tuple(deploy for (deploy,) in db.execute(_MEANWHILE, span).fetchall()),
    )  # fmt: skip
