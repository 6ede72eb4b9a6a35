"""A stage for deploys: the ledger in memory, the fake engine, a queue, and a pawld that can be killed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from pawl.deploys.queue import Deploys, Guarding
from pawl.engines.base import Candidate
from pawl.engines.fake import Blueprint, FakeEngine
from pawl.errors import StateError
from pawl.ledger.base import Clock
from pawl.ledger.events import AppCreated, DeployOptions, VerdictReached
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.records import DeployView, Entry, Recorded
from pawl.model import Commit, Outcome, release_id

APP = "demo"
FULL = Blueprint(
    processes={"web": 2, "worker": 1, "beat": 1}, singletons=frozenset({"beat"}), tasks=("migrate", "compress"),
    has_test=True,
)  # fmt: skip


class Killed(BaseException):
    """pawld is gone, from one moment to the next."""


class TickingClock:
    """One second on each time it is asked."""

    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> datetime:
        return datetime(2026, 5, 9, 7, 30, tzinfo=UTC) + timedelta(seconds=next(self._ticks))


class FlakyLedger(MemoryLedger):
    """A ledger whose disk is full when it is asked to record the n-th time from now."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.fails_after: int | None = None

    def append_many(self, entries: Iterable[Entry]) -> list[Recorded]:
        if self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                self.fails_after = None
                raise StateError("the disk is full")
        return super().append_many(entries)


class Guard:
    """Says of a deploy what it was told to say; ``verdict`` None: it was not watched."""

    def __init__(self) -> None:
        self.has_steps = False
        self.canary_verdict: VerdictReached | None = None
        self.verdict: VerdictReached | None = None

    def has_canary(self, deploy: DeployView) -> bool:
        return self.has_steps and deploy.from_live is not None

    async def canary(self, _deploy: DeployView, _candidate: Candidate) -> VerdictReached | None:
        return self.canary_verdict

    async def observe(self, _deploy: DeployView, _candidate: Candidate) -> VerdictReached | str:
        return self.verdict or "not watched"

    def way_back(self, deploy: DeployView) -> Candidate | None:
        live = deploy.from_live
        if live is None:
            return None
        return Candidate(app=deploy.app, deploy=live.deploy, release=live.release, settings=live.settings)

    def forget(self, deploy: str) -> None: ...

    def withdraw(self, deploy: str) -> None: ...

    def is_restored_unwatched(self, _deploy: DeployView) -> bool:
        return False

    async def watch_restored(self, deploy: DeployView) -> None: ...


class Rig:
    """Everything that outlives a pawld, and the pawld of now."""

    def __init__(self, engine: Callable[..., FakeEngine] = FakeEngine, *, clock: Clock | None = None) -> None:
        self._made: dict[str, Blueprint] = {}
        self.ledger = FlakyLedger(clock or TickingClock())
        self.engine = engine(lambda commit: self._made[commit.sha], route=self._route)
        self.guard = Guard()
        self.real_guard: Guarding | None = None
        self._actions: dict[str, Callable[[], None]] = {}
        self.routes: dict[str, list[str]] = {}
        self.points: list[str] = []
        self.kill_at: int | None = None
        self.fault_in_proxy: Exception | None = None
        self.deploys = self._pawld()

    def _pawld(self) -> Deploys:
        return Deploys(
            self.ledger,
            self.engine,
            self.real_guard or self.guard,
            before_switch=self._before_switch,
            fault_point=self._reached,
            retry_s=0,
        )

    def _route(self, app: str, addresses: Iterable[str]) -> None:
        self.routes[app] = list(addresses)

    async def _before_switch(self, _candidate: Candidate) -> None:
        if self.fault_in_proxy is not None:
            raise self.fault_in_proxy

    def use(self, guard: Guarding) -> None:
        """Have deploys watched by a guard that looks for itself."""
        self.real_guard = guard
        self.deploys = self._pawld()

    def at(self, point: str, action: Callable[[], None]) -> None:
        """Do something when this fault point is reached next."""
        self._actions[point] = action

    def _reached(self, point: str) -> None:
        self.points.append(point)
        if action := self._actions.pop(point, None):
            action()
        if self.kill_at is not None and len(self.points) > self.kill_at:
            self.kill_at = None
            raise Killed(point)

    def commit(self, name: str, made: Blueprint = FULL) -> Commit:
        sha = hashlib.sha1(name.encode()).hexdigest()
        self._made[sha] = made
        commit = Commit(sha, name, "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
        if commit not in self.engine.history:
            self.engine.history.append(commit)
        return commit

    def break_later(self, name: str, step: str) -> None:
        """From now on the release of this name fails at a step of the engine's."""
        release = release_id(hashlib.sha1(name.encode()).hexdigest())
        made = self.engine._releases[APP, release]
        self.engine._releases[APP, release] = replace(made, fails_at=frozenset({step}))

    def ask(self, name: str, made: Blueprint = FULL, *, app: str = APP) -> str:
        """Queue the deploy of a commit of this name."""
        if self.ledger.app(app) is None:
            self.ledger.append(AppCreated(), app=app)
        commit = self.commit(name, made)
        view = self.ledger.app(app)
        live = view.live.commit if view and view.live else None
        change = self.engine.since(live, commit.sha)
        return self.deploys.deploy(app, commit, path="", commits=change, options=DeployOptions(), asked_by="ada")

    async def deploy(self, name: str, made: Blueprint = FULL, *, app: str = APP) -> DeployView:
        """Deploy a commit of this name; how it went."""
        deploy = self.ask(name, made, app=app)
        await self.settle()
        return self.view(deploy)

    async def settle(self) -> None:
        """Wait until nothing is left to do."""
        async with asyncio.timeout(20):
            await asyncio.gather(*self.deploys._workers.values())
        assert self.ledger.unfinished() == []

    async def die(self) -> None:
        """Wait for the kill that was asked for; afterwards a new pawld stands there and has not begun."""
        await asyncio.gather(*self.deploys._workers.values(), return_exceptions=True)
        self.deploys = self._pawld()

    async def come_back(self) -> None:
        """What a new pawld does when it starts."""
        for app in self.ledger.apps():
            self.deploys.ensure(app.name)
        self.deploys.resume()
        await self.settle()

    def reboot(self) -> None:
        """Every process of the machine is gone; what was on the disk is there."""
        self.engine._instances.clear()
        self.routes.clear()

    def view(self, deploy: str) -> DeployView:
        view = self.ledger.deploy(deploy)
        assert view is not None
        return view

    def live(self, app: str = APP) -> str | None:
        """The title of the commit that the ledger says is live."""
        view = self.ledger.app(app)
        return None if view is None or view.live is None else self.title(view.live.release)

    def title(self, release: str) -> str:
        found = [c for c in (self._made) if release_id(c) == release]
        titles = {hashlib.sha1(name.encode()).hexdigest(): name for name in (f"r{number}" for number in range(20))}
        return titles[found[0]]

    def serving(self, app: str = APP) -> set[str]:
        """The titles of the commits whose instances get requests."""
        views = {view.address: view.release for view in self.engine.views(app)}
        return {self.title(views[address]) if address in views else "nobody" for address in self.routes.get(app, [])}

    def running(self, app: str = APP) -> list[str]:
        """What runs and is not just kept warm."""
        views = [view for view in self.engine.views(app) if view.role != "warm"]
        return sorted(f"{view.name} of {self.title(view.release)}, {view.role}" for view in views)

    def did(self, what: str) -> int:
        """How often the engine did this."""
        return self.engine.done.count(what)

    def assert_good(self, live: str) -> None:
        """This release is live, gets the requests, and runs once and alone."""
        assert self.live() == live
        assert self.serving() == {live}
        assert self.running() == [f"{name} of {live}, live" for name in ("beat.1", "web.1", "web.2", "worker.1")]
        for app in self.ledger.apps():
            ended = [item.outcome for item in self.ledger.deploys(app.name)]
            assert None not in ended
            assert Outcome.SUPERSEDED not in ended
