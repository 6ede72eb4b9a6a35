"""Deploys and instances as rows, the same on every page that lists them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pawl.dashboard.place import Place
from pawl.engines.base import InstanceView
from pawl.ledger.base import Ledger
from pawl.ledger.events import VerdictReached
from pawl.ledger.records import DeployView
from pawl.model import Commit, DeployKind, Outcome

_TONES = {Outcome.KEPT: "good", Outcome.ROLLED_BACK: "bad", Outcome.FAILED: "bad", Outcome.SUPERSEDED: "quiet"}
VERDICT_TONES = {"keep": "good", "roll back": "bad", "hard fail": "bad", "inconclusive": "quiet", "no data": "quiet"}
_ROLES = ("live", "trial", "warm", "ending")


@dataclass(frozen=True, slots=True)
class DeployRow:
    """A deploy in one line; ``outcome`` of one under way is the stage it is at, ``verdict`` empty without a watch."""

    id: str
    app: str
    kind: str
    title: str
    author: str
    release: str
    queued_at: str
    duration_s: float | None
    outcome: str
    tone: str
    reason: str
    verdict: str
    verdict_tone: str
    changes: int

    @property
    def is_running(self) -> bool:
        return self.tone == "busy"


@dataclass(frozen=True, slots=True)
class Health:
    """How many instances of a process type are to run, and how many do."""

    process: str
    running: int
    wanted: int

    @property
    def tone(self) -> str:
        return "good" if self.running >= self.wanted else "bad"


def deploy_row(deploy: DeployView, verdict: VerdictReached | None = None) -> DeployRow:
    """A deploy as a row."""
    commit = deploy.commit
    return DeployRow(
        id=deploy.id, app=deploy.app, kind=str(deploy.kind), title=title_of(deploy),
        author=commit.author if commit else "",
        release=deploy.release, queued_at=deploy.queued_at, duration_s=deploy.duration_s,
        outcome=str(deploy.outcome) if deploy.outcome else deploy.status, tone=tone_of(deploy), reason=deploy.reason,
        verdict=verdict.observation.verdict if verdict else "",
        verdict_tone=VERDICT_TONES.get(verdict.observation.verdict, "") if verdict else "",
        changes=len(deploy.commits),
    )  # fmt: skip


def deploy_rows(ledger: Ledger, deploys: Sequence[DeployView], *, app: str | None = None) -> list[DeployRow]:
    """Deploys as rows, with their verdicts; ``app`` where all are of one, which is quicker to read."""
    most = 4 * len(deploys) + 20  # a canary has two, and others may be watched at the same time
    found = ledger.events(app=app, kinds={"verdict_reached"}, newest_first=True, limit=most)
    verdicts: dict[str, VerdictReached] = {}
    for item in found:
        if isinstance(item.event, VerdictReached):
            verdicts.setdefault(item.deploy or "", item.event)
    return [deploy_row(deploy, verdicts.get(deploy.id)) for deploy in deploys]


def title_of(deploy: DeployView) -> str:
    """What a deploy is about: its commit's title, or what it does with the release that is there."""
    title = deploy.commit.title if deploy.commit else deploy.release
    return {
        DeployKind.ROLLBACK: f"Back to {deploy.release}: {title}" if deploy.commit else f"Back to {deploy.release}",
        DeployKind.RESTART: "Restart", DeployKind.SETTINGS: "New settings",
    }.get(deploy.kind, title)  # fmt: skip


def tone_of(deploy: DeployView) -> str:
    """The tone of a deploy's outcome; ``busy`` while it is under way."""
    return _TONES[deploy.outcome] if deploy.outcome else "busy"


def authors_of(commits: Sequence[Commit]) -> list[str]:
    """Who wrote the commits, each once."""
    return list(dict.fromkeys(commit.author for commit in commits))


def health_of(place: Place, app: str, instances: Collection[InstanceView]) -> list[Health]:
    """The process types of an app's live release, those that are to run and those that do beyond."""
    wanted: Mapping[str, int] = place.wanted(app)
    running: dict[str, int] = dict.fromkeys(wanted, 0)
    for one in instances:
        if one.role == "live":
            running[one.process] = running.get(one.process, 0) + (one.state == "running")
    return [Health(process, running[process], wanted.get(process, 0)) for process in running]


def ordered(instances: Sequence[InstanceView]) -> list[InstanceView]:
    """What serves first."""
    return sorted(instances, key=lambda one: (_ROLES.index(one.role) if one.role in _ROLES else 9, one.name))
