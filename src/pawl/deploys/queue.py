"""Who waits for whom: one deploy at a time for each app, the others queue in the order they were asked for.

The queue is the ledger: what was asked for and has not ended is still to be done, also after a kill.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from pawl.deploys.story import Story, Watch, authors_of
from pawl.engines.base import Candidate, Engine
from pawl.errors import PawlError, UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.events import DeployEnded, DeployOptions, DeployQueued, ReleasePruned
from pawl.ledger.records import AppView, DeployView, Entry
from pawl.model import Commit, DeployKind, Outcome, Stage, release_id

log = logging.getLogger(__name__)
KEPT_RELEASES = 5
_SHORTEST = 4
"""Characters that name a release; git asks for as many of a commit."""


class LocalEngine(Engine, Protocol):
    """What the queue asks of an engine beyond the story."""

    def ensure(self, live: Candidate, *, with_singletons: bool = True) -> None: ...
    async def prune(self, app: str, keep: Sequence[str]) -> list[str]: ...
    async def prune_environments(self, apps: Sequence[str]) -> None: ...
    def forget_deploy(self, deploy: str) -> None: ...
    def has_release(self, app: str, release: str) -> bool: ...


class Guarding(Watch, Protocol):
    """What the queue asks of the guard beyond the story."""

    def forget(self, deploy: str) -> None: ...
    def withdraw(self, deploy: str) -> None: ...
    def is_restored_unwatched(self, deploy: DeployView) -> bool: ...
    async def watch_restored(self, deploy: DeployView) -> None: ...


class Deploys:
    """Takes requests, runs their stories one at a time per app, and takes up what an earlier pawld left.

    ``before_switch`` is awaited before traffic moves: it makes the proxy know the candidate's names. ``retry_s`` is the
    pause after which a deploy that the ledger could not take down is tried again.
    """

    def __init__(
        self,
        ledger: Ledger,
        engine: LocalEngine,
        guard: Guarding,
        *,
        before_switch: Callable[[Candidate], Awaitable[None]],
        fault_point: Callable[[str], None] = lambda _name: None,
        retry_s: float = 2.0,
    ) -> None:
        self._retry_s = retry_s
        self._ledger = ledger
        self._engine = engine
        self._guard = guard
        self._fault_point = fault_point
        self._before_switch = before_switch
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._restored: dict[str, asyncio.Task[None]] = {}
        self._is_stopping = False

    # Asking

    def deploy(
        self, app: str, commit: Commit, *, path: str, commits: Sequence[Commit], options: DeployOptions, asked_by: str
    ) -> str:
        """Queue a deploy of a commit, whose app is in the folder ``path``; its id."""
        return self._queue(
            app, DeployKind.DEPLOY, release=release_id(commit.sha), commit=commit, asked_by=asked_by,
            settings=self._ledger.settings_version(app), commits=tuple(commits), authors=authors_of(commits),
            options=options, path=path,
        )  # fmt: skip

    def roll_back(self, app: str, *, to: str | None, asked_by: str) -> str:
        """Queue going back: to what was live before, or to the named release as it was last live.

        While a candidate serves a part of the requests, going back is to withdraw it: the id is that deploy's.

        Raises:
            UsageError: there is nothing to go back to.
        """
        view = self._known(app)
        if to is None and (canary := self._canary(app)):
            self._guard.withdraw(canary)
            return canary
        release, settings = self._rollback_target(view, to)
        commit = next((item.commit for item in self._ledger.releases(app) if item.release == release), None)
        return self._queue(
            app, DeployKind.ROLLBACK, release=release, commit=commit, settings=settings, asked_by=asked_by
        )

    def _canary(self, app: str) -> str | None:
        """The deploy whose candidate serves a part of the app's requests just now."""
        return next(
            (item.id for item in self._ledger.unfinished() if (item.app, item.status) == (app, Stage.CANARY)), None
        )

    def _rollback_target(self, view: AppView, to: str | None) -> tuple[str, int]:
        """The release and settings version to go back to: the pair before, or the named release as it last was live.

        Without a name, a release that somebody has already rolled back from is not gone back to.
        """
        pairs = [(item.release, item.settings) for item in view.previous] if to is None else self._kept(view, to)
        there = [pair for pair in pairs if self._engine.has_release(view.name, pair[0])]
        if there:
            return there[0]
        wanted = f"no release '{to[:40]}' of" if to else "no release before this one of"
        others = [release for release, _ in self._kept(view, "") if self._engine.has_release(view.name, release)]
        raise UsageError(
            f"{wanted} '{view.name}' can be gone back to",
            why="it takes one that was live, did not fail, was not rolled back from, and is still on this machine",
            next_step=f"pawl rollback {view.name} --to {others[0]}" if others else f"see: pawl releases {view.name}",
        )

    def _kept(self, view: AppView, prefix: str) -> list[tuple[str, int]]:
        """Releases whose name begins so, as they were last kept, newest first; not the one that is live.

        Raises:
            UsageError: the live release is named, or more than one, or too little of a name is given.
        """
        live = view.live.release if view.live else ""
        if (
            prefix
            and len(prefix) < _SHORTEST
            and all(item.release != prefix for item in self._ledger.releases(view.name))
        ):
            raise UsageError(
                f"'{prefix}' is too short for the name of a release of '{view.name}'",
                why=f"by {_SHORTEST} digits or more it is not named by a slip",
                next_step=f"see: pawl releases {view.name}",
            )
        if prefix and live.startswith(prefix):
            raise UsageError(f"release '{live}' of '{view.name}' is live already")
        found: dict[str, int] = {}
        for deploy in self._ledger.deploys(view.name, limit=None):
            if deploy.outcome is Outcome.KEPT and deploy.release.startswith(prefix) and deploy.release != live:
                found.setdefault(deploy.release, deploy.settings or 0)
        if prefix and len(found) > 1:
            raise UsageError(
                f"'{prefix[:40]}' names more than one release of '{view.name}'", next_step="give more digits"
            )
        return list(found.items())

    def renew(self, app: str, kind: DeployKind, *, asked_by: str) -> str | None:
        """Queue putting the live release live again: a restart, or new settings; None when nothing is live."""
        live = self._known(app).live
        if live is None:
            return None
        settings = live.settings if kind is DeployKind.RESTART else self._ledger.settings_version(app)
        commit = next((item.commit for item in self._ledger.releases(app) if item.release == live.release), None)
        return self._queue(app, kind, release=live.release, commit=commit, settings=settings, asked_by=asked_by)

    def _queue(
        self, app: str, kind: DeployKind, *, release: str, commit: Commit | None, settings: int, asked_by: str,
        commits: tuple[Commit, ...] = (), authors: tuple[str, ...] = (), options: DeployOptions | None = None,
        path: str = "",
    ) -> str:  # fmt: skip
        view = self._ledger.app(app)
        live = view.live if view else None
        deploy = self._ledger.next_deploy_id()
        self._ledger.append(
            DeployQueued(
                deploy_kind=kind, release=release, commit=commit, settings=settings, asked_by=asked_by,
                previous_release=live.release if live else None, commits=commits, authors=authors,
                options=options or DeployOptions(), from_live=live, path=path,
            ),
            app=app, deploy=deploy,
        )  # fmt: skip
        self._work(app)
        return deploy

    def _known(self, app: str) -> AppView:
        view = self._ledger.app(app)
        if view is None:
            raise UsageError(f"no app '{app}'", next_step="see: pawl apps")
        return view

    # Doing

    def resume(self) -> None:
        """Take up what an earlier pawld left: deploys that have not ended, watches over what was restored, old releases
        half deleted.
        """
        unfinished = {deploy.app for deploy in self._ledger.unfinished()}
        for app in unfinished:
            self._work(app)
        for app in {view.name for view in self._ledger.apps()} - unfinished:
            self._workers[app] = asyncio.ensure_future(self._tidy_and_run(app))
        for view in self._ledger.apps():
            for newest in self._ledger.deploys(view.name, limit=1):
                self._watch_restored(newest)

    def is_busy(self, app: str) -> bool:
        """Whether a deploy of the app runs or waits."""
        return any(deploy.app == app for deploy in self._ledger.unfinished())

    def _work(self, app: str) -> None:
        worker = self._workers.get(app)
        if not self._is_stopping and (worker is None or worker.done()):
            self._workers[app] = asyncio.ensure_future(self._run_all(app))

    async def _run_all(self, app: str) -> None:
        while deploy := next((item for item in self._ledger.unfinished() if item.app == app), None):
            try:
                outcome = await self._story(deploy).run()
            except Exception:  # whatever it is, the app's next deploys wait for this one
                log.exception("deploy %s could not be written down; it is taken up again later", deploy.id)
                await asyncio.sleep(self._retry_s)
                continue
            self._engine.forget_deploy(deploy.id)
            self._guard.forget(deploy.id)
            if outcome is Outcome.KEPT:
                await self._tidy(app)
            elif ended := self._ledger.deploy(deploy.id):
                self._watch_restored(ended)

    def _watch_restored(self, deploy: DeployView) -> None:
        """Watch what a change was taken back to, beside whatever comes next."""
        if self._is_stopping or not self._guard.is_restored_unwatched(deploy):
            return

        async def watch() -> None:
            try:
                await self._guard.watch_restored(deploy)
            except (PawlError, OSError):
                log.exception("%s: what was restored could not be watched", deploy.app)

        self._restored[deploy.app] = asyncio.ensure_future(watch())

    async def _tidy_and_run(self, app: str) -> None:
        """Deploys that are asked for meanwhile wait for the moment that takes."""
        await self._tidy(app)
        await self._run_all(app)

    async def _tidy(self, app: str) -> None:
        """Once a deploy is kept: fill what it left empty (it may have been cut off), and delete old releases."""
        try:
            self.ensure(app)
            await self._prune(app)
        except (PawlError, OSError):
            log.exception("%s: could not tidy up after its deploy", app)

    def _story(self, deploy: DeployView) -> Story:
        view = self._ledger.app(deploy.app)
        if deploy.kind in (DeployKind.RESTART, DeployKind.SETTINGS) and view and view.live:
            # What is live may have changed while it waited: it renews what is, not what was.
            commit = next((r.commit for r in self._ledger.releases(deploy.app) if r.release == view.live.release), None)
            deploy = msgspec.structs.replace(deploy, release=view.live.release, commit=commit)
            if deploy.kind is DeployKind.RESTART:
                deploy = msgspec.structs.replace(deploy, settings=view.live.settings)
        is_trusted = deploy.kind is DeployKind.ROLLBACK and self._engine.is_warm(
            deploy.app, deploy.release, deploy.settings or 0
        )
        return Story(
            deploy, ledger=self._ledger, engine=self._engine, counts=view.scale if view else {},
            is_trusted=is_trusted, restore=self._restore, guard=self._guard, before_switch=self._before_switch,
            fault_point=self._fault_point,
        )  # fmt: skip

    def ensure(self, app: str) -> None:
        """Bring what runs in line with what is live, but for singletons that a deploy has in its hands just now."""
        in_hand = any(
            deploy.app == app
            and deploy.switched_at is None
            and any(item.stage is Stage.HEALTHY for item in deploy.stages)
            for deploy in self._ledger.unfinished()
        )
        self._restore(app, with_singletons=not in_hand)

    def _restore(self, app: str, *, with_singletons: bool) -> None:
        view = self._ledger.app(app)
        if view is not None and view.live is not None:
            live = view.live
            self._engine.ensure(
                Candidate(app=app, deploy=live.deploy, release=live.release, settings=live.settings, counts=view.scale),
                with_singletons=with_singletons,
            )

    async def _prune(self, app: str) -> None:
        """Delete old releases; the last five that were live stay, and what is live in any case."""
        view = self._ledger.app(app)
        if view is None:
            return
        were_live = [item for item in self._ledger.releases(app) if item.last_live_at and not item.pruned_at]
        were_live.sort(key=lambda item: item.last_live_at or "", reverse=True)
        live = [view.live.release] if view.live else []
        keep = list(dict.fromkeys([*live, *(item.release for item in were_live)]))[:KEPT_RELEASES]
        waiting = [deploy.release for deploy in self._ledger.unfinished() if deploy.app == app]
        await self._engine.prune(app, [*keep, *waiting])
        there = [item.release for item in self._ledger.releases(app) if item.pruned_at is None]
        gone = [release for release in there if not self._engine.has_release(app, release)]  # just now or cut off
        if gone:
            self._ledger.append_many(Entry(ReleasePruned(release=release), app=app) for release in gone)
            await self._engine.prune_environments([item.name for item in self._ledger.apps()])

    async def cancel(self, app: str, reason: str) -> None:
        """Stop what runs for an app and end all its deploys as superseded (it is being removed)."""
        tasks = [task for held in (self._workers, self._restored) if (task := held.pop(app, None))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._ledger.append_many(
            Entry(DeployEnded(outcome=Outcome.SUPERSEDED, reason=reason, duration_s=0.0), app=app, deploy=deploy.id)
            for deploy in self._ledger.unfinished()
            if deploy.app == app
        )

    async def stop(self) -> None:
        """Leave running stories where they are; the ledger knows how far they came."""
        self._is_stopping = True
        tasks = [*self._workers.values(), *self._restored.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
