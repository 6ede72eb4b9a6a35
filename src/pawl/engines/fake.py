"""The engine for tests and try-outs: the same contract, with instances that are only names.

It reads as the contract in its shortest form; ``tests/contracts/test_engine.py`` holds it and the real one to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pawl.config.schema import Observe
from pawl.engines import base
from pawl.engines.base import Asked, Candidate, Condition, InstanceView, MigrationPlan
from pawl.errors import StageFailed, UsageError
from pawl.model import Commit, release_id


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a commit makes of its app. ``fails_at`` names the methods of the engine that fail for its release."""

    processes: Mapping[str, int] = field(default_factory=lambda: {"web": 1})
    singletons: frozenset[str] = frozenset()
    tasks: tuple[str, ...] = ()
    has_test: bool = False
    is_kept_warm: bool = True
    fails_at: frozenset[str] = frozenset()
    migrations: MigrationPlan | None = None
    checks: tuple[str, ...] = ()
    fails_checks: frozenset[str] = frozenset()
    observe: Observe = field(default_factory=Observe)

    def places(self, counts: Mapping[str, int]) -> list[str]:
        """The names of a release's instances; a singleton has one place at the most."""
        wanted = {kind: counts.get(kind, count) for kind, count in self.processes.items()}
        return [
            f"{kind}.{number}"
            for kind, count in wanted.items()
            for number in range(1, (min(1, count) if kind in self.singletons else count) + 1)
        ]


class FakeEngine:
    """A :class:`pawl.engines.base.Engine` in memory; what it was made to do is in ``done``, in order.

    ``blueprint`` tells what a commit is made of, ``route`` is told an app's addresses whenever they change.
    """

    def __init__(
        self,
        blueprint: Callable[[Commit], Blueprint] = lambda _commit: Blueprint(),
        *,
        route: Callable[[str, Sequence[str]], None] = lambda _app, _addresses: None,
    ) -> None:
        self._blueprint = blueprint
        self._route = route
        self._releases: dict[tuple[str, str], Blueprint] = {}
        self._tested: set[tuple[str, str]] = set()
        self._tasks: set[tuple[str, int]] = set()
        self._instances: dict[str, dict[str, InstanceView]] = {}
        self.history: list[Commit] = []
        """The commits that :meth:`change` knows, oldest first."""
        self.done: list[str] = []

    def views(self, app: str) -> list[InstanceView]:
        """The instances of an app."""
        return list(self._instances.get(app, {}).values())

    async def change(self, live: str | None, commit: str) -> Sequence[Commit]:
        return self.since(live, commit)

    def since(self, live: str | None, commit: str) -> list[Commit]:
        """What :meth:`change` answers."""
        known = [one.sha for one in self.history]
        begin = known.index(live) + 1 if live in known else known.index(commit)
        return self.history[begin : known.index(commit) + 1][::-1]

    async def build(self, app: str, commit: Commit, path: str) -> bool:
        release = release_id(commit.sha)
        if (app, release) in self._releases:
            return False
        made = self._blueprint(commit)
        self._fail(made, "build", release)
        self._releases[app, release] = made
        self.done.append(f"built {release}")
        return True

    async def test(self, app: str, release: str) -> bool:
        made = self._made(app, release)
        if not made.has_test or (app, release) in self._tested:
            return False
        self._fail(made, "test", release)
        self._tested.add((app, release))
        self.done.append(f"tested {release}")
        return True

    def tasks(self, app: str, release: str) -> Sequence[str]:
        return self._made(app, release).tasks

    async def migrations(self, candidate: Candidate) -> MigrationPlan | None:
        return self._made(candidate.app, candidate.release).migrations

    async def run_task(self, candidate: Candidate, index: int) -> int:
        made = self._made(candidate.app, candidate.release)
        if (candidate.deploy, index) not in self._tasks:
            self._tasks.add((candidate.deploy, index))
            self.done.append(f"ran {made.tasks[index]}")
        self._fail(made, "run_task", candidate.release)
        return 0

    async def start(self, candidate: Candidate) -> None:
        made = self._made(candidate.app, candidate.release)
        for view in self._warm(candidate.app, candidate.release):
            self._put(candidate.app, replace(view, role="trial"), deploy=candidate.deploy)
        self._fail(made, "start", candidate.release)
        for name in made.places(candidate.counts):
            is_later = candidate.is_trusted and not name.startswith("web.")
            if _kind(name) not in made.singletons and not is_later:
                self._begin(candidate, name, role="trial")

    async def wait_healthy(self, candidate: Candidate) -> None:
        made = self._made(candidate.app, candidate.release)
        self._fail(made, "wait_healthy", candidate.release)
        if not candidate.is_trusted:
            self._hand_over(candidate, made, role="trial")

    def observe(self, app: str, release: str) -> base.Observe:
        return self._made(app, release).observe

    def checks(self, app: str, release: str) -> Sequence[str]:
        return self._made(app, release).checks

    async def check(self, candidate: Candidate, path: str) -> Asked | None:
        if not any(view.process == "web" for view in self._of(candidate.app, candidate.deploy)):
            return None
        self.done.append(f"asked {candidate.release} for {path}")
        is_bad = path in self._made(candidate.app, candidate.release).fails_checks
        return Asked(not is_bad, f"HTTP 503 at {path}, expected 200 to 399" if is_bad else "HTTP 200")

    async def share(self, candidate: Candidate, percent: int) -> None:
        self.done.append(f"shared {percent} % with {candidate.release}")

    async def condition(self, candidate: Candidate) -> Condition:
        web = [view for view in self._of(candidate.app, candidate.deploy) if view.process == "web"]
        return Condition(instances=len(web), healthy=len(web))

    async def switch(self, candidate: Candidate) -> None:
        made = self._made(candidate.app, candidate.release)
        mine = self._of(candidate.app, candidate.deploy)
        for view in mine:
            self._put(candidate.app, replace(view, role="live"), deploy=candidate.deploy)
        self._fail(made, "switch", candidate.release)
        self._publish(candidate.app, candidate.deploy)
        for key, view in list(self._instances.get(candidate.app, {}).items()):
            if key.endswith(f"@{candidate.deploy}"):
                continue
            is_kept = made.is_kept_warm and not candidate.ends_others
            if view.process == "web" and view.role == "live" and is_kept:
                self._instances[candidate.app][key] = replace(view, role="warm")
            else:
                del self._instances[candidate.app][key]

    async def drain(self, candidate: Candidate) -> None:
        made = self._made(candidate.app, candidate.release)
        self._fail(made, "drain", candidate.release)
        if candidate.is_trusted:
            for name in made.places(candidate.counts):
                if _kind(name) not in made.singletons:
                    self._begin(candidate, name, role="live")
            self._hand_over(candidate, made, role="live")

    async def discard(self, candidate: Candidate) -> None:
        for view in self._of(candidate.app, candidate.deploy):
            del self._instances[candidate.app][_key(view.name, candidate.deploy)]

    def ensure(self, live: Candidate, *, with_singletons: bool = True) -> None:
        """Start what the live release should have and has not, and end what is too many."""
        made = self._made(live.app, live.release)
        places = made.places(live.counts)
        for view in self._of(live.app, live.deploy):
            if view.role == "live" and view.name not in places:
                del self._instances[live.app][_key(view.name, live.deploy)]
        for name in places:
            if with_singletons or _kind(name) not in made.singletons:
                self._begin(live, name, role="live")
        self._publish(live.app, live.deploy)

    def is_warm(self, app: str, release: str, settings: int) -> bool:
        """Whether instances of the release are still up; the fake's know no settings."""
        return bool(self._warm(app, release))

    def has_release(self, app: str, release: str) -> bool:
        return (app, release) in self._releases

    def forget_deploy(self, deploy: str) -> None:
        """Forget which tasks a deploy that has ended had run."""
        self._tasks = {task for task in self._tasks if task[0] != deploy}

    async def prune(self, app: str, keep: Sequence[str]) -> list[str]:
        """Forget an app's releases but those named and those with instances."""
        used = {*keep, *(view.release for view in self.views(app))}
        gone = [release for owner, release in self._releases if owner == app and release not in used]
        for release in gone:
            del self._releases[app, release]
        return gone

    async def prune_environments(self, apps: Sequence[str]) -> None:
        """The fake's releases need none."""

    def _made(self, app: str, release: str) -> Blueprint:
        if (app, release) not in self._releases:
            raise UsageError(f"release '{release}' is not on this machine")
        return self._releases[app, release]

    def _fail(self, made: Blueprint, step: str, release: str) -> None:
        if step in made.fails_at:
            raise StageFailed(f"release '{release}' fails at {step}")

    def _of(self, app: str, deploy: str) -> list[InstanceView]:
        return [view for key, view in self._instances.get(app, {}).items() if key.endswith(f"@{deploy}")]

    def _warm(self, app: str, release: str) -> list[InstanceView]:
        return [view for view in self.views(app) if view.role == "warm" and view.release == release]

    def _put(self, app: str, view: InstanceView, *, deploy: str) -> None:
        """Keep an instance as one of this deploy's, in place of what it was before."""
        there = self._instances.setdefault(app, {})
        for key in [key for key, old in there.items() if old.address == view.address]:
            del there[key]
        there[_key(view.name, deploy)] = view

    def _begin(self, candidate: Candidate, name: str, *, role: str) -> None:
        key = _key(name, candidate.deploy)
        there = self._instances.setdefault(candidate.app, {})
        if key not in there or there[key].role == "warm":
            self.done.append(f"started {name} of {candidate.release}")
            there[key] = InstanceView(
                name=name, process=_kind(name), pid=None, state="running", role=role, release=candidate.release,
                rss_bytes=0, restarts=0, since="", address=f"fake/{candidate.app}/{key}",
            )  # fmt: skip

    def _hand_over(self, candidate: Candidate, made: Blueprint, *, role: str) -> None:
        """For each singleton: the old one has ended before the new one starts."""
        there = self._instances.setdefault(candidate.app, {})
        for name in made.places(candidate.counts):
            if _kind(name) in made.singletons:
                for key in [key for key, view in there.items() if view.process == _kind(name)]:
                    if key != _key(name, candidate.deploy):
                        del there[key]
                self._begin(candidate, name, role=role)

    def _publish(self, app: str, deploy: str) -> None:
        web = [view.address for view in self._of(app, deploy) if view.process == "web" and view.role == "live"]
        if web:
            self._route(app, web)


def _kind(name: str) -> str:
    return name.partition(".")[0]


def _key(name: str, deploy: str) -> str:
    return f"{name}@{deploy}"
