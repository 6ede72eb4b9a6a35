"""What can happen, one class a kind, and its stored form: JSON with the kind and its schema version inside.

A field may be added with a default at any time: records without it read as the default, and a field that this Pawl
does not know is left in the record and not read. Any other change of a kind raises its ``schema`` and needs a
migration. Values that must stay secret are never part of an event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from pawl.errors import encodable
from pawl.ledger.observations import Observation
from pawl.model import Commit, DeployKind, Live, Outcome, Stage

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
ExitStatus = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**32)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Something that happened to a pawld; ``schema`` is the version of the kind's own fields."""

    schema: int = 1


class AppFact(Fact, frozen=True, kw_only=True):
    """Something that happened to an app: appended with the app's name."""


class DeployFact(AppFact, frozen=True, kw_only=True):
    """Something that happened in a deploy: appended with the app's name and the deploy's id."""


class PawldStarted(Fact, frozen=True, kw_only=True, tag="pawld_started"):
    version: str
    pid: Count


class PawldStopped(Fact, frozen=True, kw_only=True, tag="pawld_stopped"):
    reason: str


class ProxyRestarted(Fact, frozen=True, kw_only=True, tag="proxy_restarted"):
    reason: str


class Note(Fact, frozen=True, kw_only=True, tag="note"):
    """What somebody wrote down, about an app, a deploy or neither."""

    text: str
    by: str


class AppCreated(AppFact, frozen=True, kw_only=True, tag="app_created"):
    """The app is known from here on; of an app that was removed, nothing but its past deploys comes back."""


class AppRemoved(AppFact, frozen=True, kw_only=True, tag="app_removed"):
    """The app, its releases, settings and scale are gone; its events and deploys stay."""


class ReleaseBuilt(AppFact, frozen=True, kw_only=True, tag="release_built"):
    """``environment`` names what the release runs in: a set of dependencies or an image digest."""

    release: str
    commit: Commit
    environment: str
    duration_s: float
    size_bytes: Count | None = None


class ReleasePruned(AppFact, frozen=True, kw_only=True, tag="release_pruned"):
    release: str


class SettingsChanged(AppFact, frozen=True, kw_only=True, tag="settings_changed"):
    """A new version of the settings: which names were set and unset in ``what`` (env, secrets), never a value."""

    version: Count
    what: str
    set_names: tuple[str, ...] = ()
    unset_names: tuple[str, ...] = ()
    by: str


class Scaled(AppFact, frozen=True, kw_only=True, tag="scaled"):
    """Instances wanted by process type; types that are not named keep their number."""

    processes: dict[str, Count]


class InstanceCrashed(AppFact, frozen=True, kw_only=True, tag="instance_crashed"):
    """``exit`` says how it ended in words; ``restarts`` counts the restarts so far."""

    process: str
    instance: str
    release: str
    pid: Count
    exit: str
    restarts: Count
    uptime_s: float


class CrashLoop(AppFact, frozen=True, kw_only=True, tag="crash_loop"):
    process: str
    instance: str
    release: str
    restarts: Count
    within_s: float


class MemoryExceeded(AppFact, frozen=True, kw_only=True, tag="memory_exceeded"):
    process: str
    instance: str
    release: str
    rss_bytes: Count
    limit_bytes: Count


class InstanceReplaced(AppFact, frozen=True, kw_only=True, tag="instance_replaced"):
    process: str
    instance: str
    release: str
    reason: str


class IncidentOpened(AppFact, frozen=True, kw_only=True, tag="incident_opened"):
    """Something was wrong with an app in production since ``began_at``, which may be earlier than the record.

    ``caused_by`` is the deploy that brought it. ``is_external``: no change was the cause. With neither it is not known.
    """

    incident: str
    title: str
    began_at: Moment
    by: str
    caused_by: str | None = None
    is_external: bool = False


class IncidentClosed(AppFact, frozen=True, kw_only=True, tag="incident_closed"):
    """The app serves well again since ``ended_at``; ``fixed_by`` is the deploy that did it, ``note`` what was done."""

    incident: str
    ended_at: Moment
    by: str
    fixed_by: str | None = None
    note: str = ""


class DeployOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the deploy was asked for; ``expect`` holds the expectations as they were written."""

    observe: bool = True
    expect: tuple[str, ...] = ()


class DeployQueued(DeployFact, frozen=True, kw_only=True, tag="deploy_queued"):
    """A deploy was asked for.

    ``commits`` is the change, newest first, as far as the caller lists it; ``authors`` are those of the whole
    change. ``path`` is the app's folder inside its repository, empty for the top. ``from_live`` is what was live when
    it was asked for; ``settings`` None means the newest at its start.
    """

    deploy_kind: DeployKind
    release: str
    asked_by: str
    commit: Commit | None = None
    settings: Count | None = None
    previous_release: str | None = None
    commits: tuple[Commit, ...] = ()
    authors: tuple[str, ...] = ()
    options: DeployOptions = DeployOptions()
    from_live: Live | None = None
    path: str = ""


class ChangeFound(DeployFact, frozen=True, kw_only=True, tag="change_found"):
    """What becomes live with the deploy, now that its turn has come: something else went live while it waited.

    The fields are as in :class:`DeployQueued`, and take the place of what stood there.
    """

    commits: tuple[Commit, ...] = ()
    authors: tuple[str, ...] = ()
    from_live: Live | None = None


class StageBegan(DeployFact, frozen=True, kw_only=True, tag="stage_began"):
    stage: Stage


class StageEnded(DeployFact, frozen=True, kw_only=True, tag="stage_ended"):
    stage: Stage
    duration_s: float
    detail: str = ""


class TaskBegan(DeployFact, frozen=True, kw_only=True, tag="task_began"):
    """A release task, numbered by its place in the list; ``command`` as a person would type it."""

    index: Count
    command: str


class TaskEnded(DeployFact, frozen=True, kw_only=True, tag="task_ended"):
    """``exit_status`` is negative for a signal."""

    index: Count
    exit_status: ExitStatus
    duration_s: float


class MigrationsFound(DeployFact, frozen=True, kw_only=True, tag="migrations_found"):
    """What the release tasks are about to do to the database, one line each, as it was seen before they ran.

    ``destructive`` breaks the release before, which still serves; ``irreversible`` loses what cannot be brought back;
    ``unknown`` could not be judged. ``trouble`` says why the plan could not be read.
    """

    pending: tuple[str, ...] = ()
    destructive: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def blocking(self) -> tuple[str, ...]:
        """Why the release is not gone back from by itself."""
        return (*self.destructive, *self.irreversible)


class Switched(DeployFact, frozen=True, kw_only=True, tag="switched"):
    """This release with these settings serves from now on; ``commit`` is the full sha."""

    release: str
    settings: Count
    commit: str


class SwitchedBack(DeployFact, frozen=True, kw_only=True, tag="switched_back"):
    """What the deploy made live was taken back: the named pair serves again, or nothing does (all None)."""

    release: str | None = None
    settings: Count | None = None
    commit: str | None = None
    reason: str


class KeepAsked(DeployFact, frozen=True, kw_only=True, tag="keep_asked"):
    """Somebody has decided to keep the change, whatever was seen of it by then."""

    by: str


class VerdictReached(DeployFact, frozen=True, kw_only=True, tag="verdict_reached"):
    """The watch over a change has ended. ``acts``: the change is taken back for it; ``note`` says why a bad one is not.

    ``stage`` is where the change was: serving a part of the requests (canary) or all (observed).
    """

    observation: Observation
    acts: bool
    note: str = ""
    stage: Stage = Stage.OBSERVED


class RestoredWatched(DeployFact, frozen=True, kw_only=True, tag="restored_watched"):
    """What became of the release that a change was taken back to.

    ``is_cause_elsewhere``: it is as bad as the change was, so the change was not the cause.
    """

    observation: Observation
    is_cause_elsewhere: bool


class Learned(DeployFact, frozen=True, kw_only=True, tag="learned"):
    """What somebody took away from a deploy, in a sentence; there may be several."""

    text: str
    by: str


class DeployEnded(DeployFact, frozen=True, kw_only=True, tag="deploy_ended"):
    """``reason`` is one line for a table, ``next_step`` what its author can do, ``detail`` the tail of a log."""

    outcome: Outcome
    reason: str = ""
    next_step: str = ""
    detail: str = ""
    failed_stage: Stage | None = None
    duration_s: float


Event = (
    PawldStarted
    | PawldStopped
    | ProxyRestarted
    | Note
    | AppCreated
    | AppRemoved
    | ReleaseBuilt
    | ReleasePruned
    | SettingsChanged
    | Scaled
    | InstanceCrashed
    | CrashLoop
    | MemoryExceeded
    | InstanceReplaced
    | IncidentOpened
    | IncidentClosed
    | DeployQueued
    | StageBegan
    | StageEnded
    | ChangeFound
    | TaskBegan
    | TaskEnded
    | MigrationsFound
    | Switched
    | SwitchedBack
    | KeepAsked
    | VerdictReached
    | RestoredWatched
    | Learned
    | DeployEnded
)

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def kind_of(event: Event | type[Event]) -> str:
    """The name under which a kind is stored.

    >>> kind_of(StageBegan)
    'stage_began'
    """
    return str(event.__struct_config__.tag)


def stored_form(event: Event) -> tuple[Event, str]:
    """The event as it will be read back, and its JSON with the kind inside; with ``?`` for what UTF-8 cannot hold.

    Raises:
        ValueError: a field does not have the type it is declared with, so that it could not be read back.
    """
    try:
        data = msgspec.json.encode(event)
    except UnicodeEncodeError:
        data = msgspec.json.encode(_encodable(msgspec.to_builtins(event)))
    return decoded(data), data.decode()


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return encodable(value)
        case dict():
            return {name: _encodable(one) for name, one in value.items()}
        case list() | tuple():
            return [_encodable(one) for one in value]
    return value


def decoded(data: bytes | str) -> Event:
    """The event in JSON that :func:`stored_form` gave, in this Pawl or another.

    Raises:
        ValueError: it is not JSON, of no known kind, or a field does not have its type.
    """
    return _decoder.decode(data)
