"""Facts about processes, asked of real ones."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pawl.engines.process import proc
from tests.support import eventually, free_port


@contextmanager
def running(*argv: str, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; whatever is left of the session is killed."""
    process = subprocess.Popen(argv, env={**os.environ, **environ}, start_new_session=True)
    try:
        yield process
    finally:
        for pid in (*proc.session_members(process.pid), process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def test_a_process_is_known_by_its_start_as_well_as_its_pid() -> None:
    with running("sleep", "60") as process:
        identity = proc.identify(process.pid)
        assert identity is not None
        assert identity.is_alive
        assert not proc.Identity(identity.pid, identity.start_ticks + 1, identity.boot).is_alive
        assert not proc.Identity(identity.pid, identity.start_ticks, "another boot").is_alive


def test_a_zombie_and_a_stranger_are_not_alive() -> None:
    with running("sleep", "60") as process:
        identity = proc.identify(process.pid)
        assert identity is not None
        process.kill()
        eventually(lambda: not identity.is_alive)
        assert proc.identify(process.pid) is None
        process.wait()
        assert not identity.is_alive
    assert proc.identify(2**22 + 1) is None


def test_a_name_with_blanks_and_brackets_is_read_past(place: Path) -> None:
    program = place / "a) Z (b"
    program.symlink_to("/bin/sleep")
    with running(str(program), "60") as process:
        eventually(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "a) Z (b\n")
        identity = proc.identify(process.pid)
        assert identity is not None
        assert identity.is_alive


def test_a_tree_has_the_children_of_children() -> None:
    with running("/bin/sh", "-c", "sh -c 'sleep 60; true'; true") as process:
        eventually(lambda: len(proc.tree(process.pid)) == 3)
        first, second, third = proc.tree(process.pid)
        assert first == process.pid
        assert (proc.children(first), proc.children(second), proc.children(third)) == ([second], [third], [])
    assert proc.tree(2**22 + 1) == [2**22 + 1]


def test_a_tree_has_the_children_that_threads_started() -> None:
    code = "import subprocess,threading; threading.Thread(target=subprocess.run, args=(['sleep','60'],)).start()"
    with running(sys.executable, "-c", code) as process:
        eventually(lambda: len(proc.tree(process.pid)) == 2)


PROGRAMS = {
    "a list": ("true; sleep 60; true", 1),
    "a pipe": ("sleep 60 | sleep 60", 2),
    "a subshell": ("(true; sleep 60; true) | cat", 2),
    "a program with a child of its own": (f"{sys.executable} -c 'import os; os.system(\"sleep 60\")'; true", 1),
    "a shell that gave way": ("true; exec sleep 60", 0),
}


@pytest.mark.parametrize(("command", "count"), PROGRAMS.values(), ids=PROGRAMS)
def test_the_programs_a_shell_waits_for_are_found_but_not_their_own_children(command: str, count: int) -> None:
    with running("/bin/sh", "-c", command) as process:
        eventually(lambda: any(_name(pid) == "sleep" for pid in proc.tree(process.pid)))

        def found() -> list[str]:
            return [_name(pid) for pid in proc.programs(process.pid)]

        eventually(lambda: len(found()) == count and not {"sh", "dash", "bash"} & set(found()))


def _name(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def test_a_session_outlives_its_leader() -> None:
    with running("/bin/sh", "-c", "sleep 60 & sleep 60 & exit") as process:
        process.wait()
        assert len(proc.session_members(process.pid)) == 2


def test_marked_processes_are_found_with_the_rest_of_their_mark() -> None:
    with running("sleep", "60", PAWL_TEST_MARK=f"{os.getpid()}:one:two") as process:
        eventually(lambda: process.pid in proc.marked("PAWL_TEST_MARK", f"{os.getpid()}:"))
        assert proc.marked("PAWL_TEST_MARK", f"{os.getpid()}:one:")[process.pid] == "two"
        assert process.pid not in proc.marked("PAWL_TEST_MARK", f"{os.getpid()}:two")
        assert process.pid not in proc.marked("TEST_MARK", f"{os.getpid()}:")
        assert proc.has_variable(process.pid, "PAWL_TEST_MARK", f"{os.getpid()}:one:two")
        assert not proc.has_variable(process.pid, "PAWL_TEST_MARK", f"{os.getpid()}:one:")


def test_memory_is_that_of_the_whole_tree() -> None:
    hungry = f"{sys.executable} -c 'held = b\"x\" * 60_000_000; print(flush=True); import time; time.sleep(60)'"
    with running("/bin/sh", "-c", f"{hungry}; true") as process:
        eventually(lambda: proc.rss_bytes(process.pid) > 60_000_000)
        assert proc.rss_bytes(process.pid) < 200_000_000
    assert proc.rss_bytes(process.pid) == 0


@pytest.mark.parametrize("family", ["unix", "tcp"])
def test_connections_are_counted_from_the_moment_they_are_asked_for(place: Path, family: str) -> None:
    listener: socket.socket
    if family == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "a.sock"))
        address, where = f"unix/{place / 'a.sock'}", str(place / "a.sock")
    else:
        listener = socket.create_server(("127.0.0.1", 0))
        address, where = f"127.0.0.1:{listener.getsockname()[1]}", listener.getsockname()
    with listener, socket.socket(listener.family) as first, socket.socket(listener.family) as second:
        listener.listen(5)
        assert proc.connections(address) == 0
        first.connect(where)
        second.connect(where)
        assert proc.connections(address) == 2
        accepted, _ = listener.accept()
        assert proc.connections(address) == 2
        first.close()
        assert proc.connections(address) == 2
        accepted.close()
        eventually(lambda: proc.connections(address) == 1)
        listener.accept()[0].close()
        second.close()
        eventually(lambda: proc.connections(address) == 0)


def test_an_address_that_begins_or_ends_alike_is_another(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(place / "a.sock"))
        listener.listen()
        client.connect(str(place / "a.sock"))
        assert proc.connections(f"unix/{place / 'a.soc'}") == 0
        assert proc.connections(f"unix/{place.parent}/a.sock") == 0
    assert proc.connections(f"127.0.0.1:{free_port()}") == 0


def test_a_socket_whose_name_is_no_text_troubles_nobody(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fsencode(place) + b"/\xff\xfe.sock")
        assert proc.connections(f"unix/{place / 'a.sock'}") == 0


GROUPS = {
    "no limit": ({"memory.max": "max\n", "memory.current": "5\n", "memory.stat": "inactive_file 0\n"}, 1.0),
    "no group": ({}, 1.0),
    "half used": ({"memory.max": "100\n", "memory.current": "50\n", "memory.stat": "anon 50\n"}, 0.5),
    "full of file cache": (
        {"memory.max": "100\n", "memory.current": "100\n", "memory.stat": "anon 20\ninactive_file 80\n"},
        0.8,
    ),
    "over its limit": ({"memory.max": "100\n", "memory.current": "120\n", "memory.stat": "inactive_file 0\n"}, 0.0),
}


@pytest.mark.parametrize(("files", "share"), GROUPS.values(), ids=GROUPS)
def test_the_share_of_a_groups_memory_that_is_available(tmp_path: Path, files: dict[str, str], share: float) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert proc._available_share_of_group(tmp_path) == pytest.approx(share)


def test_some_of_this_machines_memory_is_available() -> None:
    assert 0 < proc.available_share() < 1
