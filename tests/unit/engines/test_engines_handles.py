"""A handle on one process: that its end is noticed, and how it is brought about."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from pawl.engines.process import proc
from pawl.engines.process.handles import Handle
from pawl.errors import StageFailed
from tests.support import eventually, is_running

SHELL = ("/bin/sh", "-c")
PYTHON = (sys.executable, "-c")


class Stage:
    """Starts processes in a folder, and ends whatever is left of them."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "web.1-a.log"
        self._folder = folder
        self._handles: list[Handle] = []
        self.exits = 0

    def spawn(self, *argv: str) -> Handle:
        handle = Handle.spawn(argv, cwd=self._folder, env=os.environ, log=self.log, on_exit=self._on_exit)
        self._handles.append(handle)
        return handle

    def _on_exit(self) -> None:
        self.exits += 1

    async def close(self) -> None:
        for handle in self._handles:
            handle.kill()
            await handle.exited.wait()

    async def says(self, text: str) -> None:
        """Wait until the log has a text."""
        await until(lambda: text in self.log.read_text())


def play(folder: Path, scene: Callable[[Stage], Coroutine[object, object, None]]) -> None:
    async def with_stage() -> None:
        stage = Stage(folder)
        try:
            async with asyncio.timeout(20):
                await scene(stage)
        finally:
            await stage.close()

    asyncio.run(with_stage())


async def until(question: Callable[[], object]) -> None:
    while not question():
        await asyncio.sleep(0.005)


ENDINGS = {
    "well": ("exit 0", "exited with 0"),
    "badly": ("exit 3", "exited with 3"),
    "killed": ("kill -9 $$", "was killed by SIGKILL"),
    "aborted": ("kill -6 $$", "was killed by SIGABRT"),
}


@pytest.mark.parametrize(("script", "text"), ENDINGS.values(), ids=ENDINGS)
def test_an_exit_is_noticed_and_told_once(tmp_path: Path, script: str, text: str) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn(*SHELL, script)
        await handle.exited.wait()
        assert handle.exit_text == text
        handle.kill()
        handle.send(signal.SIGTERM)
        assert await handle.end(timeout_s=0)
        assert stage.exits == 1

    play(tmp_path, scene)


def test_output_and_errors_are_appended_to_the_log(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for word in ("one", "two"):
            await stage.spawn(*SHELL, f"echo {word}; echo {word} bad >&2").exited.wait()
        assert stage.log.read_text() == "one\none bad\ntwo\ntwo bad\n"
        assert stage.log.stat().st_mode & 0o777 == 0o600

    play(tmp_path, scene)


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(StageFailed, match="'no such program' could not be started"):
            stage.spawn("no such program")

    play(tmp_path, scene)


def test_what_a_process_leaves_in_its_session_is_killed_with_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn(*SHELL, "sleep 60 & sleep 60 & echo left; exit 1")
        await handle.exited.wait()
        await until(lambda: not proc.session_members(handle.identity.pid))

    play(tmp_path, scene)


def test_the_process_is_asked_to_end_and_may_take_its_time(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn(*SHELL, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done")
        await stage.says("up")
        assert await handle.end(timeout_s=10)
        assert (stage.log.read_text(), handle.exit_text) == ("up\nbye\n", "exited with 0")

    play(tmp_path, scene)


def test_one_that_does_not_end_is_killed_with_its_whole_session(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn(*SHELL, "trap '' TERM; sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & wait")
        await stage.says("up")
        members = proc.session_members(handle.identity.pid)
        assert not await handle.end(timeout_s=0.05)
        assert handle.exit_text == "was killed by SIGKILL"
        await until(lambda: not any(is_running(pid) for pid in members))

    play(tmp_path, scene)


MASTER = """
import os, signal, sys, time
child = os.fork()
name = "child" if child == 0 else "master"
def stop(*_):
    print(name, "was told", flush=True)
    if name == "master":
        os.kill(child, signal.SIGQUIT)
        os.wait()
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGQUIT, lambda *_: os._exit(0))
print(name, "is up", flush=True)
while True:
    time.sleep(1)
"""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("true && {program}; true", id="a shell that waits for it"),
        pytest.param("(true; {program}; true); true", id="a shell that waits in a subshell"),
        pytest.param("true; exec {program}", id="a shell that gave way to it"),
    ],
)
def test_a_compound_command_passes_the_signal_to_its_program_and_not_to_its_programs_children(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "master.py").write_text(MASTER)

    async def scene(stage: Stage) -> None:
        handle = stage.spawn(*SHELL, command.format(program=f"{sys.executable} master.py"))
        await stage.says("child is up")
        await stage.says("master is up")
        assert await handle.end(timeout_s=10, to_children=True)
        assert "master was told" in stage.log.read_text()
        assert "child was told" not in stage.log.read_text()

    play(tmp_path, scene)


def test_a_simple_command_is_signalled_alone(tmp_path: Path) -> None:
    (tmp_path / "master.py").write_text(MASTER)

    async def scene(stage: Stage) -> None:
        handle = stage.spawn(sys.executable, "master.py")
        await stage.says("child is up")
        await stage.says("master is up")
        assert await handle.end(timeout_s=10)
        assert "child was told" not in stage.log.read_text()

    play(tmp_path, scene)


def test_a_process_is_adopted_watched_and_ended_like_ones_own(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        first = stage.spawn("sleep", "60")
        exits: list[str] = []
        second = Handle.adopt(first.identity, on_exit=lambda: exits.append("gone"))
        assert second is not None
        assert await second.end(timeout_s=10)
        assert exits == ["gone"]
        assert second.exit_text == "ended"

    play(tmp_path, scene)


def test_a_pid_that_has_changed_hands_is_not_adopted(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn("sleep", "60")
        known = handle.identity
        for other in (
            proc.Identity(known.pid, known.start_ticks + 1, known.boot),
            proc.Identity(known.pid, known.start_ticks, "an earlier boot"),
            proc.Identity(2**22 + 1, 1, known.boot),
            proc.Identity(0, 0, known.boot),
        ):
            assert Handle.adopt(other, on_exit=lambda: None) is None
        assert known.is_alive

    play(tmp_path, scene)


def test_a_zombie_is_not_adopted(tmp_path: Path) -> None:
    async def scene(_stage: Stage) -> None:
        assert Handle.adopt(identity, on_exit=lambda: None) is None

    with subprocess.Popen(["sleep", "60"]) as process:
        known = proc.identify(process.pid)
        assert known is not None
        identity = known
        process.kill()
        eventually(lambda: not is_running(process.pid))
        play(tmp_path, scene)


def test_a_process_that_is_let_go_runs_on_and_can_be_adopted(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        handle = stage.spawn("sleep", "60")
        handle.release()
        handle.release()
        handle.send(signal.SIGTERM)
        assert handle.identity.is_alive
        again = Handle.adopt(handle.identity, on_exit=handle.exited.set)
        assert again is not None
        again.kill()
        await again.exited.wait()
        assert handle._child is not None
        handle._child.wait()

    play(tmp_path, scene)
