"""What the story of a deploy asks of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pawl.model import Commit


@dataclass(frozen=True, slots=True)
class Candidate:
    """A release on trial: what to start, and the deploy that asked for it.

    ``counts`` are instances by process type. ``is_trusted`` marks a release that was live before and is gone back to:
    when its web instances are still warm it is switched to first, and its workers follow. ``ends_others``: what was
    live is ended at once, not kept warm, for it was taken back.
    """

    app: str
    deploy: str
    release: str
    settings: int
    counts: Mapping[str, int] = field(default_factory=dict)
    is_trusted: bool = False
    ends_others: bool = False


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One running copy of a process type, as ``pawl status`` shows it; ``since`` is ISO 8601 UTC."""

    name: str
    process: str
    pid: int | None
    state: str
    role: str
    release: str
    rss_bytes: int
    restarts: int
    since: str
    address: str


@dataclass(frozen=True, slots=True)
class Condition:
    """How the instances of a release are just now: web ``instances``, those ``healthy`` of them, ``why`` one is not.

    ``looping`` names the instances of any process type that crash again and again.
    """

    instances: int
    healthy: int
    why: str = ""
    looping: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a release answered when it was asked for a path: whether that is good, and in a line why or what."""

    is_good: bool
    text: str


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What the migrations that a deploy will run do to the release before, which serves meanwhile and may come back.

    ``pending`` are their names, ``feeds.0004_drop_url``, in order. The rest are lines for a person: ``destructive``
    are operations that the release before would trip over, ``irreversible`` those that lose data or have no way back,
    ``unknown`` those that cannot be judged. ``trouble`` says in one line why there is no answer; all else is empty.
    """

    pending: tuple[str, ...] = ()
    destructive: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def blocks_going_back(self) -> bool:
        """Whether the release before cannot be trusted to work once these migrations have run."""
        return bool(self.destructive or self.irreversible)

    @property
    def summary(self) -> tuple[str, ...]:
        """The plan in lines to show before the deploy; none when there is nothing to say."""
        if self.trouble:
            return (f"the migration plan could not be read: {self.trouble}",)
        if not self.pending:
            return ()
        more = len(self.pending) - _NAMED
        names = ", ".join(self.pending[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return (
            f"{len(self.pending)} {'migration' if len(self.pending) == 1 else 'migrations'} to run: {names}",
            *self.destructive,
            *self.irreversible,
            *self.unknown,
        )


_NAMED = 5  # migrations that a summary names


class Observe(Protocol):
    """How changes are watched: ``mode`` auto, ask, observe or off; ``canary`` in percent. See docs/configuration.md."""

    @property
    def mode(self) -> str: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def canary(self) -> tuple[int, ...]: ...
    @property
    def canary_step_s(self) -> float: ...


class Engine(Protocol):
    """Runs the instances of apps at one place. All methods are idempotent, so that a deploy can be taken up again.

    Errors: any method may raise StageFailed, whose text is for the author of the change; whatever it raises, what was
    live before goes on serving.
    """

    async def change(self, live: str | None, commit: str) -> Sequence[Commit]:
        """The commits that become live with one, newest first; ``live`` is the one that is live now."""
        ...

    async def build(self, app: str, commit: Commit, path: str) -> bool:
        """Make the release of a commit unless it is there; True when it was built now, False when it was reused.

        ``path`` is the app's folder inside its repository, empty for the top.
        """
        ...

    async def test(self, app: str, release: str) -> bool:
        """Run the app's test command in the release; False when it has passed before or none is configured."""
        ...

    def tasks(self, app: str, release: str) -> Sequence[str]:
        """The release tasks of a release, in order."""
        ...

    async def migrations(self, candidate: Candidate) -> MigrationPlan | None:
        """What the release tasks are about to do to the database; None where that cannot be foreseen."""
        ...

    async def run_task(self, candidate: Candidate, index: int) -> int:
        """Run one release task, or wait for the one an earlier pawld began; its exit status. Raises on failure."""
        ...

    async def start(self, candidate: Candidate) -> None:
        """Start every instance that may run beside the old ones; does not wait for health."""
        ...

    async def wait_healthy(self, candidate: Candidate) -> None:
        """Return when all of them are healthy and the singletons are handed over."""
        ...

    def observe(self, app: str, release: str) -> Observe:
        """How changes of the app are watched, as the release says."""
        ...

    async def share(self, candidate: Candidate, percent: int) -> None:
        """Send that share of the app's requests to the candidate, in steps of 5; 0 sends all to what is live."""
        ...

    async def condition(self, candidate: Candidate) -> Condition:
        """How the instances of the candidate are, each asked once for its health; within some two seconds."""
        ...

    def checks(self, app: str, release: str) -> Sequence[str]:
        """The paths that are asked for once a release serves, as the release says."""
        ...

    async def check(self, candidate: Candidate, path: str) -> Asked | None:
        """Ask a web instance of the candidate for a path, within ten seconds; None if none of them runs.

        A status from 200 to 399 is good.
        """
        ...

    def is_warm(self, app: str, release: str, settings: int) -> bool:
        """Whether instances of a release that was live before still stand by, so that going back is a rename."""
        ...

    async def switch(self, candidate: Candidate) -> None:
        """Send all traffic to the candidate, keep it supervised, and begin to end what was live."""
        ...

    async def drain(self, candidate: Candidate) -> None:
        """Return when what was live before has finished its requests and tasks, or its time is up."""
        ...

    async def discard(self, candidate: Candidate) -> None:
        """End a candidate that is not to go live; what was live has its singletons back."""
        ...
