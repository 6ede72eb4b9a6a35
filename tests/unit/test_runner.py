"""Programs that are run to their end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pawl import runner
from pawl.engines.process import proc
from pawl.errors import CommandFailed
from pawl.runner import Completed
from tests.support import eventually

SHELL = ("/bin/sh", "-c")


def run(*argv: str, **options: object) -> Completed:
    return asyncio.run(runner.run(argv, **options))  # type: ignore[arg-type]


def test_output_and_errors_are_told_apart() -> None:
    assert run(*SHELL, "echo out; echo err >&2") == Completed(0, b"out\n", b"err\n")
    assert run("printf", r"\377").text == "�"


def test_a_program_that_ends_badly_carries_the_tail_of_what_it_said() -> None:
    with pytest.raises(CommandFailed, match=r"'/bin/sh -c .* exited with 3") as caught:
        run(*SHELL, "seq 100; echo why >&2; exit 3")
    assert (caught.value.exit_status, caught.value.detail) == (3, "why")
    with pytest.raises(CommandFailed) as caught:
        run(*SHELL, "seq 100; kill -9 $$")
    assert caught.value.exit_status == -9
    assert caught.value.detail.splitlines() == [str(number) for number in range(71, 101)]
    assert run(*SHELL, "exit 3", check=False).exit_status == 3


def test_a_program_that_cannot_be_started_is_named() -> None:
    with pytest.raises(CommandFailed, match="'no-such-program' could not be started") as caught:
        run("no-such-program")
    assert (caught.value.exit_status, caught.value.why) == (127, "No such file or directory")


def test_with_a_log_both_are_appended_and_the_last_16_kb_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    done = run(*SHELL, "seq 10000; echo last >&2", log=log)
    assert log.read_text().startswith("before\n1\n2\n")
    assert done.text.endswith("10000\nlast\n")
    assert len(done.output) <= 16_384
    run("true", log=tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_one_that_takes_too_long_is_killed_with_its_session() -> None:
    mark = f"runner-{os.getpid()}"
    with pytest.raises(CommandFailed, match=r"ran longer than 0\.2 s"):
        run(*SHELL, "sleep 60 & sleep 60", timeout_s=0.2, env={**os.environ, "PAWL_TEST": mark})
    eventually(lambda: proc.marked("PAWL_TEST", mark) == {})


def test_what_one_that_has_ended_left_in_its_group_is_killed(tmp_path: Path) -> None:
    mark = f"left-{os.getpid()}"
    run(*SHELL, "sleep 60 & sleep 60 &", log=tmp_path / "log", env={**os.environ, "PAWL_TEST": mark})
    eventually(lambda: not proc.marked("PAWL_TEST", mark))


def test_cancelling_kills_the_session() -> None:
    mark = f"cancelled-{os.getpid()}"

    async def scene() -> None:
        work = asyncio.ensure_future(runner.run([*SHELL, "sleep 60 & sleep 60"], env={**os.environ, "PAWL_TEST": mark}))
        async with asyncio.timeout(20):
            while len(proc.marked("PAWL_TEST", mark)) < 3:
                await asyncio.sleep(0.005)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        async with asyncio.timeout(20):
            while proc.marked("PAWL_TEST", mark):
                await asyncio.sleep(0.005)

    asyncio.run(scene())


def test_nothing_is_read_from_whoever_runs_pawl() -> None:
    assert run("cat").output == b""


@pytest.mark.parametrize(
    ("status", "text"), [(0, "exited with 0"), (-15, "was killed by SIGTERM"), (-99, "was killed by signal 99")]
)
def test_a_status_in_words(status: int, text: str) -> None:
    assert runner.exit_text(status) == text
