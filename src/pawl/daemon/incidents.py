"""What may be asked about incidents and what was learned, and the JSON that comes back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from pawl.daemon.pawld import Pawld
from pawl.daemon.requests import known
from pawl.errors import UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.events import IncidentClosed, IncidentOpened, Learned
from pawl.ledger.records import DeployView, IncidentView, Recorded

Json = dict[str, Any]

_LONGEST = 2000
_YEAR_10000 = 253_402_300_800
_FORWARD_S = 60.0  # a clock of the one who asks that is a little ahead


class IncidentRequest(msgspec.Struct, forbid_unknown_fields=True):
    """``began``: Unix seconds, now if None; ``caused_by``: a deploy of the app."""

    title: str
    began: float | None = None
    caused_by: str | None = None
    is_external: bool = False
    asked_by: str = ""


class ClosingRequest(msgspec.Struct, forbid_unknown_fields=True):
    """``ended``: Unix seconds; if None when ``fixed_by`` went live, or now."""

    ended: float | None = None
    fixed_by: str | None = None
    note: str = ""
    asked_by: str = ""


class LessonRequest(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    asked_by: str = ""


class IncidentsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which app, or of all; only those that are ``open``; how many, the one opened last first."""

    app: str | None = None
    open: bool = False
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50


def opened(pawld: Pawld, app: str, request: IncidentRequest) -> IncidentView:
    """Write down that something is wrong with an app.

    Raises:
        UsageError: no title or a long one, a time to come or before 1970, a deploy that is not of this app or was never
            live, or two causes.
    """
    known(pawld, app)
    title = _said(request.title, "an incident has a title", 'pawl incident open APP "feeds are down"')
    _brief(title, "a title")
    if request.caused_by is not None:
        if request.is_external:
            raise UsageError("a deploy caused it or nothing of this app did, not both")
        cause = _deploy(pawld.ledger, app, request.caused_by)
        if cause.switched_at is None:
            raise UsageError(f"deploy {cause.id} was never live, so it cannot have caused an incident")
    incident = pawld.ledger.next_incident_id()
    event = IncidentOpened(
        incident=incident, title=title, began_at=_moment(request.began, "it began"), by=request.asked_by,
        caused_by=request.caused_by, is_external=request.is_external,
    )  # fmt: skip
    pawld.ledger.append(event, app=app)
    return _known_incident(pawld.ledger, incident)


def closed(pawld: Pawld, incident: str, request: ClosingRequest) -> IncidentView:
    """Write down that an app serves well again.

    Raises:
        UsageError: no such incident, closed already, an end before its beginning or to come, or a deploy that is not of
            this app or was never live.
    """
    ledger = pawld.ledger
    view = _known_incident(ledger, incident)
    if view.closed_at is not None:
        raise UsageError(f"incident {view.id} is closed already", why=f"by {view.closed_by or 'somebody'}")
    ended = request.ended
    if request.fixed_by is not None:
        fix = _deploy(ledger, view.app, request.fixed_by)
        if fix.switched_at is None:
            raise UsageError(f"deploy {fix.id} was never live, so it cannot have ended the incident")
        if ended is None and fix.switched_at >= view.began_at:
            ended = datetime.fromisoformat(fix.switched_at).timestamp()
    event = IncidentClosed(
        incident=view.id, ended_at=_moment(ended, "it ended"), by=request.asked_by, fixed_by=request.fixed_by,
        note=_brief(request.note.strip(), "a note"),
    )  # fmt: skip
    if event.ended_at < datetime.fromisoformat(view.began_at):
        raise UsageError(f"incident {view.id} cannot have ended before it began", why=f"it began at {view.began_at}")
    ledger.append(event, app=view.app)
    return _known_incident(ledger, incident)


def listed(pawld: Pawld, query: IncidentsQuery) -> list[IncidentView]:
    """The incidents asked for.

    Raises:
        UsageError: there is no such app, and never was one with an incident.
    """
    found = pawld.ledger.incidents(query.app, limit=None if query.open else query.limit)
    if query.app is not None and not found:
        known(pawld, query.app)
    return [item for item in found if not query.open or item.closed_at is None][: query.limit]


def learned(pawld: Pawld, deploy: DeployView, request: LessonRequest) -> Recorded:
    """Keep what was learned from a deploy.

    Raises:
        UsageError: it says nothing, or is longer than a page.
    """
    text = _said(request.text, "there is nothing in what was learned", f'pawl learn {deploy.id} "what we learned"')
    told = Learned(text=_brief(text, "what was learned"), by=request.asked_by)
    return pawld.ledger.append(told, app=deploy.app, deploy=deploy.id)


def lessons(records: Iterable[Recorded]) -> dict[str, list[Json]]:
    """What was learned, by deploy, oldest first."""
    found: dict[str, list[Json]] = defaultdict(list)
    for item in records:
        if isinstance(item.event, Learned):
            found[item.deploy or ""].append({"at": item.at, "by": item.event.by, "text": item.event.text})
    return found


def around(ledger: Ledger, deploy: DeployView) -> list[Json]:
    """The incidents that a deploy caused, ended or happened in, oldest first."""
    found = [
        (item, "caused" if item.caused_by == deploy.id else "ended" if item.fixed_by == deploy.id else "meanwhile")
        for item in reversed(ledger.incidents(deploy.app, limit=None))
        if deploy.id in (item.caused_by, item.fixed_by, *item.deploys)
    ]
    return [{"incident": item.id, "title": item.title, "what": what} for item, what in found]


def shape(view: IncidentView) -> Json:
    """An incident as JSON."""
    return {
        "incident": view.id,
        "app": view.app,
        "title": view.title,
        "is_open": view.closed_at is None,
        "began_at": view.began_at,
        "ended_at": view.ended_at,
        "duration_s": _duration_s(view),
        "caused_by": view.caused_by,
        "is_external": view.is_external,
        "fixed_by": view.fixed_by,
        "note": view.note,
        "opened_at": view.opened_at,
        "opened_by": view.opened_by,
        "closed_at": view.closed_at,
        "closed_by": view.closed_by,
        "deploys": list(view.deploys),
    }


def _duration_s(view: IncidentView) -> float | None:
    if view.ended_at is None:
        return None
    return (datetime.fromisoformat(view.ended_at) - datetime.fromisoformat(view.began_at)).total_seconds()


def _known_incident(ledger: Ledger, incident: str) -> IncidentView:
    view = ledger.incident(incident)
    if view is None:
        raise UsageError(f"no incident '{incident[:40]}'", next_step="see: pawl incident list")
    return view


def _deploy(ledger: Ledger, app: str, deploy: str) -> DeployView:
    view = ledger.deploy(deploy)
    if view is None or view.app != app:
        raise UsageError(f"no deploy '{deploy[:40]}' of '{app}'", next_step=f"see: pawl deploys {app}")
    return view


def _moment(unix: float | None, what: str) -> datetime:
    now = datetime.now(UTC)
    if unix is not None and not 0 <= unix < _YEAR_10000:
        raise UsageError(
            f"{what} at no time that can be", why="times are after 1970", next_step="for example: 10:40, or 2h"
        )
    moment = now if unix is None else datetime.fromtimestamp(unix, UTC)
    if (moment - now).total_seconds() > _FORWARD_S:
        raise UsageError(f"{what} is a time to come", why=f"it is {now:%Y-%m-%d %H:%M:%S}Z now")
    return min(moment, now)


def _brief(text: str, what: str) -> str:
    if len(text) > _LONGEST:
        raise UsageError(f"{what} has up to {_LONGEST} characters", why=f"this has {len(text)}")
    return text


def _said(text: str, what: str, example: str) -> str:
    if not text.strip():
        raise UsageError(what, next_step=f"for example: {example}")
    return text.strip()
