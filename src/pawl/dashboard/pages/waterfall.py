"""The stages of a deploy as bars over one time axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pawl.ledger.records import DeployView
from pawl.model import Stage

WIDTH = 1000
_THINNEST = 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage, or a task of one (``is_part``); ``x`` and ``width`` in thousandths of the whole.

    ``state``: done, running, failed, or cut off where its pawld ended under it. ``duration_s`` of one that runs is so
    far; ``after_s`` is when it began, counted from when the deploy was asked for.
    """

    name: str
    after_s: float
    duration_s: float
    x: float
    width: float
    state: str
    detail: str = ""
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All bars, and how long the deploy took from being asked for to its end, or until now."""

    bars: tuple[Bar, ...]
    total_s: float


def waterfall(deploy: DeployView, *, now: float) -> Waterfall:
    """The bars of a deploy as it is now, in the order they began."""
    queued = unix(deploy.queued_at)
    ended = unix(deploy.ended_at) if deploy.ended_at else max(now, queued)
    total = max(ended - queued, 0.001)
    return Waterfall(tuple(_bars(deploy, queued, ended, total)), total)


def _bars(deploy: DeployView, queued: float, ended: float, total: float) -> Iterator[Bar]:
    def bar(name: str, began: float, until: float, state: str, detail: str = "", *, is_part: bool = False) -> Bar:
        lasted = max(0.0, until - began)
        width = max(_THINNEST, lasted / total * WIDTH)
        x = min((began - queued) / total * WIDTH, WIDTH - width)
        return Bar(name, began - queued, lasted, round(max(0.0, x), 1), round(width, 1), state, detail, is_part)

    left = unix(deploy.began_at) if deploy.began_at else ended
    yield bar(str(Stage.QUEUED), queued, left, "done" if deploy.began_at or deploy.outcome else "running")
    for stage in deploy.stages:
        if stage.stage is Stage.QUEUED:
            continue
        began = unix(stage.began_at)
        until = unix(stage.ended_at) if stage.ended_at else ended
        yield bar(
            str(stage.stage),
            began,
            until,
            _state(deploy, stage.stage, is_ended=stage.ended_at is not None),
            stage.detail,
        )
        if stage.stage is not Stage.TASKS_DONE:
            continue
        for task in deploy.tasks:
            until = unix(task.ended_at) if task.ended_at else ended
            state = (
                "failed"
                if task.exit_status
                else "done"
                if task.ended_at
                else "running"
                if not deploy.outcome
                else "cut off"
            )
            yield bar(task.command, unix(task.began_at), until, state, is_part=True)


def _state(deploy: DeployView, stage: Stage, *, is_ended: bool) -> str:
    if deploy.failed_stage is stage:
        return "failed"
    if is_ended:
        return "done"
    return "cut off" if deploy.outcome else "running"


def unix(at: str) -> float:
    """An ISO 8601 time in Unix seconds."""
    return datetime.fromisoformat(at).timestamp()
