"""Fault points, and what pawl up has told about the machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pawl.daemon import machine
from pawl.daemon.faults import fault_point
from pawl.errors import StateError
from pawl.home import Home
from pawl.proxy.routes import Machine

REACHED = {
    "no fault is asked for": ({}, []),
    "an empty one": ({"PAWL_FAULT_POINT": ""}, []),
    "the first time": ({"PAWL_FAULT_POINT": "built: begun"}, [1]),
    "the second time": ({"PAWL_FAULT_POINT": "built: begun#2"}, [3]),
    "more often than it is reached": ({"PAWL_FAULT_POINT": "built: begun#9"}, []),
    "another point": ({"PAWL_FAULT_POINT": "built: ended"}, []),
}


@pytest.mark.parametrize(("environ", "killed_at"), REACHED.values(), ids=REACHED)
def test_pawld_is_killed_at_the_point_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], killed_at: list[int]
) -> None:
    points = ["fetched: ended", "built: begun", "built: done", "built: begun"]
    kills: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: kills.append(number) if pid == os.getpid() else None)
    reached = fault_point(environ)
    found = []
    for number, point in enumerate(points):
        reached(point)
        if kills:
            assert kills == [signal.SIGKILL]
            found.append(number)
            kills.clear()
    assert found == killed_at


def test_a_pawld_that_runs_can_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kills: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, number: kills.append(number))
    file = tmp_path / "fault"
    reached = fault_point({"PAWL_FAULT_POINT": f"@{file}"})
    reached("built: begun")
    file.write_text("built: begun#2\n")
    reached("built: begun")
    assert not kills
    reached("built: begun")
    assert len(kills) == 1
    file.write_text("switched: done")
    for point in ("built: begun", "built: begun", "switched: done"):
        reached(point)
    assert len(kills) == 2
    file.unlink()
    reached("switched: done")
    assert len(kills) == 2


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def test_without_a_word_the_defaults_hold(home: Home) -> None:
    assert machine.read(home) == Machine()


def test_what_was_told_is_there_the_next_time(home: Home) -> None:
    told = Machine(port=80, bind=("0.0.0.0", "[::]"), http_port=81, https_port=444, acme_email="ada@example.org")
    machine.write(home, Machine(port=1))
    machine.write(home, told)
    assert machine.read(home) == told
    assert [path.name for path in home.path.iterdir()] == ["machine.json"]


def test_what_an_older_or_newer_pawl_wrote_is_read_as_far_as_it_is_known(home: Home) -> None:
    home.machine.write_text('{"port": 9000, "colour": "blue"}')
    assert machine.read(home) == Machine(port=9000)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"port": "many"}', "\x00"])
def test_a_broken_file_is_named(home: Home, text: str) -> None:
    home.machine.write_text(text)
    with pytest.raises(StateError, match=r"machine\.json cannot be read") as caught:
        machine.read(home)
    assert "pawl up" in caught.value.next_step
