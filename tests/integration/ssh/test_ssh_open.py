"""``pawl open --ssh``: the dashboard of a real pawld is reached through a real sshd, signed in to, and let go of."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.e2e_rig import error_lines
from tests.integration.ssh.ssh_rig import HOST, Server
from tests.support import Pawl, eventually, interrupt, repository, running

PAWL = Path(sys.executable).with_name("pawl")


@pytest.fixture(scope="module")
def far(machine: Server) -> Iterator[Pawl]:
    """A home with an app on the machine that ssh leads to."""
    with running(machine.folder / "h") as pawl:
        hello = repository(machine.folder / "hello", Path(__file__).parents[2] / "apps" / "hello")
        pawl.ok("deploy", hello.path)
        yield pawl


@pytest.fixture
def server(machine: Server, far: Pawl) -> Server:
    machine.knows()
    machine.let_in()
    machine.login(f"export PAWL_HOME={far.path} PATH=/usr/bin:/bin")
    return machine


@pytest.fixture
def here(place: Path, server: Server) -> Pawl:
    """This side: a home where nothing runs, and a user whose ssh knows the machine."""
    return Pawl(place / "home", env={"PATH": server.path})


@contextmanager
def opened(here: Pawl, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``pawl open --ssh`` while it holds the road, and the address it printed."""
    process = here.spawn("open", "--ssh", HOST, "--far-pawl", PAWL, "--print-url", *words)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, process.communicate()[1]
        yield process, url
    finally:
        process.kill()
        process.communicate()


def ask(url: str, *, method: str = "GET", cookie: str = "") -> tuple[int, http.client.HTTPMessage, str]:
    parts = urlsplit(url)
    assert parts.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=30)
    try:
        headers = {"Cookie": cookie} | ({"Origin": f"http://{parts.netloc}"} if method == "POST" else {})
        connection.request(method, parts.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def test_the_dashboard_is_reached_until_ctrl_c(here: Pawl) -> None:
    with opened(here, "hello") as (process, url):
        status, _, page = ask(url)
        assert (status, "Open the dashboard" in page) == (200, True)
        status, headers, _ = ask(url, method="POST")
        assert (status, headers["location"]) == (303, "/apps/hello")
        base = url.partition("/open/")[0]
        status, _, page = ask(f"{base}/apps/hello", cookie=str(headers["set-cookie"]).partition(";")[0])
        assert (status, "<h1>hello</h1>" in page) == (200, True)
        status, _, err = interrupt(process)
        assert status == 0
        assert f"the dashboard of '{HOST}' is at {base}/ until Ctrl-C" in err
        assert err.splitlines()[-1] == "closed"
        with pytest.raises(OSError, match="refused"):
            ask(url)


def test_the_road_is_closed_when_the_command_is_told_to_end(here: Pawl) -> None:
    with opened(here) as (process, url):
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        with pytest.raises(OSError, match="refused"):
            ask(url)


def test_an_app_that_is_not_there_is_said_in_the_words_of_the_far_pawl(here: Pawl) -> None:
    done = here.run("open", "--ssh", HOST, "--far-pawl", PAWL, "shpo")
    assert done.returncode == 1
    what, why, *_ = error_lines(done.stderr)
    assert what == f"error: pawl on '{HOST}' refuses"
    assert "no app 'shpo'" in why


def test_a_pawld_that_is_down_is_said_in_three_lines(here: Pawl, server: Server, place: Path) -> None:
    server.login(f"export PAWL_HOME={place}/none PATH=/usr/bin:/bin")
    done = here.run("open", "--ssh", HOST, "--far-pawl", PAWL)
    assert done.returncode == 3
    what, why, next_step = error_lines(done.stderr)
    assert what == f"error: no pawld answers on '{HOST}'"
    assert why.startswith("  why: ")
    assert next_step == f"  next: start it there: ssh {HOST} pawl up"


def test_an_unknown_host_is_said_in_three_lines(here: Pawl, server: Server) -> None:
    server.knows(is_known=False)
    done = here.run("open", "--ssh", HOST)
    assert done.returncode == 3
    assert error_lines(done.stderr) == [
        f"error: the host key of '{HOST}' is not known",
        "  why: Host key verification failed.",
        f"  next: connect once and compare its fingerprint: ssh {HOST}",
    ]


def test_the_end_of_the_connection_is_said(here: Pawl) -> None:
    with opened(here) as (process, _):
        [ssh] = eventually(lambda: children(process.pid))
        subprocess.run(["kill", str(ssh)], check=True)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 3
        assert error_lines(err)[0] == f"error: the connection to '{HOST}' has ended"


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("words", [("--far-pawl", "x"), ("--revoke", "--ssh", HOST), ("--ssh", "-oProxyCommand=x")])
def test_what_does_not_go_together_is_wrong_use(here: Pawl, words: tuple[str, ...]) -> None:
    assert here.run("open", *words).returncode == 2


def test_json_has_the_address_here(here: Pawl) -> None:
    process = here.spawn("open", "--ssh", HOST, "--far-pawl", PAWL, "--json")
    try:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        assert ask(answer["url"])[0] == 200
        assert answer["url"] == f"http://127.0.0.1:{answer['port']}{answer['path']}"
    finally:
        interrupt(process)
