"""What a command of an app is run with, and what it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pawl.config.load import parse
from pawl.config.schema import Process
from pawl.engines.process import launch
from pawl.engines.process.environments import Environments, uv_binary
from pawl.engines.process.plans import Plans
from pawl.engines.process.releases import Manifest
from pawl.errors import StateError, UsageError
from pawl.home import Home
from pawl.model import Commit
from pawl.settings.versions import Settings, SettingsFolder

PAWL_TOML = """
app = "hello"
secrets = ["PASSWORD", "TOKEN"]
[build]
env = { BUILD_ONLY = "b", PYTHONUNBUFFERED = "0" }
[processes.web]
command = "gunicorn app:app"
[env]
FROM_TOML = "toml"
SHADOWED = "toml"
"""
COMMIT = Commit("a" * 40, "One", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
CONFIG = parse({"pawl.toml": PAWL_TOML}, folder="hello")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with the release r1 of hello and the settings version 1."""
    for name, value in {
        "PATH": "/usr/bin:/bin", "HOME": "/home/ada", "AWS_SECRET": "of pawld", "UV_INDEX": "https://index.example",
        "GIT_DIR": "/srv", "PYTHONPATH": "/srv", "VIRTUAL_ENV": "/srv",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    home = Home(tmp_path / "home")
    plans = make(home)
    (plans.releases("hello").begin("r1") / "app").mkdir()
    plans.releases("hello").finish(
        "r1", Manifest(commit=COMMIT, folder="hello", files={"pawl.toml": PAWL_TOML}, environment="k1")
    )
    settings = Settings({"FROM_ENV": "env", "SHADOWED": "env"}, {"PASSWORD": "hunter2!", "SHADOWED": "secret"})
    SettingsFolder(home.settings("hello")).write(1, settings)
    return home


def make(home: Home) -> Plans:
    return Plans(home, Environments(home.envs, home.cache))


def test_secrets_win_over_env_and_env_over_pawl_toml(home: Home) -> None:
    environ = make(home).plan("hello", "r1", 1).environ
    assert (environ["FROM_TOML"], environ["FROM_ENV"], environ["PASSWORD"]) == ("toml", "env", "hunter2!")
    assert environ["SHADOWED"] == "secret"
    assert make(home).plan("hello", "r1", 0).environ["SHADOWED"] == "toml"


def test_an_app_is_told_who_it_is_and_where_its_data_is(home: Home) -> None:
    plan = make(home).plan("hello", "r1", 0)
    assert plan.environ["PAWL_APP"] == "hello"
    assert plan.environ["PAWL_RELEASE"] == "r1"
    assert plan.environ["PAWL_DATA"] == str(home.data("hello"))
    assert home.data("hello").stat().st_mode & 0o777 == 0o700
    assert plan.source == home.releases("hello") / "r1" / "app"


def test_nothing_of_pawlds_own_environment_is_passed_on_but_what_is_named(home: Home) -> None:
    environ = make(home).plan("hello", "r1", 1).environ
    assert environ["HOME"] == "/home/ada"
    assert {"AWS_SECRET", "GIT_DIR", "PYTHONPATH", "UV_INDEX", "BUILD_ONLY"}.isdisjoint(environ)


def test_the_release_own_programs_are_found_before_the_machines_and_uv_last(home: Home) -> None:
    environ = make(home).plan("hello", "r1", 0).environ
    assert environ["PATH"].split(os.pathsep) == [
        str(home.envs / "k1" / "bin"), "/usr/bin", "/bin", str(Path(uv_binary()).parent),
    ]  # fmt: skip
    assert environ["VIRTUAL_ENV"] == str(home.envs / "k1")


def test_installs_and_tests_have_none_of_the_apps_settings(home: Home) -> None:
    environ = make(home).build_environ("hello", "r1", CONFIG)
    assert {"PASSWORD", "SHADOWED", "FROM_ENV", "FROM_TOML", "PAWL_DATA", "AWS_SECRET"}.isdisjoint(environ)
    assert "hunter2!" not in environ.values()
    assert (environ["BUILD_ONLY"], environ["PYTHONUNBUFFERED"]) == ("b", "0")
    assert environ["UV_INDEX"] == "https://index.example"


def test_an_install_that_has_no_environment_yet_is_told_of_none(home: Home) -> None:
    environ = make(home).build_environ("hello", "r2", CONFIG)
    assert "VIRTUAL_ENV" not in environ
    assert environ["PATH"].startswith("/usr/bin")


def test_where_to_listen_is_said_last(home: Home) -> None:
    SettingsFolder(home.settings("hello")).write(2, Settings({"UVICORN_UDS": "/tmp/mine", "GUNICORN_CMD_ARGS": "-w 3"}))
    plan = make(home).plan("hello", "r1", 2)
    address = launch.socket_address("/run/a.sock", plan.environ)
    environ = plan.process_environ(Process(command="x"), name="web.2", address=address)
    assert environ["SOCKET"] == environ["UVICORN_UDS"] == "/run/a.sock"
    assert environ["GUNICORN_CMD_ARGS"] == "-w 3 --bind unix:/run/a.sock"
    assert environ["PAWL_PROCESS"] == "web.2"


def test_a_plan_masks_its_own_secrets(home: Home) -> None:
    assert make(home).plan("hello", "r1", 1).redactor.text("hunter2! env") == "[secret] env"


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (Settings(), ["PASSWORD", "TOKEN"]),
        (Settings({}, {"TOKEN": "t"}), ["PASSWORD"]),
        (Settings({"PASSWORD": "p"}, {"TOKEN": "t"}), []),
    ],
    ids=["none is set", "one is set", "one is set as env"],
)
def test_secrets_that_nobody_has_set_are_named(home: Home, settings: Settings, missing: list[str]) -> None:
    assert make(home).missing_secrets(CONFIG, settings) == missing


def test_there_is_no_plan_without_its_release_or_its_settings(home: Home) -> None:
    with pytest.raises(UsageError, match="release 'r2' is not on this machine"):
        make(home).plan("hello", "r2", 0)
    with pytest.raises(StateError, match="settings version 9 cannot be read"):
        make(home).plan("hello", "r1", 9)


def test_an_app_that_is_forgotten_is_read_anew(home: Home) -> None:
    plans = make(home)
    first = plans.plan("hello", "r1", 0).config
    assert plans.plan("hello", "r1", 0).config is first
    plans.forget("hello")
    assert plans.plan("hello", "r1", 0).config is not first
