"""One deploy: what changed, how it went, what was seen of it, and what happened after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from pawl.dashboard import acting, charts, evidence
from pawl.dashboard.pages import beside, stories
from pawl.dashboard.pages.rows import VERDICT_TONES, title_of, tone_of
from pawl.dashboard.pages.waterfall import unix, waterfall
from pawl.dashboard.visit import Visit
from pawl.ledger.events import Learned, MigrationsFound, RestoredWatched, SwitchedBack, VerdictReached
from pawl.ledger.observations import Observation
from pawl.ledger.records import DeployView, IncidentView, Recorded
from pawl.model import Stage

_LOG_BEFORE_S, _LOG_AFTER_S, _LOG_MOST = 15.0, 45.0, 300
_LOG_GRACE_S = 15.0
_AFTER_KINDS = {"switched_back", "note", "instance_crashed", "crash_loop", "memory_exceeded"}
_AFTER_MOST = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the change: the observation, when, and whether the watch goes on; ``note`` as of the verdict."""

    observation: Observation
    at: str
    is_live: bool
    stage: str
    acts: bool = False
    note: str = ""

    @property
    def tone(self) -> str:
        return VERDICT_TONES.get(self.observation.verdict, "")

    @property
    def evidence_share(self) -> float:
        """How far the evidence has come of what takes a change back: 0 or more, 1 takes it back."""
        seen = self.observation
        return max(0.0, seen.log_e / seen.log_threshold) if seen.log_threshold > 0 else 0.0


async def page(visit: Visit, request: Request) -> Response:
    view = visit.deploy(request.path_params["deploy"])
    shown = await values(visit, view)
    live = f"deploy:{view.id}" if is_moving(visit, view) else ""
    told = {"live": live, "here": "apps", "logs": await logs(visit, view)}
    return visit.page(request, "deploy.html", {**shown, **told})


def is_moving(visit: Visit, deploy: DeployView) -> bool:
    """Whether there may be more to see of it soon."""
    if deploy.outcome is None or visit.place.latest(f"{deploy.id}:restored") is not None:
        return True
    return deploy.ended_at is not None and visit.clock.now - unix(deploy.ended_at) < 600


async def values(visit: Visit, deploy: DeployView) -> dict[str, Any]:
    """What the page shows, without the logs."""
    ledger = visit.place.ledger
    events = ledger.events(deploy=deploy.id)
    seen = _seen(visit, deploy, events)
    return {
        "deploy": deploy,
        "incidents": _incidents(visit, deploy),
        "lessons": [(one.at, one.event) for one in events if isinstance(one.event, Learned)],
        "evidence": _evidence(visit, deploy, seen),
        "title": title_of(deploy),
        "tone": tone_of(deploy),
        "waterfall": waterfall(deploy, now=visit.clock.now),
        "seen": seen,
        "restored": next((one.event for one in events if isinstance(one.event, RestoredWatched)), None),
        "migrations": next((one.event for one in events if isinstance(one.event, MigrationsFound)), None),
        "taken_back": next((one for one in events if isinstance(one.event, SwitchedBack)), None),
        "sides": await beside.by_route(visit, deploy, seen.observation if seen else None),
        "actions": acting.offered(visit, deploy),
        "after": [(one, stories.sentence(one)) for one in _after(visit, deploy)],
        "ahead": _ahead(visit, deploy),
    }


async def fragments(visit: Visit, shown: dict[str, Any]) -> dict[str, str]:
    """The parts of the page that move, by the id they have in it."""
    deploy: DeployView = shown["deploy"]
    at = deploy.switched_at or deploy.ended_at
    moving = {}
    if at is None or visit.clock.now < unix(at) + _LOG_AFTER_S + _LOG_GRACE_S:
        moving["part-logs"] = visit.text("parts/logs.html", {**shown, "logs": await logs(visit, deploy)})
    return moving | {
        "part-state": visit.text("parts/deploy_state.html", shown),
        "part-actions": visit.text("parts/deploy_actions.html", shown),
        "part-change": visit.text("parts/change.html", shown),
        "part-stages": visit.text("parts/stages.html", shown),
        "part-seen": visit.text("parts/seen.html", shown),
        "part-after": visit.text("parts/after.html", shown),
    }


async def logs(visit: Visit, deploy: DeployView) -> Sequence[tuple[float, str, str]]:
    """What the app's instances wrote around the switch, or around the end of a deploy that never came so far."""
    at = deploy.switched_at or deploy.ended_at
    if at is None:
        return []
    middle = unix(at)
    return await visit.place.log_lines(
        deploy.app, since=middle - _LOG_BEFORE_S, until=middle + _LOG_AFTER_S, most=_LOG_MOST
    )  # fmt: skip


def _seen(visit: Visit, deploy: DeployView, events: Sequence[Recorded]) -> Seen | None:
    """The verdict that stands, or the last look while the watch goes on."""
    latest = visit.place.latest(deploy.id)
    if latest is not None and deploy.outcome is None:
        return Seen(latest[1], latest[0], is_live=True, stage=deploy.status)
    for item in reversed(events):
        if isinstance(item.event, VerdictReached):
            verdict = item.event
            return Seen(verdict.observation, item.at, False, str(verdict.stage), verdict.acts, verdict.note)
    return None


def _evidence(visit: Visit, deploy: DeployView, seen: Seen | None) -> Markup:
    """How the evidence ran, drawn."""
    began = beside.serves_since(deploy)
    if seen is None or began is None:
        return Markup("")
    found = evidence.chart(
        seen.observation.path, began=began,
        duration_s=seen.observation.duration_s, log_threshold=seen.observation.log_threshold,
    )  # fmt: skip
    if found is None:
        return Markup("")
    return Markup(charts.figure(found, zone=visit.clock.where))  # noqa: S704 - charts escapes every text


def _incidents(visit: Visit, deploy: DeployView) -> list[tuple[IncidentView, str]]:
    """The incidents that the deploy caused, ended or happened in, oldest first."""
    return [
        (
            item,
            "caused" if item.caused_by == deploy.id else "ended" if item.fixed_by == deploy.id else "happened during",
        )
        for item in reversed(visit.place.ledger.incidents(deploy.app, limit=None))
        if deploy.id in (item.caused_by, item.fixed_by, *item.deploys)
    ]


def _after(visit: Visit, deploy: DeployView) -> list[Recorded]:
    """What befell the app between this change going live and the next one, and what was said of the deploy since."""
    ledger = visit.place.ledger
    own = ledger.events(deploy=deploy.id, kinds=_AFTER_KINDS)
    if deploy.switched_at is None:
        return own
    later = [] if deploy.outcome is None else [
        one.switched_at for one in ledger.deploys(deploy.app, limit=500)
        if one.switched_at is not None and one.switched_at > deploy.switched_at
    ]  # fmt: skip
    until = min(later, default="~")
    around = ledger.events(app=deploy.app, kinds=_AFTER_KINDS, newest_first=True, limit=500)
    found = {one.seq: one for one in own}
    found |= {one.seq: one for one in around if one.deploy is None and deploy.switched_at <= one.at < until}
    return [found[seq] for seq in sorted(found)][:_AFTER_MOST]


def _ahead(visit: Visit, deploy: DeployView) -> str:
    """The deploy that this one waits for."""
    if deploy.status != Stage.QUEUED or deploy.outcome:
        return ""
    return next(
        (one.id for one in visit.place.ledger.unfinished() if one.app == deploy.app and one.id != deploy.id), ""
    )
