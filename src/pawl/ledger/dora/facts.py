"""What is kept of each deploy for the measures, and how each event changes it.

One row for a deploy (:class:`Measured`) and one for an app (:class:`Place`), the same for every ledger: a ledger only
fetches and keeps them (:class:`Rows`). Once a deploy has ended nothing of its own course changes any more; what became
of it afterwards (``left_…``, ``is_elsewhere``) still may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from pawl.ledger.events import (
    AppRemoved,
    ChangeFound,
    DeployEnded,
    DeployFact,
    DeployQueued,
    RestoredWatched,
    StageBegan,
    Switched,
    SwitchedBack,
    VerdictReached,
)
from pawl.ledger.records import Recorded
from pawl.model import Commit, DeployKind, Stage

BAD = ("roll back", "hard fail")
TAKEN_BACK, ROLLED_BACK, REPLACED = "taken back", "rolled back", "replaced"

_URGENT = re.compile(r"\s*(?:hotfix|revert)\b", re.IGNORECASE)


class Measured(msgspec.Struct, frozen=True, gc=False):
    """A deploy as the measures see it: plain columns, times in ISO 8601 UTC or ``''``.

    ``day`` is the one it counts for: when it went live, else when it ended; ``''`` until it has ended. ``committed``
    and ``authored`` hold the times of its commits in Unix milliseconds, with commas between. ``says_urgent``: a title
    begins with "hotfix" or "revert". ``replaced`` is the deploy whose change served before, ``follows`` the change that
    went live before it. ``left_how`` says why its change does not serve any more: taken back, rolled back (by hand) or
    replaced, and ``left_for`` for which deploy.
    """

    deploy: str
    app: str
    kind: str
    release: str
    queued_at: str
    changes: int
    authors: int
    committed: str
    authored: str
    says_urgent: int
    day: str = ""
    began_at: str = ""
    live_at: str = ""
    ended_at: str = ""
    outcome: str = ""
    replaced: str = ""
    follows: str = ""
    condemned_at: str = ""
    is_withdrawn: int = 0
    is_elsewhere: int = 0
    left_at: str = ""
    left_how: str = ""
    left_for: str = ""

    @property
    def is_normal(self) -> bool:
        """Whether it brings a change: no rollback, no restart, no new settings."""
        return self.kind == DeployKind.DEPLOY

    @property
    def is_notable(self) -> bool:
        """Whether it may have failed, or mended what had."""
        return bool(self.condemned_at or self.is_elsewhere or self.says_urgent or self.left_how == ROLLED_BACK)


class Notable(msgspec.Struct, frozen=True, gc=False):
    """A :class:`Measured` as far as there is anything to say of it."""

    deploy: str
    app: str
    kind: str
    day: str
    live_at: str
    follows: str
    condemned_at: str
    says_urgent: int
    is_elsewhere: int
    left_at: str
    left_how: str
    left_for: str

    @property
    def is_normal(self) -> bool:
        """Whether it brings a change."""
        return self.kind == DeployKind.DEPLOY


def notable_of(row: Measured) -> Notable:
    return Notable(*(getattr(row, name) for name in Notable.__struct_fields__))


class Place(msgspec.Struct, frozen=True):
    """Of an app: the deploy whose change serves, and the change that went live last."""

    serving: str = ""
    newest: str = ""


class Rows(Protocol):
    """Where a ledger keeps them."""

    def deploy(self, deploy: str) -> Measured | None: ...
    def keep(self, row: Measured) -> None: ...
    def place(self, app: str) -> Place: ...
    def keep_place(self, app: str, place: Place) -> None: ...
    def end(self, row: Measured) -> None:
        """It has ended, and counts for its day from now on."""


class Named(msgspec.Struct, frozen=True, gc=False):
    """An incident that names a deploy as its cause or its end; ``ended_at`` None while it is open."""

    incident: str
    caused_by: str | None
    fixed_by: str | None
    ended_at: str | None


def apply(rows: Rows, at: Recorded) -> None:
    """Change the rows by one event."""
    event = at.event
    if isinstance(event, AppRemoved):
        rows.keep_place(at.app or "", Place())
    if not isinstance(event, DeployFact):
        return
    row = rows.deploy(at.deploy or "")
    changed = row
    if row is None:
        changed = _queued(at, event) if isinstance(event, DeployQueued) else None
    elif row.app == at.app:
        changed = _changed(rows, row, at)
    if changed is None or changed == row:
        return
    rows.keep(changed)
    if changed.ended_at and not (row and row.ended_at):
        rows.end(changed)


def _queued(at: Recorded, event: DeployQueued) -> Measured:
    return Measured(
        deploy=at.deploy or "", app=at.app or "", kind=event.deploy_kind, release=event.release, queued_at=at.at,
        **_change(event),
    )  # fmt: skip


def _change(event: DeployQueued | ChangeFound) -> dict[str, Any]:
    commits = event.commits
    return {
        "changes": len(commits), "authors": len(event.authors), "says_urgent": int(_is_urgent(commits)),
        "committed": _times(one.committed_at for one in commits),
        "authored": _times(one.authored_at for one in commits),
    }  # fmt: skip


def _times(moments: Iterable[str]) -> str:
    return ",".join(str(unix_ms(one)) for one in moments if one)


def _is_urgent(commits: tuple[Commit, ...]) -> bool:
    return any(_URGENT.match(one.title) for one in commits)


def _changed(rows: Rows, row: Measured, at: Recorded) -> Measured:
    has_ended = bool(row.ended_at)
    match at.event:
        case StageBegan(stage=stage) if stage is not Stage.QUEUED and not row.began_at and not has_ended:
            return replace(row, began_at=at.at)
        case ChangeFound() as found if not row.live_at and not has_ended:
            return replace(row, **_change(found))
        case Switched() as to if not row.live_at and not has_ended:
            return _switched(rows, row, at, to)
        case SwitchedBack() if row.live_at:
            place = rows.place(row.app)
            if place.serving == row.deploy:
                rows.keep_place(row.app, Place(row.replaced, place.newest))
            return replace(row, left_at=at.at, left_how=TAKEN_BACK, left_for="")
        case VerdictReached(observation=seen, stage=Stage.OBSERVED) if seen.verdict in BAD:
            return replace(row, condemned_at=row.condemned_at or at.at)
        case VerdictReached(stage=Stage.CANARY, acts=True):
            return replace(row, is_withdrawn=1) if not has_ended else row
        case RestoredWatched(is_cause_elsewhere=is_elsewhere):
            return replace(row, is_elsewhere=int(is_elsewhere))
        case DeployEnded(outcome=outcome) if not has_ended:
            return replace(row, ended_at=at.at, outcome=outcome, day=(row.live_at or at.at)[:10])
    return row


def _switched(rows: Rows, row: Measured, at: Recorded, to: Switched) -> Measured:
    place = rows.place(row.app)
    before = rows.deploy(place.serving)
    is_rollback = row.kind == DeployKind.ROLLBACK
    live = replace(row, live_at=at.at)
    # New settings, a restart, or going back to the settings before leave the change that serves where it is.
    if not row.is_normal and not (is_rollback and not (before and before.release == to.release)):
        return live
    if before is not None and before.deploy != row.deploy:
        how = ROLLED_BACK if is_rollback else REPLACED
        rows.keep(replace(before, left_at=at.at, left_how=how, left_for=row.deploy))
    rows.keep_place(row.app, Place(row.deploy, row.deploy if row.is_normal else place.newest))
    return replace(live, replaced=place.serving, follows=place.newest if row.is_normal else "")


def unix_ms(moment: str) -> int:
    """An ISO 8601 time as Unix milliseconds; 0, which no commit has, for what is no time.

    >>> unix_ms("1970-01-01T00:00:01.250Z"), unix_ms("yesterday")
    (1250, 0)
    """
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
