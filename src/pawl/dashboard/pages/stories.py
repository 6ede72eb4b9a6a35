"""Each event of the ledger in one sentence, without who and when, which stand beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pawl.ledger.records import Recorded
from pawl.words import duration, size


def _by(who: str) -> str:
    return f" by {who}" if who else ""


def _names(event: Any) -> str:
    parts = [
        f"{verb} {', '.join(names)}"
        for verb, names in (("set", event.set_names), ("unset", event.unset_names))
        if names
    ]
    return "; ".join(parts) or "nothing changed"


def _migrations(event: Any) -> str:
    if event.trouble:
        return f"the migrations could not be read: {event.trouble}"
    if not event.pending:
        return "no migrations to run"
    return f"{len(event.pending)} migrations to run: " + "; ".join((*event.pending[:5], *event.blocking))


_SENTENCES: dict[str, Callable[[Any], str]] = {
    "pawld_started": lambda e: f"pawld {e.version} started, pid {e.pid}",
    "pawld_stopped": lambda e: f"pawld stopped: {e.reason}",
    "proxy_restarted": lambda e: f"the proxy was started again: {e.reason}",
    "note": lambda e: f"{e.text} ({e.by})" if e.by else e.text,
    "app_created": lambda _: "the app is known from here on",
    "app_removed": lambda _: "the app was removed",
    "release_built": lambda e: f"release {e.release} was built in {duration(e.duration_s)}: {e.commit.title}",
    "release_pruned": lambda e: f"release {e.release} was deleted from the disk",
    "settings_changed": lambda e: f"{e.what} version {e.version}: {_names(e)}{_by(e.by)}",
    "scaled": lambda e: "scaled to " + ", ".join(f"{kind}={number}" for kind, number in e.processes.items()),
    "instance_crashed": lambda e: (
        f"{e.instance} of release {e.release} ended after {duration(e.uptime_s)}: {e.exit}; restart {e.restarts}"
    ),
    "crash_loop": lambda e: f"{e.instance} of release {e.release} crashed {e.restarts} times in {duration(e.within_s)}",
    "memory_exceeded": lambda e: (
        f"{e.instance} of release {e.release} grew to {size(e.rss_bytes)}, its limit is {size(e.limit_bytes)}"
    ),
    "instance_replaced": lambda e: f"{e.instance} of release {e.release} was replaced: {e.reason}",
    "incident_opened": lambda e: (
        f"incident {e.incident} began: {e.title}" + (f", caused by {e.caused_by}" if e.caused_by else "")
    ),
    "incident_closed": lambda e: (
        f"incident {e.incident} ended"
        + (f", fixed by {e.fixed_by}" if e.fixed_by else "")
        + (f": {e.note}" if e.note else "")
    ),
    "learned": lambda e: f"learned{_by(e.by)}: {e.text}",
    "deploy_queued": lambda e: (
        f"{e.deploy_kind} of {e.release} was asked for{_by(e.asked_by)}" + (f": {e.commit.title}" if e.commit else "")
    ),
    "change_found": lambda e: (
        f"its turn has come: {len(e.commits)} {'commit' if len(e.commits) == 1 else 'commits'} "
        + (f"since {e.from_live.release}" if e.from_live else "and nothing is live")
    ),
    "stage_began": lambda e: f"'{e.stage}' began",
    "stage_ended": lambda e: f"'{e.stage}' took {duration(e.duration_s)}" + (f": {e.detail}" if e.detail else ""),
    "task_began": lambda e: f"release task {e.index + 1} began: {e.command}",
    "task_ended": lambda e: f"release task {e.index + 1} took {duration(e.duration_s)}, exit status {e.exit_status}",
    "migrations_found": _migrations,
    "switched": lambda e: f"release {e.release} serves, with settings version {e.settings}",
    "switched_back": lambda e: (
        f"release {e.release} serves again: {e.reason}" if e.release else f"nothing serves any more: {e.reason}"
    ),
    "keep_asked": lambda e: f"the change is to be kept, whatever was seen of it{_by(e.by)}",
    "verdict_reached": lambda e: (
        f"verdict: {e.observation.verdict}: {e.observation.why}" + (f"; not acted on: {e.note}" if e.note else "")
    ),
    "restored_watched": lambda e: (
        "the release that was restored is as bad as the change was, so the cause is elsewhere"
        if e.is_cause_elsewhere
        else f"the release that was restored does well: {e.observation.why}"
    ),
    "deploy_ended": lambda e: (
        f"{e.outcome} after {duration(e.duration_s)}" + (f": {e.reason}" if e.reason else "")
    ),
}  # fmt: skip


def sentence(recorded: Recorded) -> str:
    """What happened. A kind without a sentence of its own is told by its fields."""
    told = _SENTENCES.get(recorded.kind)
    return told(recorded.event) if told else _fields(recorded.event)


def _fields(event: object) -> str:
    found: dict[str, Any] = msgspec.to_builtins(event)
    words = [f"{name.replace('_', ' ')} {_told(value)}" for name, value in found.items() if _is_told(name, value)]
    return f"{str(found['kind']).replace('_', ' ')}: {', '.join(words)}"


def _is_told(name: str, value: object) -> bool:
    return name not in ("kind", "schema") and value not in ("", None, [], {})


def _told(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
