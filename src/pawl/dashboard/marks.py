"""Deploys as marks on a time axis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pawl.dashboard.charts.chart import Mark
from pawl.ledger.base import Ledger
from pawl.ledger.events import SwitchedBack
from pawl.ledger.records import DeployView
from pawl.model import DeployKind, Outcome

_LIMITS = (100, 2000)
_MOST_TAKEN_BACK = 200


def marks(ledger: Ledger, app: str, *, began: float, ended: float) -> tuple[Mark, ...]:
    """The deploys of an app in a span (Unix time), by when they went live, and when one was taken back again.

    One that never went live is where it ended, one on its way where it left the queue. Superseded ones are left out.
    Of more than 2,000 deploys since the span began, the newest are looked at.
    """
    deploys = _since(ledger, app, began)
    found = [*_of_deploys(deploys), *_taken_back(ledger, app, {one.id: one for one in deploys})]
    return tuple(sorted((mark for mark in found if began <= mark.at <= ended), key=lambda mark: mark.at))


def _since(ledger: Ledger, app: str, began: float) -> list[DeployView]:
    deploys: list[DeployView] = []
    for limit in _LIMITS:
        deploys = ledger.deploys(app, limit=limit)
        if len(deploys) < limit or _unix(deploys[-1].queued_at) < began:
            break
    return deploys


def _of_deploys(deploys: Iterable[DeployView]) -> Iterator[Mark]:
    for one in deploys:
        if one.outcome is not Outcome.SUPERSEDED:
            at = one.switched_at or one.ended_at or one.began_at or one.queued_at
            yield Mark(_unix(at), _title(one), _detail(one), f"/deploys/{one.id}", str(one.outcome or ""))


def _taken_back(ledger: Ledger, app: str, deploys: dict[str, DeployView]) -> Iterator[Mark]:
    found = ledger.events(app=app, kinds={"switched_back"}, newest_first=True, limit=_MOST_TAKEN_BACK)
    for item in found:
        one = deploys.get(item.deploy or "")
        if one and isinstance(item.event, SwitchedBack):
            yield Mark(
                _unix(item.at), f"Taken back: {_title(one)}", item.event.reason, f"/deploys/{one.id}",
                str(Outcome.ROLLED_BACK),
            )  # fmt: skip


def _title(deploy: DeployView) -> str:
    if deploy.kind is DeployKind.RESTART:
        return "Restart"
    if deploy.kind is DeployKind.SETTINGS:
        return "New settings"
    title = deploy.commit.title if deploy.commit else deploy.release
    return f"Back to {deploy.release}: {title}" if deploy.kind is DeployKind.ROLLBACK else title


def _detail(deploy: DeployView) -> str:
    author = deploy.commit.author if deploy.commit else deploy.asked_by
    said = [author, str(deploy.outcome) if deploy.outcome else "under way"]
    return ", ".join(part for part in said if part) + (f": {deploy.reason}" if deploy.reason else "")


def _unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
