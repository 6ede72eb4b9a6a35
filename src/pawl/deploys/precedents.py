"""What the ledger says of a deploy and of those before it, as far as it bears on what is done about a change."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from pawl.deploys import keeping
from pawl.deploys.observing import BAD
from pawl.ledger.base import Ledger
from pawl.ledger.events import CrashLoop, MemoryExceeded, SwitchedBack, VerdictReached
from pawl.ledger.records import DeployView, Recorded, iso_utc
from pawl.model import Outcome, Stage

_DAY = timedelta(days=1)
_BAD = {str(kind) for kind in BAD}


def waiting(ledger: Ledger, deploy: DeployView) -> DeployView | None:
    """The next deploy of the same app."""
    return next((item for item in ledger.unfinished() if item.app == deploy.app and item.id != deploy.id), None)


def condemned(ledger: Ledger, app: str) -> set[str]:
    """The deploys of an app whose verdict was to take them back, done or not, but for those kept by hand."""
    found = ledger.events(app=app, kinds={"verdict_reached"}, newest_first=True, limit=200)
    return {item.deploy or "" for item in found if _says_bad(item)} - keeping.kept(ledger, app)


def taken_back(ledger: Ledger, deploy: DeployView) -> DeployView | None:
    """The newest other deploy of the same release that was taken back."""
    found = ledger.deploys(deploy.app, limit=200)
    same = (item for item in found if item.release == deploy.release and item.id != deploy.id)
    return next((item for item in same if item.outcome is Outcome.ROLLED_BACK), None)


def memory_passed(ledger: Ledger, app: str, release: str, began: float) -> str:
    """The first time that the candidate grew beyond its limit, where the releases before it did not."""
    since = iso_utc(datetime.fromtimestamp(began, UTC))
    recent = _of_the_day(ledger, app, "memory_exceeded", began)
    if any(isinstance(item.event, MemoryExceeded) and item.event.release != release for item in recent):
        return ""
    for item in recent:
        if isinstance(item.event, MemoryExceeded) and item.event.release == release and item.at >= since:
            rss, limit = item.event.rss_bytes / 1e6, item.event.limit_bytes / 1e6
            return f"memory: {item.event.instance} grew to {rss:.0f} MB, its limit is {limit:.0f} MB"
    return ""


def looped_before(ledger: Ledger, app: str, release: str, began: float) -> set[str]:
    """The process types of other releases that died again and again in the day before."""
    found = [item.event for item in _of_the_day(ledger, app, "crash_loop", began)]
    return {event.process for event in found if isinstance(event, CrashLoop) and event.release != release}


def began(ledger: Ledger, deploy: DeployView, stage: Stage) -> float:
    """When a stage of the deploy began, or for ``switched`` when it ended (Unix time); now if it has not."""
    view = ledger.deploy(deploy.id) or deploy
    at = view.switched_at if stage is Stage.SWITCHED else None
    at = at or next((item.began_at for item in view.stages if item.stage is stage), None)
    return _unix(at) if at else time.time()


def before(ledger: Ledger, deploy: DeployView) -> float:
    """When the first request may have gone to the deploy's release."""
    view = ledger.deploy(deploy.id) or deploy
    first = Stage.CANARY if any(item.stage is Stage.CANARY for item in view.stages) else Stage.SWITCHED
    return began(ledger, deploy, first)


def switched_back_at(ledger: Ledger, deploy: DeployView) -> float | None:
    """When the change was taken back; None if it was not."""
    found = ledger.events(deploy=deploy.id, kinds={"switched_back"}, newest_first=True, limit=1)
    return _unix(found[0].at) if found and isinstance(found[0].event, SwitchedBack) else None


def failed_checks(ledger: Ledger, deploy: DeployView) -> tuple[str, ...]:
    """The paths of the checks for which the change was taken back."""
    found = ledger.events(deploy=deploy.id, kinds={"verdict_reached"}, newest_first=True, limit=1)
    seen = [item.event.observation for item in found if isinstance(item.event, VerdictReached)]
    return tuple(check.path for one in seen for check in one.checks if not (check.is_good or check.fails_before))


def _of_the_day(ledger: Ledger, app: str, kind: str, before: float) -> list[Recorded]:
    """The newest events of a kind, none older than a day before a time."""
    since = iso_utc(datetime.fromtimestamp(before, UTC) - _DAY)
    found = ledger.events(app=app, kinds={kind}, newest_first=True, limit=50)
    return [item for item in found if item.at >= since]


def _says_bad(item: Recorded) -> bool:
    return isinstance(item.event, VerdictReached) and item.event.observation.verdict in _BAD


def _unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
