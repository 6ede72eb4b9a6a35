"""Changes that somebody keeps by hand. The wish is in the ledger, so that no kill forgets it."""

from __future__ import annotations

from datetime import datetime

from pawl.errors import UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.events import KeepAsked, VerdictReached
from pawl.ledger.records import DeployView, Recorded
from pawl.model import Stage


def wish(ledger: Ledger, deploy: str) -> Recorded | None:
    """The wish to keep a change; None if there is none."""
    return next(iter(ledger.events(deploy=deploy, kinds={"keep_asked"}, limit=1)), None)


def kept(ledger: Ledger, app: str) -> set[str]:
    """The deploys of an app that somebody kept by hand."""
    return {item.deploy or "" for item in ledger.events(app=app, kinds={"keep_asked"}, newest_first=True, limit=200)}


def check_open(ledger: Ledger, deploy: DeployView) -> None:
    """Refuse where there is nothing left to decide, or not yet.

    Raises:
        UsageError: the watch over the change has not begun, or has ended.
    """
    if deploy.outcome is not None:
        raise UsageError(
            f"deploy '{deploy.id}' has ended: {deploy.outcome}",
            why="only a change that is being watched can be kept by hand",
            next_step=f"see: pawl observe {deploy.id}",
        )
    if deploy.switched_at is None and deploy.status != Stage.CANARY:
        raise UsageError(
            f"deploy '{deploy.id}' is not being watched yet: it is at '{deploy.status}'",
            next_step=f"wait until it serves requests: pawl watch {deploy.id}",
        )
    found = [item.event for item in ledger.events(deploy=deploy.id, kinds={"verdict_reached"})]
    if any(isinstance(one, VerdictReached) and (one.acts or one.stage is Stage.OBSERVED) for one in found):
        raise ended(deploy.id)


def ended(deploy: str) -> UsageError:
    """The refusal for a change whose verdict was reached a moment ago."""
    return UsageError(
        f"the watch over deploy '{deploy}' has ended, its verdict is reached", next_step=f"see: pawl observe {deploy}"
    )


def note(wish: Recorded, *, began: float, seen: str) -> str:
    """What the verdict says of it: who, after how long (``began`` is a Unix time), and what had been seen."""
    assert isinstance(wish.event, KeepAsked)
    after_s = max(0.0, datetime.fromisoformat(wish.at).timestamp() - began)
    return f"kept by hand by {wish.event.by or 'somebody'} after {after_s:.0f} s: {seen}"
