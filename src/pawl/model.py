"""The words of DESIGN as frozen values: no I/O, no clock, nothing imported from the rest of Pawl."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """A stage of a deploy, in the order they are gone through; ``canary`` only where one is configured."""

    QUEUED = "queued"
    FETCHED = "fetched"
    BUILT = "built"
    TESTED = "tested"
    TASKS_DONE = "tasks done"
    STARTED = "started"
    HEALTHY = "healthy"
    CANARY = "canary"
    SWITCHED = "switched"
    DRAINED = "drained"
    OBSERVED = "observed"


class Outcome(StrEnum):
    """How a deploy ended."""

    KEPT = "kept"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class DeployKind(StrEnum):
    """Why a deploy was made."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    RESTART = "restart"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of an app's repository; times are ISO 8601 UTC. ``authored_at`` is '' where it is not known."""

    sha: str
    title: str
    author: str
    email: str
    committed_at: str
    authored_at: str = ""


@dataclass(frozen=True, slots=True)
class Live:
    """What serves an app: a release, the settings version it was deployed with, and since when (ISO 8601 UTC)."""

    release: str
    settings: int
    commit: str
    deploy: str
    since: str


def release_id(sha: str) -> str:
    """The release's name: the first twelve digits of its commit, for a release is the build of one commit.

    >>> release_id("0123456789abcdef0123456789abcdef01234567")
    '0123456789ab'
    """
    return sha[:12]
