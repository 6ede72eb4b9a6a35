"""The JSON that reading commands print: stable names, ISO 8601 UTC times, units in names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from pawl.engines.base import InstanceView
from pawl.ledger.events import (
    ChangeFound,
    DeployEnded,
    DeployQueued,
    KeepAsked,
    MigrationsFound,
    RestoredWatched,
    StageBegan,
    StageEnded,
    Switched,
    SwitchedBack,
    TaskBegan,
    TaskEnded,
    VerdictReached,
)
from pawl.ledger.observations import Observation
from pawl.ledger.records import AppView, DeployView, Recorded, ReleaseView
from pawl.model import Commit, Live

Json = dict[str, Any]
_ROLES = ("live", "trial", "warm", "ending")  # what serves comes first


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 UTC.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def commit(value: Commit | None) -> Json | None:
    if value is None:
        return None
    return {
        "sha": value.sha,
        "title": value.title,
        "author": value.author,
        "email": value.email,
        "committed_at": value.committed_at,
    }


def live(value: Live | None) -> Json | None:
    if value is None:
        return None
    return {
        "release": value.release,
        "commit": value.commit,
        "since": value.since,
        "settings": value.settings,
        "deploy": value.deploy,
    }


def instance(view: InstanceView) -> Json:
    return {
        "name": view.name,
        "pid": view.pid,
        "state": view.state,
        "role": view.role,
        "release": view.release,
        "rss_bytes": view.rss_bytes,
        "restarts": view.restarts,
        "since": view.since,
    }


def app_status(view: AppView, url: str, instances: list[InstanceView], deploying: DeployView | None) -> Json:
    instances = sorted(instances, key=lambda item: _ROLES.index(item.role))
    types = list(dict.fromkeys(item.process for item in instances))
    return {
        "app": view.name,
        "url": url,
        "live": live(view.live),
        "processes": [
            {"type": kind, "instances": [instance(item) for item in instances if item.process == kind]}
            for kind in types
        ],
        "deploying": None if deploying is None else {"deploy": deploying.id, "stage": deploying.status},
    }


def release(view: ReleaseView, live_release: str | None) -> Json:
    return {
        "release": view.release,
        "commit": commit(view.commit),
        "built_at": view.built_at,
        "last_live_at": view.last_live_at,
        "is_live": view.release == live_release,
        "is_on_disk": view.pruned_at is None,
    }


def deploy(view: DeployView, learned: Sequence[Json] = ()) -> Json:
    """A deploy, with what was learned from it."""
    return {
        "deploy": view.id,
        "app": view.app,
        "kind": str(view.kind),
        "release": view.release,
        "commit": commit(view.commit),
        "change": [commit(item) for item in view.commits],
        "authors": list(view.authors),
        "settings": view.settings,
        "status": view.status,
        "outcome": None if view.outcome is None else str(view.outcome),
        "reason": view.reason,
        "failed_stage": view.failed_stage,
        "asked_by": view.asked_by,
        "queued_at": view.queued_at,
        "switched_at": view.switched_at,
        "ended_at": view.ended_at,
        "duration_s": view.duration_s,
        "stages": [{"stage": str(item.stage), "duration_s": item.duration_s} for item in view.stages],
        "learned": list(learned),
    }


def observation(value: Observation) -> Json:
    """What is to be seen of a change, in the verdict or by now."""
    found: Json = msgspec.to_builtins(value)
    return found


def look(deploy: str, at: str, value: Observation) -> Json:
    """A look at a change under watch as a line of ``pawl deploy --json``: the looks before say how the evidence ran."""
    shown = observation(value)
    del shown["path"]
    return {"event": "look", "deploy": deploy, "at": at, **shown}


def watched(view: DeployView, events: list[Recorded], latest: tuple[str, Observation] | None) -> Json:
    """What ``pawl observe`` shows: the verdict, or the look that was last, and what became of the restored release."""
    verdicts = [item for item in events if isinstance(item.event, VerdictReached)]
    restored = [item for item in events if isinstance(item.event, RestoredWatched)]
    return {
        "deploy": view.id,
        "app": view.app,
        "release": view.release,
        "outcome": None if view.outcome is None else str(view.outcome),
        "status": view.status,
        "reason": view.reason,
        "expect": list(view.options.expect),
        "verdicts": [_verdict(item) for item in verdicts],
        "latest": None if latest is None else {"at": latest[0], **observation(latest[1])},
        "restored": _restored(restored[-1]) if restored else None,
    }


def _verdict(recorded: Recorded) -> Json:
    event = recorded.event
    assert isinstance(event, VerdictReached)
    return {
        "at": recorded.at, "stage": str(event.stage), "acts": event.acts, "note": event.note,
        **observation(event.observation),
    }  # fmt: skip


def _restored(recorded: Recorded) -> Json:
    event = recorded.event
    assert isinstance(event, RestoredWatched)
    return {
        "at": recorded.at, "is_cause_elsewhere": event.is_cause_elsewhere, **observation(event.observation)
    }  # fmt: skip


def progress(recorded: Recorded, view: DeployView | None, live_release: str | None, url: str) -> Json | None:
    """An event of a deploy as a line of ``pawl deploy --json``; None for what is not shown."""
    event, base = recorded.event, {"deploy": recorded.deploy, "at": recorded.at}
    match event:
        case DeployQueued():
            return {
                "event": "queued", **base, "app": recorded.app, "kind": str(event.deploy_kind),
                "release": event.release, "previous": event.previous_release,
                "change": [commit(item) for item in event.commits], "authors": list(event.authors),
            }  # fmt: skip
        case ChangeFound(from_live=live):
            return {
                "event": "change", **base, "previous": live.release if live else None,
                "change": [commit(item) for item in event.commits], "authors": list(event.authors),
            }  # fmt: skip
        case StageBegan():
            return {"event": "stage began", **base, "stage": str(event.stage)}
        case StageEnded():
            detail = event.detail
            return {
                "event": "stage", **base, "stage": str(event.stage), "duration_s": event.duration_s, "detail": detail
            }  # fmt: skip
        case TaskBegan():
            return {"event": "task began", **base, "index": event.index, "command": event.command}
        case TaskEnded():
            return {
                "event": "task", **base, "index": event.index, "exit_status": event.exit_status,
                "duration_s": event.duration_s,
            }  # fmt: skip
        case Switched():
            return {"event": "switched", **base, "release": event.release, "url": url}
        case DeployEnded():
            stages = view.stages if view else ()
            return {
                "event": "outcome", **base, "app": recorded.app, "outcome": str(event.outcome), "live": live_release,
                "duration_s": event.duration_s, "reason": event.reason, "next": event.next_step, "detail": event.detail,
                "failed_stage": event.failed_stage, "url": url,
                "stages": [
                    {"stage": str(item.stage), "duration_s": item.duration_s}
                    for item in stages
                    if item.duration_s is not None
                ],
            }  # fmt: skip
        case _:
            return _progress_of_watch(recorded, base, url)


def _progress_of_watch(recorded: Recorded, base: Json, url: str) -> Json | None:
    """What was seen of the change, before and after it went live."""
    match recorded.event:
        case MigrationsFound() as event:
            return {
                "event": "migrations", **base, "pending": list(event.pending), "destructive": list(event.destructive),
                "irreversible": list(event.irreversible), "unknown": list(event.unknown), "trouble": event.trouble,
            }  # fmt: skip
        case SwitchedBack() as event:
            return {"event": "taken back", **base, "release": event.release, "reason": event.reason, "url": url}
        case KeepAsked() as event:
            return {"event": "keep asked", **base, "by": event.by}
        case VerdictReached() as event:
            return {
                "event": "verdict", **base, "stage": str(event.stage), "acts": event.acts, "note": event.note,
                **observation(event.observation),
            }  # fmt: skip
        case _:
            return None
