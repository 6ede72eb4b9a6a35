"""The road to another machine's dashboard, against a real sshd: how it is found, and what is said when it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pawl.client.far import Far, Link
from pawl.errors import PawlError, Unreachable, UsageError
from tests.integration.ssh.ssh_rig import HOST, Server
from tests.support import free_port

ANSWER = json.dumps({"url": "http://127.0.0.1:8090/open/t-0_k", "port": 8090, "path": "/open/t-0_k"})


@pytest.fixture
def server(machine: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A machine whose key is known, that lets the user in, and where there is no pawl; ssh is on PATH."""
    monkeypatch.setenv("PATH", machine.path)
    machine.knows()
    machine.let_in()
    machine.login(f"HOME={machine.folder}/nobody", "PATH=/usr/bin:/bin")
    return machine


def pawl_there(server: Server, script: str, *, folder: str = "there/pawl/bin") -> Path:
    """A program ``pawl`` on the far side, in a home folder there."""
    path = server.folder / folder / "pawl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    server.login(f"HOME={server.folder}/there", "PATH=/usr/bin:/bin")
    return path


def test_the_pawl_there_is_asked_for_an_address(server: Server) -> None:
    pawl_there(server, f"echo \"$@\" > {server.folder}/asked\necho '{ANSWER}'")
    assert Far(HOST).link(["my shop", "--deploy", "d1"]) == Link(8090, "/open/t-0_k")
    assert (server.folder / "asked").read_text() == "open my shop --deploy d1 --print-url --json\n"


def test_what_a_shell_says_at_log_in_is_passed_over(server: Server) -> None:
    pawl_there(server, f"echo '{ANSWER}'")
    server.login(f"HOME={server.folder}/there", "PATH=/usr/bin:/bin", "echo Welcome", "echo '{}'", "echo Hi >&2")
    assert Far(HOST).link([]).port == 8090


def test_a_pawl_in_another_place_is_named(server: Server) -> None:
    path = pawl_there(server, f"echo '{ANSWER}'", folder="else where")
    assert Far(HOST, pawl=str(path)).link([]).port == 8090


@pytest.mark.parametrize(
    "answer",
    [
        "", '{"port": 0, "path": "/open/x"}', '{"port": 8090, "path": "//evil.example/"}',
        '{"port": "x"}', "[]",
    ],
)  # fmt: skip
def test_an_answer_that_is_no_address_is_refused(server: Server, answer: str) -> None:
    pawl_there(server, f"echo '{answer}'")
    with pytest.raises(PawlError, match="is no address"):
        Far(HOST).link([])


def told(server: Server, *words: str) -> tuple[type[PawlError], str, str, str]:
    with pytest.raises(PawlError) as caught:
        Far(HOST).link(words)
    error = caught.value
    return type(error), error.what, error.why, error.next_step


def test_an_unknown_host_key_is_never_accepted(server: Server) -> None:
    server.knows(is_known=False)
    kind, what, why, next_step = told(server)
    assert (kind, what) == (Unreachable, f"the host key of '{HOST}' is not known")
    assert why == "Host key verification failed."
    assert next_step == f"connect once and compare its fingerprint: ssh {HOST}"
    assert (server.folder / "known_hosts").read_text() == ""


def test_a_changed_host_key_is_never_accepted(server: Server) -> None:
    server.knows(key="other")
    kind, what, _, next_step = told(server)
    assert (kind, what) == (Unreachable, f"the host key of '{HOST}' is not the one that was known")
    assert "before you connect" in next_step


def test_who_is_not_let_in_is_told(server: Server) -> None:
    server.let_in("stranger")
    kind, what, why, next_step = told(server)
    assert (kind, what, next_step) == (Unreachable, f"'{HOST}' does not let you in", f"try it by itself: ssh {HOST}")
    assert "Permission denied" in why


def test_a_machine_that_is_not_there(server: Server) -> None:
    with pytest.raises(Unreachable, match="cannot be reached by ssh") as caught:
        Far("127.0.0.1:none.invalid").link([])
    assert caught.value.why


def test_no_pawl_there(server: Server) -> None:
    kind, what, why, next_step = told(server)
    assert (kind, what) == (PawlError, f"there is no pawl on '{HOST}'")
    assert "pawl" in why
    assert next_step == f"if it is, say where: pawl open --ssh {HOST} --far-pawl PATH"


def test_no_pawld_there(server: Server) -> None:
    pawl_there(server, "echo 'error: no pawld answers' >&2; echo '  why: there is no socket' >&2; exit 3")
    assert told(server) == (
        Unreachable, f"no pawld answers on '{HOST}'", "there is no socket", f"start it there: ssh {HOST} pawl up",
    )  # fmt: skip


def test_what_the_pawl_there_refuses_is_passed_on(server: Server) -> None:
    words = "error: no app 'shpo'\n  why: there are shop and blog\n  next: pawl status\n"
    pawl_there(server, f'printf "{words}" >&2; exit 2')
    assert told(server, "shpo") == (
        PawlError, f"pawl on '{HOST}' refuses", "no app 'shpo': there are shop and blog", "pawl status",
    )  # fmt: skip


@pytest.mark.parametrize("host", ["", "-oProxyCommand=evil", "two words", "a\nb"])
def test_what_is_no_machine_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is not a machine"):
        Far(host)


def test_without_ssh_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no ssh here") as caught:
        Far(HOST).link([])
    assert "apt-get install openssh-client" in caught.value.next_step


@pytest.fixture
def site() -> Iterator[int]:
    """The port of something that answers on the far machine's loopback, which is this one's."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"host {self.headers['host']}".encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def get(port: int) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        return str(answer.read().decode())


def test_a_port_there_is_reached_here_as_long_as_it_is_held(server: Server, site: int) -> None:
    with Far(HOST).forwarded(site) as tunnel:
        assert tunnel.port != site, "that one is taken here"
        assert get(tunnel.port) == f"host 127.0.0.1:{tunnel.port}"
    with pytest.raises(OSError, match="refused"):
        get(tunnel.port)


def test_the_same_port_is_taken_here_where_it_is_free(server: Server) -> None:
    port = free_port()
    with Far(HOST).forwarded(port) as tunnel:
        assert tunnel.port == port


def test_a_connection_that_ends_is_noticed(server: Server, site: int) -> None:
    with Far(HOST).forwarded(site) as tunnel:
        tunnel._process.terminate()
        tunnel.wait()
        assert tunnel._process.returncode is not None


def test_why_nothing_is_forwarded_is_said(server: Server, site: int) -> None:
    server.knows(is_known=False)
    with pytest.raises(Unreachable, match="is not known"), Far(HOST).forwarded(site):
        pass
