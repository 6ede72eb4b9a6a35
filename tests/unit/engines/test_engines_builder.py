"""Installs, tests and release tasks: what is done again after a kill, and what never is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from pawl.engines.base import Candidate
from pawl.engines.process import proc
from pawl.engines.process.builder import Builder
from pawl.engines.process.environments import Environments
from pawl.engines.process.plans import Plans
from pawl.engines.process.releases import Manifest
from pawl.errors import StageFailed
from pawl.home import Home
from pawl.settings.versions import Settings, SettingsFolder
from pawl.source.store import Store
from tests.unit.engines.engines_rig import COMMIT, MARK, until

CANDIDATE = Candidate(app="hello", deploy="d1", release="r1", settings=1)


class Rig:
    """A home with the release r1 of hello, whose tasks and test are given."""

    def __init__(self, place: Path, *tasks: str, test: str = "", timeout_s: float = 20) -> None:
        self.home = Home(place / "home")
        self.home.create()
        self.begin()
        lines = ['app = "hello"', "[processes.web]", 'command = "run"', "[build]", f"test = {json.dumps(test)}"]
        lines += [f"timeout_s = {timeout_s}", "[release]", f"tasks = {json.dumps(tasks)}", f"timeout_s = {timeout_s}"]
        releases = self.plans.releases("hello")
        (releases.begin("r1") / "app").mkdir()
        files = {"pawl.toml": "\n".join(lines)}
        releases.finish("r1", Manifest(commit=COMMIT, folder="hello", files=files, environment="none"))
        SettingsFolder(self.home.settings("hello")).write(1, Settings({"FROM": "env"}, {"PASSWORD": "hunter2!"}))

    def begin(self) -> None:
        """A new pawld."""
        environments = Environments(self.home.envs, self.home.cache)
        self.plans = Plans(self.home, environments)
        self.builder = Builder(self.home, Store(self.home.store), self.plans, environments, mark=MARK)

    async def run(self, index: int = 0, candidate: Candidate = CANDIDATE) -> int:
        return await self.builder.run_task(self.plans.plan("hello", "r1", 1), candidate, index)

    @property
    def effects(self) -> list[str]:
        path = self.home.data("hello") / "effects"
        return path.read_text().split() if path.exists() else []


def play(rig: Rig, scene: Callable[[Rig], Coroutine[object, object, None]]) -> None:
    async def within_time() -> None:
        async with asyncio.timeout(30):
            await scene(rig)
            await until(lambda: not proc.marked("PAWL_MARK", f"{MARK}:"))
            for _ in range(3):  # the exits are noticed before the loop is gone
                await asyncio.sleep(0)

    asyncio.run(within_time())


EFFECT = "echo done >> $PAWL_DATA/effects"


def test_a_task_runs_in_the_release_with_the_settings_of_the_deploy(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        assert await rig.run() == 0
        assert rig.effects == [str(rig.home.releases("hello") / "r1" / "app"), "env", "hunter2!"]

    play(Rig(place, "(pwd; echo $FROM; echo $PASSWORD) > $PAWL_DATA/effects"), scene)


def test_a_task_that_fails_shows_its_last_lines_without_secrets(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises(StageFailed) as caught:
            await rig.run(1)
        assert caught.value.what == "the release task 'echo no $PASSWORD; exit 4' exited with 4"
        assert caught.value.detail == "no [secret]"
        assert caught.value.next_step == "see: pawl logs hello --process task"

    play(Rig(place, "true", "echo no $PASSWORD; exit 4"), scene)


def test_a_task_that_an_earlier_pawld_began_is_waited_for_and_not_begun_again(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        go = rig.home.data("hello") / "go"
        first = asyncio.ensure_future(rig.run())
        await until(lambda: rig.effects == ["begun"])
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        rig.begin()
        second = asyncio.ensure_future(rig.run())
        await asyncio.sleep(0)
        go.touch()
        assert await second == 0
        assert rig.effects == ["begun", "done"]
        assert await rig.run() == 0
        assert rig.effects == ["begun", "done"]

    wait = "echo begun >> $PAWL_DATA/effects; until [ -e $PAWL_DATA/go ]; do sleep 0.01; done; "
    play(Rig(place, wait + EFFECT), scene)


def test_a_task_whose_process_has_begun_but_has_not_said_so_is_not_begun_again(place: Path) -> None:
    """Its pawld was killed in the moment between."""

    async def scene(rig: Rig) -> None:
        environ = {**os.environ, "PAWL_MARK": f"{MARK}:task:d1-0:"}
        status = rig.home.path / "tasks" / "d1-0.status"
        status.parent.mkdir()
        with subprocess.Popen(["/bin/sh", "-c", f"sleep 0.1; echo 0 > {status}"], env=environ):  # noqa: ASYNC220
            assert await rig.run() == 0
        assert rig.effects == []

    play(Rig(place, EFFECT), scene)


def test_a_task_that_died_with_the_machine_is_not_run_twice(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        (rig.home.path / "tasks").mkdir()
        (rig.home.path / "tasks" / "d1-0.began").touch()
        for _ in range(2):
            with pytest.raises(StageFailed, match="was interrupted and is not run twice"):
                await rig.run()
        assert rig.effects == []
        rig.builder.forget_tasks("d1")
        assert await rig.run() == 0
        assert rig.effects == ["done"]

    play(Rig(place, EFFECT), scene)


def test_a_task_that_takes_too_long_is_killed_with_its_children(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises(StageFailed) as caught:
            await rig.run()
        error = caught.value
        assert (error.what, error.why) == (
            "the release task 'echo begun; sleep 60 & sleep 60' was stopped", "it ran longer than 1 s",
        )  # fmt: skip
        assert (error.detail, "raise [release] timeout_s in pawl.toml" in error.next_step) == ("begun", True)
        await until(lambda: not proc.marked("PAWL_MARK", f"{MARK}:task:"))

    play(Rig(place, "echo begun; sleep 60 & sleep 60", timeout_s=1), scene)


def test_the_notes_of_deploys_that_ended_are_removed_and_the_others_kept(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        for deploy in ("d1", "d10", "d2"):
            await rig.run(candidate=Candidate(app="hello", deploy=deploy, release="r1", settings=1))
        rig.builder.forget_tasks("d1")
        left = sorted(path.name for path in (rig.home.path / "tasks").iterdir())
        assert {name.partition("-")[0] for name in left} == {"d10", "d2"}
        rig.builder.forget_tasks_except(["d2"])
        assert {path.name.partition("-")[0] for path in (rig.home.path / "tasks").iterdir()} == {"d2"}
        assert len(rig.effects) == 3

    play(Rig(place, EFFECT), scene)


def test_the_logs_of_tasks_are_told_apart(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.run(10)
        await rig.run(0, Candidate(app="hello", deploy="d11", release="r1", settings=1))
        assert len(list(rig.home.logs("hello").glob("task.1-*.log"))) == 2

    play(Rig(place, *["true"] * 11), scene)


def test_tests_have_none_of_the_settings_and_run_until_they_pass(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises(StageFailed) as caught:
            await rig.builder.test("hello", "r1")
        assert caught.value.what.endswith("exited with 1")
        assert caught.value.detail == "password:"
        assert caught.value.next_step == "see: pawl logs hello --process test"
        (rig.plans.releases("hello").source("r1") / "passes").touch()
        assert await rig.builder.test("hello", "r1")
        assert not await rig.builder.test("hello", "r1")

    play(Rig(place, test='echo "password: $PASSWORD$FROM"; test -e passes'), scene)


def test_tests_that_take_too_long_are_said_to_and_which_setting_gives_them_longer(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        with pytest.raises(StageFailed) as caught:
            await rig.builder.test("hello", "r1")
        error = caught.value
        assert (error.what, error.why, error.detail) == (
            "the tests failed: 'echo begun; sleep 60' was stopped", "it ran longer than 1 s", "begun",
        )  # fmt: skip
        assert error.next_step == (
            "see: pawl logs hello --process test; if it only needs longer: raise [build] timeout_s in pawl.toml"
        )

    play(Rig(place, test="echo begun; sleep 60", timeout_s=1), scene)


def test_what_tests_leave_running_is_killed_and_what_is_anothers_is_not(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        others = [
            subprocess.Popen(["sleep", "60"], env={"PAWL_MARK": mark})  # noqa: ASYNC220
            for mark in (f"{MARK}:test:other:r1", f"{MARK}:test:hello:r11", f"{MARK}:instance:r1", "no:test:hello:r1")
        ]
        try:
            assert await rig.builder.test("hello", "r1")
            await until(lambda: not proc.marked("PAWL_MARK", f"{MARK}:test:hello:r1").keys() - {others[1].pid})
            assert [process.poll() for process in others] == [None] * len(others)
        finally:
            for process in others:
                process.kill()
                process.wait()

    play(Rig(place, test="sleep 60 & setsid sleep 60 & sleep 0.2"), scene)


def test_installs_and_tests_of_an_earlier_pawld_are_killed_and_its_tasks_are_not(place: Path) -> None:
    async def scene(rig: Rig) -> None:
        running = {
            what: subprocess.Popen(["sleep", "60"], env={"PAWL_MARK": f"{mark}:"})  # noqa: ASYNC220
            for what, mark in (
                ("build", f"{MARK}:build:r1"), ("test", f"{MARK}:test:r1"), ("task", f"{MARK}:task:d1-0"),
                ("other", "no:test:r1"),
            )
        }  # fmt: skip
        try:
            rig.builder.kill_interrupted()
            await until(lambda: running["build"].poll() is not None and running["test"].poll() is not None)
            assert (running["task"].poll(), running["other"].poll()) == (None, None)
        finally:
            for process in running.values():
                process.kill()
                process.wait()

    play(Rig(place), scene)
