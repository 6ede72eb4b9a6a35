"""The views of the ledger in memory, written a second time in plain Python: what the SQL is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from msgspec.structs import replace as changed

from pawl.ledger import events
from pawl.ledger.dora.facts import apply as measure
from pawl.ledger.dora.span import KeptRows
from pawl.ledger.records import (
    ENDED,
    AppView,
    DeployView,
    IncidentView,
    Recorded,
    ReleaseView,
    StageView,
    TaskView,
    earliest_meanwhile,
    iso_utc,
)
from pawl.model import DeployKind, Live, Outcome, Stage

_T = TypeVar("_T", StageView, TaskView)


@dataclass
class _Place:
    live: Live
    is_good: bool = True

    @property
    def pair(self) -> tuple[str, int]:
        return self.live.release, self.live.settings


@dataclass
class _App:
    created_at: str
    places: list[_Place] = field(default_factory=list)
    here: _Place | None = None
    settings: int = 0
    scale: dict[str, int] = field(default_factory=dict)
    releases: dict[str, ReleaseView] = field(default_factory=dict)

    def view(self, name: str) -> AppView:
        seen = {self.here.pair} if self.here else set()
        previous = []
        for place in reversed(self.places):
            if place.pair not in seen and place.is_good:
                previous.append(place.live)
            seen.add(place.pair)
        return AppView(
            name=name,
            created_at=self.created_at,
            live=self.here.live if self.here else None,
            previous=tuple(previous[:20]),
            scale=dict(self.scale),
        )

    def move(self, live: Live | None, at: str) -> None:
        for release in (self.here.live.release if self.here else None, live.release if live else None):
            if release in self.releases:
                self.releases[release] = changed(self.releases[release], last_live_at=at)
        self.here = _Place(live) if live else None
        if self.here:
            self.places.append(self.here)

    def discredit(self, deploy: str | None) -> None:
        for place in self.places:
            if place.live.deploy == deploy:
                place.is_good = False


class History:
    """The views after the events applied so far; ``deploys`` and ``incidents`` in the order they were recorded.

    The deploys of an incident are found when it is read: see :meth:`seen`.
    """

    def __init__(self) -> None:
        self.apps: dict[str, _App] = {}
        self.deploys: dict[str, DeployView] = {}
        self.incidents: dict[str, IncidentView] = {}
        self.measured = KeptRows()

    def apply(self, at: Recorded) -> None:
        """Change the views by one event, as :func:`pawl.ledger.views.apply` does."""
        event = at.event
        measure(self.measured, at)
        if isinstance(event, events.DeployFact):
            self._in_deploy(at, event)
        if isinstance(event, events.IncidentOpened):
            self.incidents.setdefault(event.incident, _opened(at, event))
        elif isinstance(event, events.IncidentClosed):
            self._closed(at, event)
        elif isinstance(event, events.AppCreated):
            self.apps.setdefault(at.app or "", _App(at.at))
        elif isinstance(event, events.AppRemoved):
            self.apps.pop(at.app or "", None)
        elif at.app in self.apps:
            self._in_app(self.apps[at.app], at)

    def seen(self, incident: IncidentView) -> IncidentView:
        """The incident with the deploys that happened while it was open."""
        earliest = earliest_meanwhile(incident.began_at)
        meanwhile = [
            one.id
            for one in self.deploys.values()
            if one.app == incident.app
            and earliest <= one.queued_at
            and (incident.ended_at is None or one.queued_at <= incident.ended_at)
            and (one.ended_at is None or one.ended_at >= incident.began_at)
        ]
        return changed(incident, deploys=tuple(meanwhile))

    def _closed(self, at: Recorded, event: events.IncidentClosed) -> None:
        known = self.incidents.get(event.incident)
        if known is not None and known.app == at.app and known.closed_at is None:
            self.incidents[known.id] = changed(
                known, ended_at=iso_utc(event.ended_at), closed_at=at.at, closed_by=event.by, fixed_by=event.fixed_by,
                note=event.note,
            )  # fmt: skip

    def _in_app(self, app: _App, at: Recorded) -> None:
        match at.event:
            case events.SettingsChanged(version=version):
                app.settings = version
            case events.Scaled(processes=processes):
                app.scale |= processes
            case events.ReleaseBuilt() as built:
                before = app.releases.pop(built.release, None)
                app.releases[built.release] = ReleaseView(
                    release=built.release,
                    commit=built.commit,
                    environment=built.environment,
                    built_at=at.at,
                    pruned_at=None,
                    size_bytes=built.size_bytes,
                    last_live_at=before.last_live_at if before else None,
                )
            case events.ReleasePruned(release=release) if release in app.releases:
                was = app.releases[release]
                app.releases[release] = changed(was, pruned_at=was.pruned_at or at.at)
            case events.Switched() as to:
                self._switched(app, at, to)
            case events.SwitchedBack() as to:
                self._switched_back(app, at, to)

    def _switched(self, app: _App, at: Recorded, to: events.Switched) -> None:
        deploy = at.deploy or ""
        if app.here and (*app.here.pair, app.here.live.deploy) == (to.release, to.settings, deploy):
            return
        asked = self.deploys.get(deploy)
        if app.here and asked and asked.kind is DeployKind.ROLLBACK:
            app.here.is_good = False
        app.move(Live(to.release, to.settings, to.commit, deploy, at.at), at.at)

    def _switched_back(self, app: _App, at: Recorded, to: events.SwitchedBack) -> None:
        app.discredit(at.deploy)
        if to.release is None or to.settings is None:
            app.move(None, at.at)
        elif not app.here or app.here.pair != (to.release, to.settings) or app.here.live.deploy == at.deploy:
            nothing = Live(to.release, to.settings, "", "", at.at)
            places = (place for place in reversed(app.places) if place.pair == (to.release, to.settings))
            before = next((place.live for place in places if place.live.deploy != at.deploy), nothing)
            app.move(replace(before, commit=to.commit or before.commit, since=at.at), at.at)

    def _in_deploy(self, at: Recorded, event: events.DeployFact) -> None:
        known = self.deploys.get(at.deploy or "")
        if known is None:
            if isinstance(event, events.DeployQueued):
                self.deploys[at.deploy or ""] = _queued(at, event)
            return
        if at.app in self.apps and known.outcome is None and _ends_badly(event):
            self.apps[at.app].discredit(at.deploy)
        self.deploys[known.id] = _advanced(known, at)


def _opened(at: Recorded, event: events.IncidentOpened) -> IncidentView:
    return IncidentView(
        id=event.incident, app=at.app or "", title=event.title, began_at=iso_utc(event.began_at), opened_at=at.at,
        opened_by=event.by, caused_by=event.caused_by, is_external=event.is_external, ended_at=None, closed_at=None,
        closed_by="", fixed_by=None, note="", deploys=(),
    )  # fmt: skip


def _ends_badly(event: events.DeployFact) -> bool:
    return isinstance(event, events.DeployEnded) and event.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK)


def _queued(at: Recorded, event: events.DeployQueued) -> DeployView:
    return DeployView(
        id=at.deploy or "",
        app=at.app or "",
        kind=event.deploy_kind,
        commit=event.commit,
        release=event.release,
        settings=event.settings,
        previous_release=event.previous_release,
        commits=event.commits,
        authors=event.authors,
        options=event.options,
        asked_by=event.asked_by,
        from_live=event.from_live,
        path=event.path,
        status=Stage.QUEUED.value,
        outcome=None,
        reason="",
        detail="",
        failed_stage=None,
        queued_at=at.at,
        began_at=None,
        switched_at=None,
        ended_at=None,
        duration_s=None,
        stages=(),
        tasks=(),
    )


def _advanced(known: DeployView, at: Recorded) -> DeployView:
    match at.event:
        case events.StageBegan(stage=stage):
            begun = StageView(stage=stage, began_at=at.at, ended_at=None, duration_s=None, detail="")
            others = tuple(one for one in known.stages if one.stage is not stage)
            left_queue = known.began_at or (at.at if stage is not Stage.QUEUED else None)
            status = known.status if known.outcome else stage.value
            return changed(known, stages=(*others, begun), status=status, began_at=left_queue)
        case events.ChangeFound(from_live=live) as found if known.switched_at is None:
            return changed(
                known, commits=found.commits, authors=found.authors, from_live=live,
                previous_release=live.release if live else None,
            )  # fmt: skip
        case events.StageEnded(stage=stage, duration_s=lasted, detail=detail):
            return changed(
                known,
                stages=_ended(known.stages, at, lambda s: s.stage is stage, duration_s=lasted, detail=detail),
            )
        case events.TaskBegan(index=index, command=command):
            task = TaskView(
                index=index, command=command, began_at=at.at, ended_at=None, exit_status=None, duration_s=None
            )
            tasks = (*(one for one in known.tasks if one.index != index), task)
            return changed(known, tasks=tuple(sorted(tasks, key=lambda one: one.index)))
        case events.TaskEnded(index=index, exit_status=status, duration_s=lasted):
            return changed(
                known,
                tasks=_ended(known.tasks, at, lambda t: t.index == index, exit_status=status, duration_s=lasted),
            )
        case events.Switched():
            return changed(known, switched_at=known.switched_at or at.at)
        case events.DeployEnded() as end if known.outcome is None:
            return changed(
                known,
                status=ENDED,
                outcome=end.outcome,
                reason=end.reason,
                detail=end.detail,
                failed_stage=end.failed_stage,
                ended_at=at.at,
                duration_s=end.duration_s,
            )
    return known


def _ended(views: tuple[_T, ...], at: Recorded, is_meant: Callable[[_T], bool], **result: object) -> tuple[_T, ...]:
    return tuple(
        changed(one, ended_at=at.at, **result) if is_meant(one) and one.ended_at is None else one for one in views
    )
