"""What is handed to the ledger and read back from it: frozen values; all times are ISO 8601 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from pawl.ledger.events import (
    AppFact,
    DeployFact,
    DeployOptions,
    Event,
    IncidentClosed,
    IncidentOpened,
    kind_of,
)
from pawl.model import Commit, DeployKind, Live, Outcome, Stage

ENDED = "ended"
_LONGEST_DEPLOY = timedelta(days=7)


class Entry(msgspec.Struct, frozen=True):
    """An event to be appended, with the app and the deploy it belongs to.

    Raises:
        ValueError: the event is one of an app or a deploy, and that is not named.
    """

    event: Event
    app: str | None = None
    deploy: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.event, AppFact) and not self.app:
            raise ValueError(f"{kind_of(self.event)} is appended with the name of its app")
        if isinstance(self.event, DeployFact) and not self.deploy:
            raise ValueError(f"{kind_of(self.event)} is appended with the id of its deploy")


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stands in the ledger; ``seq`` is its place, counted from 1 without gaps."""

    seq: int
    at: str
    app: str | None
    deploy: str | None
    event: Event

    @property
    def kind(self) -> str:
        return kind_of(self.event)


class AppView(msgspec.Struct, frozen=True, kw_only=True):
    """An app that is there now.

    ``previous`` is what a rollback chooses from, newest first, at most 20: what was live before, each pair of
    release and settings once, without the pair that is live and without those that were last seen failing or taken
    back. Releases that were pruned are not left out.
    """

    name: str
    created_at: str
    live: Live | None
    previous: tuple[Live, ...]
    scale: dict[str, int]


class StageView(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of a deploy; ``ended_at`` None means it goes on, failed, or was cut off with its pawld."""

    stage: Stage
    began_at: str
    ended_at: str | None
    duration_s: float | None
    detail: str


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A release task of a deploy; ``exit_status`` None as long as it runs, negative for a signal."""

    index: int
    command: str
    began_at: str
    ended_at: str | None
    exit_status: int | None
    duration_s: float | None


class DeployView(msgspec.Struct, frozen=True, kw_only=True):
    """A deploy as far as it has come.

    ``status`` is the stage begun last (``queued`` before any) or ``ended``. ``began_at`` is when it left the queue,
    ``switched_at`` when it first went live, also if it was taken back. ``stages`` in the order they were begun; one
    that was begun again after a crash is there once, with its last try. ``tasks`` by their number.
    """

    id: str
    app: str
    kind: DeployKind
    commit: Commit | None
    release: str
    settings: int | None
    previous_release: str | None
    commits: tuple[Commit, ...]
    authors: tuple[str, ...]
    options: DeployOptions
    asked_by: str
    from_live: Live | None
    path: str
    status: str
    outcome: Outcome | None
    reason: str
    detail: str
    failed_stage: Stage | None
    queued_at: str
    began_at: str | None
    switched_at: str | None
    ended_at: str | None
    duration_s: float | None
    stages: tuple[StageView, ...]
    tasks: tuple[TaskView, ...]


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A release that was built for an app.

    ``last_live_at`` is the newest moment at which the ledger saw it go live or cease to be live; None if it never
    was. ``pruned_at`` None means its files are there.
    """

    release: str
    commit: Commit
    environment: str
    built_at: str
    pruned_at: str | None
    size_bytes: int | None
    last_live_at: str | None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """An incident: when something was wrong with an app (``began_at`` to ``ended_at``), and when it was written down.

    ``caused_by`` is the deploy that brought it; ``is_external``: no change was the cause; with neither it is not known.
    ``closed_at`` and ``ended_at`` are None while it is open. ``deploys`` are those of the app that were asked for, ran
    or ended meanwhile, oldest first.
    """

    id: str
    app: str
    title: str
    began_at: str
    opened_at: str
    opened_by: str
    caused_by: str | None
    is_external: bool
    ended_at: str | None
    closed_at: str | None
    closed_by: str
    fixed_by: str | None
    note: str
    deploys: tuple[str, ...]


def iso_utc(moment: datetime) -> str:
    """The moment as the ledger writes it: UTC, microseconds, 27 characters, sortable as text.

    >>> iso_utc(datetime(2026, 5, 9, 7, 35, tzinfo=UTC))
    '2026-05-09T07:35:00.000000Z'

    Raises:
        ValueError: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("the ledger's clock must tell the time with its zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def earliest_meanwhile(began_at: str) -> str:
    """Deploys that were asked for before this are over when an incident begins: none takes a week.

    >>> earliest_meanwhile("2026-05-09T07:35:00.000000Z")
    '2026-05-02T07:35:00.000000Z'
    """
    try:
        return iso_utc(datetime.fromisoformat(began_at) - _LONGEST_DEPLOY)
    except OverflowError:
        return ""


def deploy_number(deploy: str | None) -> int:
    """The number in a deploy id that the ledger gave out, else 0.

    >>> deploy_number("d12"), deploy_number("nightly"), deploy_number(None)
    (12, 0, 0)
    """
    return _number(deploy, "d")


def incident_number(event: Event) -> int:
    """The number in the id of an incident that the event is about, if the ledger gave it out, else 0."""
    return _number(event.incident, "i") if isinstance(event, IncidentOpened | IncidentClosed) else 0


def _number(name: str | None, letter: str) -> int:
    digits = name[1:] if name and name[0] == letter else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 18 else 0
