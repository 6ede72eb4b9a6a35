"""Up and down, the state folder, and two of them on one machine."""

from __future__ import annotations

import json
import os
import pwd
import socket
import stat
from pathlib import Path

import pytest

from tests.e2e.e2e_rig import error_lines
from tests.support import HELLO, Pawl, Repository, eventually, free_port, is_running, repository, running


def test_up_twice_is_one_pawld(idle_pawl: Pawl) -> None:
    idle_pawl.up()
    pid = idle_pawl.pid()
    assert "runs already" in idle_pawl.ok("up")
    assert "runs already" in idle_pawl.ok("up", "--port", str(idle_pawl.port))
    assert idle_pawl.pid() == pid


def test_up_with_other_options_than_it_runs_with_says_to_go_down_first(idle_pawl: Pawl) -> None:
    idle_pawl.up()
    done = idle_pawl.run("up", "--port", str(free_port()))
    assert done.returncode == 2
    assert "pawl down" in error_lines(done.stderr)[-1]


def test_down_ends_every_process_and_down_twice_is_no_error(idle_pawl: Pawl, hello: Repository) -> None:
    idle_pawl.up()
    idle_pawl.ok("deploy", hello.path)
    pids = [idle_pawl.pid(), *idle_pawl.processes()]
    assert len(pids) == 3  # pawld, Caddy and one instance
    idle_pawl.ok("down")
    assert not any(is_running(pid) for pid in pids)
    assert "not running" in idle_pawl.ok("down")


def test_what_was_live_is_live_again_after_down_and_up(idle_pawl: Pawl, hello: Repository) -> None:
    idle_pawl.up()
    idle_pawl.ok("deploy", hello.path)
    idle_pawl.ok("down")
    idle_pawl.ok("up")  # on the port it was told before
    assert eventually(lambda: idle_pawl.get() == (200, "hello 1"))


def test_down_that_leaves_the_apps_running_is_not_noticed_by_a_visitor(pawl: Pawl, hello: Repository) -> None:
    pawl.ok("deploy", hello.path)
    before = pawl.instances()
    pawl.ok("down", "--leave-running")
    assert pawl.get() == (200, "hello 1")
    pawl.ok("up")
    assert [item["pid"] for item in pawl.instances()] == [item["pid"] for item in before]


def test_a_port_in_use_is_named_with_its_holder_and_not_kept(idle_pawl: Pawl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = idle_pawl.run("up", "--port", str(port))
        assert done.returncode == 1
        lines = error_lines(done.stderr)
        assert len(lines) <= 3
        assert f"port {port} is in use (by pid {os.getpid()}, " in lines[0]
        assert lines[-1] == "  next: choose another: pawl up --port N"
        assert idle_pawl.processes() == {}
        assert not idle_pawl.home.machine.exists()


def test_a_good_port_is_kept_when_a_taken_one_is_tried_later(idle_pawl: Pawl) -> None:
    idle_pawl.up()
    idle_pawl.ok("down")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert idle_pawl.run("up", "--port", str(taken.getsockname()[1])).returncode == 1
    assert f":{idle_pawl.port}/" in idle_pawl.ok("up")


def test_two_homes_on_one_machine_never_meet(pawl: Pawl, place: Path, hello: Repository) -> None:
    with running(place / "other") as other:
        pawl.ok("deploy", hello.path)
        assert other.json("apps") == {"apps": []}
        assert other.get()[0] == 404
        hello.commit("Say two", VERSION="2")
        other.ok("deploy", hello.path)
        assert pawl.get() == (200, "hello 1")
        assert other.get() == (200, "hello 2")
        assert set(pawl.processes()).isdisjoint(other.processes())
        other.ok("down")
        assert pawl.get() == (200, "hello 1")


@pytest.mark.parametrize("name", ["a home", "x" * 120, "hömé", "-home", "a'b\"c$d"])
def test_a_home_may_have_any_name(place: Path, hello: Repository, name: str) -> None:
    with running(place / name) as pawl:
        pawl.ok("deploy", hello.path)
        assert pawl.get() == (200, "hello 1")
        pawl.ok("init", hello.path)
        hello.commit("Say two", VERSION="2")
        hello.git("push", "pawl", "main")
        assert pawl.get() == (200, "hello 2")


def test_only_the_user_may_look_into_the_state_folder(pawl: Pawl, hello: Repository) -> None:
    pawl.ok("deploy", hello.path)
    pawl.ok("secrets", "set", "hello", "API_KEY", stdin="s3cret-value")

    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(pawl.path) == 0o700
    assert mode(pawl.home.socket) == 0o600
    assert mode(pawl.home.caddy_socket) == 0o600
    for path in pawl.home.settings("hello").iterdir():
        assert mode(path) == 0o600
    for folder in (pawl.home.run, pawl.home.instances, pawl.home.slots, pawl.home.log, pawl.home.app("hello")):
        assert mode(folder) & 0o077 == 0, folder
    for path in pawl.home.logs("hello").glob("*.log"):
        assert mode(path) == 0o600


def test_doctor_finds_all_well_when_pawld_is_up(pawl: Pawl) -> None:
    done = pawl.run("doctor", "--json")
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0
    assert checks.keys() >= {"pawl", "git", "uv", "caddy", "state folder", "disk", "pawld", "proxy"}
    assert all(check["ok"] for check in checks.values())
    assert str(pawl.port) in checks["pawld"]["finding"]


def test_doctor_says_what_to_mend(idle_pawl: Pawl) -> None:
    idle_pawl.path.mkdir(mode=0o755)
    done = idle_pawl.run("doctor")
    assert done.returncode == 1
    assert "next: start it: pawl up" in done.stdout
    assert f"next: chmod 700 {idle_pawl.path}" in done.stdout


def test_a_state_folder_that_cannot_be_made_is_told(place: Path) -> None:
    (place / "file").write_text("in the way")
    done = Pawl(place / "file" / "home").run("up")
    assert done.returncode == 1
    assert "state folder" in error_lines(done.stderr)[0]
    assert "Traceback" not in done.stderr


def test_the_unit_for_systemd_starts_pawld_for_this_home(place: Path) -> None:
    pawl = Pawl(place / "a home%n")
    user = pawl.ok("host", "install", "--print")
    assert 'Environment="PAWL_HOME=' + str(pawl.path).replace("%", "%%") + '"' in user
    assert "KillMode=process" in user
    assert "WantedBy=default.target" in user
    me = pwd.getpwuid(os.getuid()).pw_name
    assert f"User={me}\n" in pawl.ok("host", "install", "--system", "--user", me, "--print")
    assert "WantedBy=multi-user.target" in pawl.ok("host", "install", "--system", "--print")
    assert not pawl.path.exists()


def test_a_hello_app_is_live_within_seconds_of_a_clean_home(place: Path) -> None:
    with running(place / "home") as pawl:
        repo = repository(place / "hello", HELLO)
        pawl.ok("deploy", repo.path)
        assert pawl.get() == (200, "hello 1")
