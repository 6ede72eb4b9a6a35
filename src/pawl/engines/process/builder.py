"""Making releases: the commit's files, its environment, its tests, and the release tasks of a deploy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec

from pawl import runner
from pawl.config.load import parse
from pawl.engines.base import Candidate
from pawl.engines.process import environments, proc
from pawl.engines.process.environments import Environments
from pawl.engines.process.handles import Handle, kill_marked
from pawl.engines.process.logs import LogFolder
from pawl.engines.process.plans import MARK, Plan, Plans
from pawl.engines.process.releases import Manifest, Releases
from pawl.errors import CommandFailed, CommandTimedOut, StageFailed
from pawl.home import Home
from pawl.model import Commit, release_id
from pawl.source.store import Store

_TAIL_LINES = 30
_LONGER = "; if it only needs longer: raise [{}] timeout_s in pawl.toml"


class Builder:
    """Builds, tests and runs tasks. Everything here may be killed and begun again; a task is never run twice."""

    def __init__(self, home: Home, store: Store, plans: Plans, environments_: Environments, *, mark: str) -> None:
        self._home = home
        self._store = store
        self._plans = plans
        self._environments = environments_
        self._mark = mark
        self._tasks = home.path / "tasks"  # not in run/, which a reboot may empty

    async def build(self, app: str, commit: Commit, path: str) -> bool:
        """Lay out the commit's files and make its environment; False when both were there."""
        release = release_id(commit.sha)
        releases = self._plans.releases(app)
        is_new = not (releases.has(release) and self._has_environment(app, release))
        try:
            if is_new:
                await self._lay_out(app, commit, path, releases, release)
                await self._store.keep(app, release, commit.sha)
        except BaseException as error:
            releases.abandon(release)  # half a release is of no use, and its room may be what is missing
            if isinstance(error, Exception):  # not when pawld stops: the next one builds it
                await self._store.forget_arrival(commit.sha)
            raise
        await self._store.forget_arrival(commit.sha)
        return is_new

    async def _lay_out(self, app: str, commit: Commit, path: str, releases: Releases, release: str) -> None:
        source = releases.begin(release) / "app"
        await self._store.extract(commit.sha, source, path=path)
        files = await self._store.texts(commit.sha, ["pawl.toml", "Procfile"], path=path)
        config = parse(files, folder=app)
        recipe = environments.recipe(
            source,
            tree=await self._store.tree(commit.sha, path=path),
            install=config.build.install,
            python=config.build.python,
        )
        self._environments.in_use.add(recipe.key)
        try:
            async with _leaving_nothing(f"{self._mark}:build:{app}:{release}") as marked:
                await self._environments.build(
                    recipe, source, log=self._log(app, "build", release), timeout_s=config.build.timeout_s,
                    env={**self._plans.build_environ(app, release, config), **marked},
                )  # fmt: skip
            releases.finish(release, Manifest(commit=commit, folder=app, files=files, environment=recipe.key))
        finally:
            self._environments.in_use.discard(recipe.key)

    def _has_environment(self, app: str, release: str) -> bool:
        key = self._plans.releases(app).manifest(release).environment
        return (self._environments.path(key) / environments.COMPLETE).exists()

    async def test(self, app: str, release: str) -> bool:
        """Run the test command in the release; False when there is none or it has passed before."""
        releases = self._plans.releases(app)
        manifest, config = releases.manifest(release), releases.config(release)
        if not config.build.test or manifest.is_tested:
            return False
        log = self._log(app, "test", release)
        try:
            async with _leaving_nothing(f"{self._mark}:test:{app}:{release}") as marked:
                await runner.run(
                    ["/bin/sh", "-c", config.build.test],
                    cwd=releases.source(release),
                    env={**self._plans.build_environ(app, release, config), **marked},
                    log=log,
                    timeout_s=config.build.timeout_s,
                )
        except CommandFailed as error:
            is_late = isinstance(error, CommandTimedOut)
            raise StageFailed(
                f"the tests failed: '{config.build.test}' {runner.ending(error)}",
                why=error.why,
                next_step=f"see: pawl logs {app} --process test" + (_LONGER.format("build") if is_late else ""),
                detail=error.detail,
            ) from error
        releases.replace_manifest(release, msgspec.structs.replace(manifest, is_tested=True))
        return True

    def _log(self, app: str, what: str, name: str) -> Path:
        return LogFolder(self._home.logs(app)).new(f"{what}.1", name)

    def kill_interrupted(self) -> None:
        """Kill installs and tests that an earlier pawld had begun; they are run again from the start."""
        for pid in (*proc.marked(MARK, f"{self._mark}:build:"), *proc.marked(MARK, f"{self._mark}:test:")):
            identity = proc.identify(pid)
            handle = identity and Handle.adopt(identity, on_exit=lambda: None)
            if handle:
                handle.kill()

    async def run_task(self, plan: Plan, candidate: Candidate, index: int) -> int:
        """Run one release task to its end, or wait for the one an earlier pawld began.

        The task's own shell writes the exit status down, so that it is known to whichever pawld asks.
        """
        command = plan.config.release.tasks[index]
        name = f"{candidate.deploy}-{index}"
        task = _Task(self._tasks, name)
        log = self._log(candidate.app, "task", f"{candidate.deploy}n{index}")
        mark = f"{self._mark}:task:{name}:"
        handle = None
        if not task.has_begun and not proc.marked(MARK, mark):
            task.prepare()
            handle = Handle.spawn(
                task.argv(command), cwd=plan.source, env={**plan.environ, MARK: mark}, log=log, on_exit=lambda: None
            )
        timeout_s = plan.config.release.timeout_s
        try:
            status = await self._await_task(task, mark, timeout_s)
            ending = "was interrupted and is not run twice" if status is None else runner.exit_text(status)
            why = longer = ""
        except TimeoutError:
            status, ending = None, "was stopped"
            why, longer = f"it ran longer than {timeout_s:g} s", _LONGER.format("release")
        if handle is not None:
            await handle.exited.wait()  # and what it left in its session is gone with it
        if status != 0:
            lines = [
                line.text for file in LogFolder(log.parent).files() if file.path == log for line, _ in file.lines()
            ]
            raise StageFailed(
                f"the release task '{command}' {ending}",
                why=why,
                next_step=f"see: pawl logs {candidate.app} --process task{longer}",
                detail="\n".join(map(plan.redactor.text, lines[-_TAIL_LINES:])),
            )
        return status

    async def _await_task(self, task: _Task, mark: str, timeout_s: float) -> int | None:
        """The exit status of a task, None when it is gone without one.

        Raises:
            TimeoutError: it ran longer than ``timeout_s`` and has been killed.
        """
        deadline = time.monotonic() + timeout_s
        grace = time.monotonic() + 0.5
        pause = 0.005
        while (status := task.exit_status()) is None:
            now = time.monotonic()
            if now > grace and not proc.marked(MARK, mark):
                return task.exit_status()  # asked again: it may have ended between the two looks
            if now > deadline:
                for pid in proc.marked(MARK, mark):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                raise TimeoutError
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, 0.1)
        return status

    def forget_tasks(self, deploy: str) -> None:
        """Remove the notes of a deploy's tasks once it has ended."""
        for path in self._tasks.glob(f"{deploy}-*"):
            path.unlink(missing_ok=True)

    def forget_tasks_except(self, unfinished: Sequence[str]) -> None:
        """Remove the notes of deploys that ended just before their pawld did."""
        for path in self._tasks.glob("*"):
            if path.name.partition("-")[0] not in unfinished:
                path.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _leaving_nothing(mark: str) -> AsyncIterator[Mapping[str, str]]:
    """The variable for programs that are run to their end; what they have left running is killed then."""
    try:
        yield {MARK: mark}
    finally:
        await asyncio.to_thread(kill_marked, MARK, mark)


class _Task:
    """The notes of one release task: ``.began`` before its command, ``.status`` after it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._began = folder / f"{name}.began"
        self._status = folder / f"{name}.status"

    @property
    def has_begun(self) -> bool:
        return self._began.exists() or self._status.exists()

    def prepare(self) -> None:
        self._began.parent.mkdir(mode=0o700, exist_ok=True)

    def argv(self, command: str) -> Sequence[str]:
        script = ': > "$2" || exit 1; /bin/sh -c "$1"; echo $? > "$3.new"; mv "$3.new" "$3"'
        return ["/bin/sh", "-c", script, "task", command, str(self._began), str(self._status)]

    def exit_status(self) -> int | None:
        try:
            return int(self._status.read_text())
        except (OSError, ValueError):
            return None
