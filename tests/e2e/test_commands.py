"""The commands that issue 2 promises, and the exit statuses that scripts rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.cli.main import COMMANDS
from tests.e2e.e2e_rig import App, error_lines
from tests.support import Pawl, interrupt, repository

PROMISED = [
    "init", "up", "down", "host", "demo", "deploy", "status", "ps", "apps", "releases", "deploys", "logs", "rollback",
    "restart", "scale", "run", "env", "secrets", "remove", "doctor",
]  # fmt: skip


def test_every_promised_command_is_there() -> None:
    assert set(PROMISED) <= set(COMMANDS)


def test_every_command_says_what_it_does(place: Path) -> None:
    pawl = Pawl(place / "home")
    assert "Usage: " in pawl.ok("--help")
    for words in [*([name] for name in COMMANDS), ["env", "set"], ["secrets", "set"], ["host", "install"]]:
        said = pawl.ok(*words, "--help")
        assert said.startswith("Usage: "), words
        assert len(said.splitlines()) > 3, words


@pytest.mark.parametrize(
    "words",
    [
        ["depoly"],
        ["deploy", "--no-such-option"],
        ["status", "--json=1"],
        ["up", "--port", "99999"],
        ["up", "--port", "http"],
        ["rollback"],
        ["run", "hello"],
        ["scale", "hello"],
        ["deploys", "hello", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_with_the_way_to_the_help_and_exit_2(place: Path, words: list[str]) -> None:
    done = Pawl(place / "home").run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(error_lines(done.stderr)) <= 3
    assert "--help" in done.stderr


def test_a_mistyped_command_is_answered_with_the_nearest_one(place: Path) -> None:
    assert "did you mean 'deploy'?" in Pawl(place / "home").run("depoly").stderr


@pytest.mark.parametrize(
    "words",
    [
        "status", "ps", "apps", "releases hello", "deploys hello", "logs hello", "rollback hello", "restart hello",
        "scale hello web=2", "run hello -- true", "env list hello", "env set hello A=1", "secrets list hello",
        "remove hello --yes", "watch d1", "incident open hello Slow", "incident close", "incident list",
        "learn d1 Slow",
    ],
)  # fmt: skip
def test_without_pawld_a_command_says_how_to_start_it_and_exits_with_3(place: Path, words: str) -> None:
    done = Pawl(place / "home").run(*words.split())
    assert done.returncode == 3
    assert done.stdout == ""
    assert error_lines(done.stderr)[-1] == "  next: start it: pawl up"


def test_a_deploy_without_pawld_exits_with_3_and_leaves_no_trace(place: Path) -> None:
    pawl = Pawl(place / "home")
    repo = repository(place / "hello", Path(__file__).parents[1] / "apps" / "hello")
    assert pawl.run("deploy", repo.path).returncode == 3
    assert not pawl.path.exists()


def test_a_good_deploy_exits_with_0_and_a_failed_one_with_1(app: App) -> None:
    assert app.deploy().stdout.startswith(f"{app.name} is live: http://{app.name}.localhost:{app.pawl.port}/")
    app.repo.commit("Break it", HEALTH="bad")
    failed = app.deploy(status=1)
    assert failed.stdout.startswith(f"{app.name}: deploy d")
    assert "goes on serving" in failed.stdout
    assert app.get() == (200, "hello 1")


def test_results_go_to_stdout_and_progress_to_stderr(app: App) -> None:
    done = app.deploy()
    assert len(done.stdout.splitlines()) == 1
    assert "switched" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_following_the_logs_ends_with_130_on_ctrl_c(app: App) -> None:
    app.deploy()
    following = app.pawl.spawn("logs", app.name, "-f")
    assert following.stdout is not None
    assert "listens" in following.stdout.readline()
    status, _, err = interrupt(following)
    assert status == 130
    assert "Traceback" not in err


def test_a_reader_that_goes_away_is_no_error(app: App) -> None:
    app.deploy()
    following = app.pawl.spawn("logs", app.name, "-f")
    assert following.stdout is not None
    assert following.stderr is not None
    assert "listens" in following.stdout.readline()
    following.stdout.close()
    app.get("/log?text=more")
    assert following.communicate(timeout=30)[1] == ""


def test_nothing_is_removed_by_a_script_that_does_not_say_yes(app: App) -> None:
    app.deploy()
    done = app.pawl.run("remove", app.name, stdin="y\n")
    assert done.returncode == 2
    assert "--yes" in error_lines(done.stderr)[-1]
    assert app.get() == (200, "hello 1")
