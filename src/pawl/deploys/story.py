"""One deploy through its stages.

Each stage is written to the ledger before it begins and after it has ended. A pawld that is killed in between leaves a
ledger from which the next one goes on: stages that ended are skipped, the one that was cut off is done again, which
every step bears. Until ``switched`` begins a failure costs nothing: the candidate is discarded and what was live has
never stopped serving. From ``switched`` on the deploy only goes forward.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from pawl.engines.base import Candidate, Engine
from pawl.errors import PawlError, StageFailed, StateError
from pawl.ledger.base import Ledger
from pawl.ledger.events import (
    ChangeFound,
    DeployEnded,
    MigrationsFound,
    ReleaseBuilt,
    StageBegan,
    StageEnded,
    Switched,
    SwitchedBack,
    TaskBegan,
    TaskEnded,
    VerdictReached,
)
from pawl.ledger.records import DeployView, Entry
from pawl.model import Commit, DeployKind, Outcome, Stage

log = logging.getLogger(__name__)
Step = Callable[[], Awaitable[str]]


class Restore(Protocol):
    """Bring what runs of an app, and where its requests go, in line with what is live."""

    def __call__(self, app: str, *, with_singletons: bool) -> None: ...


class Watch(Protocol):
    """Watches the deploy, see :class:`pawl.deploys.guard.Guard`."""

    def has_canary(self, deploy: DeployView) -> bool: ...
    async def canary(self, deploy: DeployView, candidate: Candidate) -> VerdictReached | None: ...
    async def observe(self, deploy: DeployView, candidate: Candidate) -> VerdictReached | str: ...
    def way_back(self, deploy: DeployView) -> Candidate | None: ...


class _Withdrawn(Exception):
    """The candidate is not to get all requests, for what was seen when it served a part of them."""

    def __init__(self, verdict: VerdictReached) -> None:
        super().__init__(verdict.observation.why)
        self.verdict = verdict


class Story:
    """One deploy. ``counts`` are the instances that ``pawl scale`` asked for, by process type."""

    def __init__(
        self,
        deploy: DeployView,
        *,
        ledger: Ledger,
        engine: Engine,
        counts: Mapping[str, int],
        is_trusted: bool,
        restore: Restore,
        guard: Watch,
        before_switch: Callable[[Candidate], Awaitable[None]],
        fault_point: Callable[[str], None],
    ) -> None:
        assert deploy.settings is not None
        self._deploy = deploy
        self._ledger = ledger
        self._engine = engine
        self._restore = restore
        self._guard = guard
        self._before_switch = before_switch
        self._fault_point = fault_point
        self._stage: Stage | None = None
        self._began = time.monotonic()
        self._done = {stage.stage for stage in deploy.stages if stage.ended_at is not None}
        self._has_moved = False
        self._watching: asyncio.Future[VerdictReached | str] | None = None
        self._is_switched = deploy.switched_at is not None
        self._is_taken_back = bool(ledger.events(deploy=deploy.id, kinds={"switched_back"}, limit=1))
        if not self._is_switched:  # its instances may have died with the machine
            self._done -= {Stage.STARTED, Stage.HEALTHY, Stage.SWITCHED}
        self._candidate = Candidate(
            app=deploy.app, deploy=deploy.id, release=deploy.release, settings=deploy.settings, counts=counts,
            is_trusted=is_trusted,
        )  # fmt: skip

    @property
    def candidate(self) -> Candidate:
        return self._candidate

    async def run(self) -> Outcome:
        """Go through the stages that are left and write the outcome; whatever happens, something goes on serving.

        Raises:
            StateError: the ledger could not be written; the deploy is to be taken up again.
        """
        try:
            self._mind_canary()
            for stage, step in self._stages().items():
                await self._go_through(stage, step)
            verdict = self._verdict(Stage.OBSERVED)
            if verdict is not None and verdict.acts:
                return await self._take_back(verdict)
        except asyncio.CancelledError:
            raise  # pawld is stopping: the next one takes the deploy up
        except _Withdrawn as found:
            return await self._withdraw(found.verdict)
        except PawlError as error:
            return await self._failed(error)
        except OSError as error:
            return await self._failed(from_os(error))
        except Exception as error:
            log.exception("deploy %s", self._deploy.id)
            return await self._failed(
                StageFailed(f"pawld failed: {type(error).__name__}", why=str(error), next_step="see: log/pawld.log")
            )
        finally:
            if self._watching is not None:
                self._watching.cancel()
        return self._end(Outcome.KEPT, verdict.note if verdict else "")

    def _stages(self) -> dict[Stage, Step]:
        building: dict[Stage, Step] = {
            Stage.FETCHED: self._fetch,
            Stage.BUILT: self._build,
            Stage.TESTED: self._test,
            Stage.TASKS_DONE: self._run_tasks,
        }
        going_live: dict[Stage, Step] = {
            Stage.STARTED: self._start,
            Stage.HEALTHY: self._wait_healthy,
            Stage.CANARY: self._canary,
            Stage.SWITCHED: self._switch,
            Stage.DRAINED: self._drain,
            Stage.OBSERVED: self._observe,
        }
        if self._deploy.kind is not DeployKind.DEPLOY:
            del going_live[Stage.CANARY]
            return going_live
        return building | going_live

    async def _go_through(self, stage: Stage, step: Step) -> None:
        if stage in self._done or (stage is Stage.CANARY and not self._guard.has_canary(self._deploy)):
            return
        self._stage = stage
        self._fault_point(f"{stage}: before")
        self._append(StageBegan(stage=stage))
        self._fault_point(f"{stage}: begun")
        began = time.monotonic()
        detail = await step()
        self._fault_point(f"{stage}: done")
        ended = StageEnded(stage=stage, duration_s=round(time.monotonic() - began, 4), detail=detail)
        if stage is Stage.SWITCHED:
            self._has_moved = True
            self._append(self._switched(), ended)
            self._is_switched = True
        else:
            self._append(ended)
        self._fault_point(f"{stage}: ended")

    # The steps; each may be done twice, and answers with what a person may want to know of it

    async def _fetch(self) -> str:
        commit = self._deploy.commit
        if commit and self._deploy.kind is DeployKind.DEPLOY:
            await self._find_change(commit)
        return commit.sha[:12] if commit else ""

    async def _find_change(self, commit: Commit) -> None:
        """Write down what becomes live if that is not what it was when it was asked for: it may have had to wait."""
        app = self._ledger.app(self._deploy.app)
        live, then = app.live if app else None, self._deploy.from_live
        if (live and live.commit) == (then and then.commit):
            return
        commits = tuple(await self._engine.change(live.commit if live else None, commit.sha))
        self._append(ChangeFound(commits=commits, authors=authors_of(commits), from_live=live))

    async def _build(self) -> str:
        commit = self._deploy.commit
        assert commit is not None
        began = time.monotonic()
        is_new = await self._engine.build(self._deploy.app, commit, self._deploy.path)
        self._fault_point("release built")
        if not is_new and self._is_recorded():
            return "reused"
        self._append(
            ReleaseBuilt(
                release=self._deploy.release, commit=commit, environment="",
                duration_s=round(time.monotonic() - began, 4),
            )
        )  # fmt: skip
        return "new" if is_new else "reused"

    def _is_recorded(self) -> bool:
        """Whether the ledger knows that the release was built: a pawld may have died just before it said so."""
        built = self._ledger.releases(self._deploy.app)
        return any(item.release == self._deploy.release and item.pruned_at is None for item in built)

    async def _test(self) -> str:
        return "passed" if await self._engine.test(self._deploy.app, self._deploy.release) else "nothing to run"

    async def _run_tasks(self) -> str:
        commands = self._engine.tasks(self._deploy.app, self._deploy.release)
        if commands and not self._deploy.tasks:
            await self._foresee_migrations()
        ended = {task.index for task in self._deploy.tasks if task.exit_status == 0}
        for index, command in enumerate(commands):
            if index in ended:
                continue
            self._append(TaskBegan(index=index, command=command))
            self._fault_point("task begun")
            began = time.monotonic()
            status = await self._engine.run_task(self._candidate, index)
            self._fault_point("task done")
            duration_s = round(time.monotonic() - began, 4)
            self._append(TaskEnded(index=index, exit_status=status, duration_s=duration_s))
        return "none" if not commands else "1 task" if len(commands) == 1 else f"{len(commands)} tasks"

    async def _foresee_migrations(self) -> None:
        """Write down what the tasks will do to the release that serves meanwhile, while it can still be read."""
        app = self._ledger.app(self._deploy.app)
        if app is None or app.live is None:
            return
        plan = await self._engine.migrations(self._candidate)
        if plan is not None and plan.summary:
            self._append(
                MigrationsFound(
                    pending=plan.pending, destructive=plan.destructive, irreversible=plan.irreversible,
                    unknown=plan.unknown, trouble=plan.trouble,
                )
            )  # fmt: skip

    async def _start(self) -> str:
        await self._engine.start(self._candidate)
        return ""

    async def _wait_healthy(self) -> str:
        await self._engine.wait_healthy(self._candidate)
        return ""

    async def _canary(self) -> str:
        await self._before_switch(self._candidate)
        verdict = self._verdict(Stage.CANARY) or await self._guard.canary(self._deploy, self._candidate)
        if verdict is None:
            return "nothing against it"
        if self._verdict(Stage.CANARY) is None:
            self._append(verdict)
            self._fault_point("canary verdict reached")
        if verdict.acts:
            raise _Withdrawn(verdict)
        return verdict.observation.verdict

    def _mind_canary(self) -> None:
        """Raise _Withdrawn where an earlier pawld has judged so: the candidate need not come up once more for it."""
        verdict = None if self._is_switched else self._verdict(Stage.CANARY)
        if verdict is not None and verdict.acts:
            raise _Withdrawn(verdict)

    async def _switch(self) -> str:
        await self._before_switch(self._candidate)
        await self._engine.switch(self._candidate)
        return ""

    async def _drain(self) -> str:
        """Wait for what was live to finish, at most until the change is seen to do harm: it is watched already."""
        draining = asyncio.ensure_future(self._engine.drain(self._candidate))
        try:
            watching = self._watch()
            both: set[asyncio.Future[Any]] = {draining, watching}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if _acts(watching):
                return "cut short"
            await draining
        finally:
            draining.cancel()
        return ""

    def _watch(self) -> asyncio.Future[VerdictReached | str]:
        """The watch over the candidate, which goes on beside what else there is to do."""
        if self._watching is None:
            view = self._ledger.deploy(self._deploy.id) or self._deploy
            self._watching = asyncio.ensure_future(self._guard.observe(view, self._candidate))
        return self._watching

    async def _observe(self) -> str:
        verdict = self._verdict(Stage.OBSERVED)
        if verdict is None:
            found = await self._watch()
            if isinstance(found, str):
                return found
            verdict = found
            self._append(verdict)
            self._fault_point("verdict reached")
        return verdict.observation.verdict

    def _verdict(self, stage: Stage) -> VerdictReached | None:
        """The verdict that was reached in a stage, now or by an earlier pawld."""
        found = [item.event for item in self._ledger.events(deploy=self._deploy.id, kinds={"verdict_reached"})]
        return next((one for one in found if isinstance(one, VerdictReached) and one.stage is stage), None)

    # Endings

    async def _take_back(self, verdict: VerdictReached) -> Outcome:
        """Put what was live before back, which is warm as a rule, and end the deploy."""
        seen = verdict.observation
        reason = f"{seen.verdict} after {seen.elapsed_s:.0f} s: {seen.why}"
        old = self._guard.way_back(self._deploy)
        if old is None:
            raise StageFailed("it cannot be taken back", why=f"what was live before is gone; {reason}")
        if not self._is_taken_back:
            is_warm = self._engine.is_warm(old.app, old.release, old.settings)
            old = replace(old, is_trusted=is_warm, ends_others=True)
            self._fault_point("taking back: before")
            await self._bring_up(old)
            self._fault_point("taking back: healthy")
            self._is_switched, self._has_moved = False, True
            await self._engine.switch(old)
            self._fault_point("taking back: moved")
            self._append(SwitchedBack(release=old.release, settings=old.settings, reason=reason))
            self._is_taken_back = True
        self._fault_point("taking back: done")
        await self._engine.drain(replace(old, is_trusted=True))
        return self._end(Outcome.ROLLED_BACK, reason, next_step=f"see: pawl observe {self._deploy.id}")

    async def _bring_up(self, old: Candidate) -> None:
        """Have what was live before stand by, healthy; the change goes on serving where that fails."""
        try:
            await self._engine.start(old)
            await self._engine.wait_healthy(old)
            await self._before_switch(old)
        except PawlError:
            await self._engine.discard(old)
            self._restore(old.app, with_singletons=True)
            raise

    async def _withdraw(self, verdict: VerdictReached) -> Outcome:
        """End a candidate that served a part of the requests; what is live gets all of them again."""
        seen = verdict.observation
        share = f"at {seen.canary_percent} % of the requests" if seen.canary_percent else "as a canary"
        await self._engine.share(self._candidate, 0)
        return await self._give_up(
            Outcome.ROLLED_BACK, f"{seen.verdict} {share}: {seen.why}", next_step=f"see: pawl observe {self._deploy.id}"
        )

    async def _failed(self, error: PawlError) -> Outcome:
        reason = error.what if not error.why else f"{error.what}: {error.why}"
        if self._is_taken_back:
            log.error("deploy %s is taken back, but: %s", self._deploy.id, reason)
            return self._end(Outcome.ROLLED_BACK, reason)
        if self._is_switched and isinstance(error, StateError):
            raise error  # a disk that is full is no reason to keep a change unwatched: it is taken up again
        if self._is_switched:
            log.error("deploy %s is live, but: %s", self._deploy.id, reason)
            return self._end(Outcome.KEPT, reason)
        if self._has_moved:
            raise error  # the requests have moved and the ledger could not be told: it is taken up again
        if self._stage is Stage.CANARY:
            await self._engine.share(self._candidate, 0)
        return await self._give_up(Outcome.FAILED, reason, next_step=error.next_step, detail=error.detail)

    async def _give_up(self, outcome: Outcome, reason: str, *, next_step: str, detail: str = "") -> Outcome:
        """End the deploy of a candidate that did not go live."""
        try:
            self._restore(self._deploy.app, with_singletons=False)  # before its end, for requests may have moved to it
            await self._engine.discard(self._candidate)
            self._restore(self._deploy.app, with_singletons=True)
        except (PawlError, OSError):
            log.exception("deploy %s: what was live could not be restored", self._deploy.id)
        self._fault_point("discarded")
        return self._end(outcome, reason, next_step=next_step, detail=detail)

    def _end(self, outcome: Outcome, reason: str, *, next_step: str = "", detail: str = "") -> Outcome:
        failed_stage = self._stage if outcome is Outcome.FAILED else None
        duration_s = round(time.monotonic() - self._began, 4)
        self._append(
            DeployEnded(
                outcome=outcome,
                reason=reason,
                next_step=next_step,
                detail=detail,
                failed_stage=failed_stage,
                duration_s=duration_s,
            )
        )
        return outcome

    def _switched(self) -> Switched:
        commit = self._deploy.commit
        return Switched(
            release=self._deploy.release, settings=self._candidate.settings, commit=commit.sha if commit else ""
        )

    def _append(
        self,
        *events: ChangeFound
        | StageBegan
        | StageEnded
        | TaskBegan
        | TaskEnded
        | MigrationsFound
        | Switched
        | SwitchedBack
        | ReleaseBuilt
        | VerdictReached
        | DeployEnded,
    ) -> None:
        self._ledger.append_many([Entry(event, app=self._deploy.app, deploy=self._deploy.id) for event in events])


def authors_of(commits: Sequence[Commit]) -> tuple[str, ...]:
    """Who wrote the commits, each once, as git names them."""
    return tuple(dict.fromkeys(f"{item.author} <{item.email}>" for item in commits))


def _acts(watching: asyncio.Future[VerdictReached | str]) -> bool:
    """Whether the watch has ended with a verdict that takes the change back."""
    if not watching.done() or watching.exception() is not None:
        return False
    found = watching.result()
    return isinstance(found, VerdictReached) and found.acts


def from_os(error: OSError) -> PawlError:
    """What the machine refused, in our words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StageFailed(
            "the disk is full", why=f"{error.strerror}: {error.filename or 'a file of the release'}",
            next_step="make room (pawl releases lists what is kept) and deploy again",
        )  # fmt: skip
    return StageFailed(f"the machine refused: {error.strerror}", why=str(error.filename or ""))
