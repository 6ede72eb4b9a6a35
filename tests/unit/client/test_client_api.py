"""What the client sends, and what it makes of every answer, good or broken."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from pawl import errors
from pawl.client import wire
from pawl.client.api import Client
from pawl.errors import ConfigError, PawlError, StageFailed, StateError, Unreachable, UsageError
from pawl.home import Home


class Stub:
    """Gives each connection the same bytes for an answer; those after the first others, where they are given."""

    def __init__(self, path: Path, answer: bytes, later: bytes | None = None) -> None:
        self.requests: list[bytes] = []
        self._answers = (answer, answer if later is None else later)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                request = connection.recv(65_536)
                if request == b"stop":
                    return
                head, _, body = request.partition(b"\r\n\r\n")
                wanted = next((int(line.split()[1]) for line in head.split(b"\r\n") if b"ontent-Length" in line), 0)
                while len(body) < wanted:
                    body += connection.recv(65_536)
                self.requests.append(head + b"\r\n\r\n" + body)
                connection.sendall(self._answers[len(self.requests) > 1])

    def close(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
            last.sendall(b"stop")
        self._thread.join()
        self._listener.close()


@contextmanager
def answering(place: Path, answer: bytes, later: bytes | None = None) -> Iterator[tuple[Client, Stub]]:
    home = Home(place / "home")
    home.create()
    stub = Stub(home.socket, answer, later)
    try:
        yield Client(home), stub
    finally:
        stub.close(home.socket)


def http(status: int, body: bytes, *head: str) -> bytes:
    rows = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *head]
    return "\r\n".join([*rows, "", ""]).encode() + body


def chunked(*chunks: bytes, ends: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + (b"0\r\n\r\n" if ends else b"")
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def test_names_and_queries_are_quoted_and_what_is_none_is_left_out(place: Path) -> None:
    with answering(place, http(200, b'{"a": 1}')) as (client, stub):
        assert client.get("apps", "a b?ü#", "logs", tail=3, since=None, process="x&y") == {"a": 1}
    line = stub.requests[0].split(b"\r\n")[0]
    assert line == b"GET /v1/apps/a%20b%3F%C3%BC%23/logs?tail=3&process=x%26y HTTP/1.1"


def test_a_body_travels_as_json(place: Path) -> None:
    with answering(place, http(200, b"{}")) as (client, stub):
        client.post("apps", "demo", "env", body={"set": {"A": "ü" * 100_000}})
        client.post("apps", "demo", "restart")
        client.delete("apps", "demo")
    bodies = [request.partition(b"\r\n\r\n")[2] for request in stub.requests]
    assert json.loads(bodies[0]) == {"set": {"A": "ü" * 100_000}}
    assert bodies[1:] == [b"{}", b""]
    assert stub.requests[2].startswith(b"DELETE /v1/apps/demo HTTP/1.1\r\n")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "/"])
def test_what_can_name_nothing_is_not_even_asked_for(place: Path, name: str) -> None:
    with pytest.raises(UsageError, match="nothing here is called"):
        Client(Home(place / "home")).get("apps", name)


def test_nobody_who_listens_is_said_with_what_to_do(place: Path) -> None:
    home = Home(place / "home")
    for made in (False, True):
        if made:
            home.create()
            home.socket.touch()
        with pytest.raises(Unreachable, match="pawld does not answer") as caught:
            Client(home).get("ping")
        assert (caught.value.exit_code, caught.value.next_step) == (3, "start it: pawl up")


REPORTED: list[PawlError] = [
    UsageError("no app 'x'", why="the apps here: none yet", next_step="see: pawl apps"),
    ConfigError("pawl.toml:3: unknown key 'a'", detail="pawl.toml:4: one more"),
    StageFailed("not healthy", detail="line 1\nline 2"),
    StateError("the disk is full"),
    PawlError("something"),
]


@pytest.mark.parametrize("error", REPORTED, ids=lambda error: type(error).__name__)
def test_an_error_is_raised_as_it_was_there(place: Path, error: PawlError) -> None:
    body = json.dumps({"error": error.as_dict()}).encode()
    with answering(place, http(409, body)) as (client, _), pytest.raises(PawlError) as caught:
        client.get("status")
    assert type(caught.value) is type(error)
    assert caught.value.as_dict() == error.as_dict()


def test_every_kind_of_error_can_travel() -> None:
    for kind in errors._BY_KIND.values():
        assert type(errors.from_dict({**kind("x").as_dict()})) is kind
    failed = errors.CommandFailed("git failed", exit_status=3)
    assert type(errors.from_dict({**failed.as_dict()})) is PawlError
    assert errors.from_dict({}).what == "pawld reported an error without a text"


@pytest.mark.parametrize("body", [b"", b"Internal Server Error", b"[]", b'{"error": 1}', b'{"x": {}}', b"\xff"])
def test_an_error_that_is_not_the_apis_is_shown_as_it_came(place: Path, body: bytes) -> None:
    with answering(place, http(500, body)) as (client, _), pytest.raises(PawlError, match="not its API's"):
        client.get("status")


BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no number": b"HTTP/1.1 OK\r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"a":',
    "half an error": b'HTTP/1.1 409 X\r\nContent-Length: 50\r\n\r\n{"error":',
    "half a chunk": chunked(b'{"a": 1}', ends=False)[:-6],
    "no last chunk": chunked(b'{"a": 1}', ends=False),
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_pawld_that_goes_away_in_the_middle_is_unreachable(place: Path, answer: bytes) -> None:
    with answering(place, answer) as (client, _):
        with pytest.raises(Unreachable):
            client.get("status")
        with pytest.raises(Unreachable):
            list(client.lines("deploys", "d1", "events"))


SEE_LOG = "see: log/pawld.log in the state folder"


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_pawld_that_breaks_off_and_is_there_is_not_said_to_be_away(place: Path, answer: bytes) -> None:
    ping = http(200, b"{}")
    with answering(place, answer, later=ping) as (client, _), pytest.raises(PawlError) as caught:
        list(client.lines("deploys", "d1", "events"))
    error = caught.value
    assert (type(error), error.what, error.next_step) == (PawlError, "pawld broke off its answer", SEE_LOG)


def test_a_pawld_that_takes_too_long_is_not_said_to_be_away(place: Path) -> None:
    home = Home(place / "home")
    home.create()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(home.socket))
        silent.listen()
        with pytest.raises(PawlError) as caught:
            Client(home).post("apps", "demo", "scale", timeout_s=0.1)
    error = caught.value
    assert (type(error), error.what) == (PawlError, "pawld has not answered within 0.1 s")
    assert (error.why, error.next_step) == ("it is there, and busy; what was asked for may still be done", SEE_LOG)


def test_the_state_folder_of_another_user_is_said_to_be_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object, **_options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")  # which root never gets

    monkeypatch.setattr(wire, "request", refused)
    home = Home(place / "home")
    with pytest.raises(StateError, match="the state folder belongs to another user") as caught:
        Client(home).get("status")
    assert caught.value.why == f"{home.path}: Permission denied"


def test_lines_are_put_together_from_the_pieces_they_came_in(place: Path) -> None:
    text = '{"n": 1}\n{"n": "ü"}\n{"n": 3}\n'.encode()
    for cut in range(1, len(text)):
        with answering(place, chunked(text[:cut], text[cut:])) as (client, _):
            assert [line["n"] for line in client.lines("x")] == [1, "ü", 3]
        (place / "home" / "run" / "pawld.sock").unlink()


def test_lines_come_before_the_pawld_goes_away(place: Path) -> None:
    with answering(place, chunked(b'{"n": 1}\n', b'{"n": 2}\n', ends=False)) as (client, _):
        lines = client.lines("x")
        assert [next(lines), next(lines)] == [{"n": 1}, {"n": 2}]
        with pytest.raises(Unreachable):
            next(lines)
