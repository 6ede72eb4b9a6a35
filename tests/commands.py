"""``pawl`` commands that start quickly: each is a process of its own, forked from one that has imported everything.

Tests run thousands of commands, and starting Python and importing costs ten times what most of them do. What a command
reads is its own: arguments, environment, working folder, stdin, stdout and stderr.
"""

from __future__ import annotations

import array
import contextlib
import importlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_LENGTH = 8


class _Server:
    """The process that forks; it ends with the one that has asked for it."""

    def __init__(self) -> None:
        self.address = f"\0pawl-commands-{os.getpid()}-{secrets.token_hex(4)}"
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(self.address)
        listening.listen(64)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands", str(listening.fileno())],
            cwd=Path(__file__).parents[1], stdin=subprocess.PIPE, pass_fds=[listening.fileno()],
        )  # fmt: skip
        listening.close()

    def is_up(self) -> bool:
        return self._process.poll() is None


_server: _Server | None = None
_lock = threading.Lock()


def run(
    arguments: Sequence[str],
    *,
    stdin: str,
    env: Mapping[str, str],
    cwd: str | os.PathLike[str] | None,
    timeout_s: float,
) -> subprocess.CompletedProcess[str]:
    """What ``subprocess.run([python, "-m", "pawl.cli.main", *arguments], …)`` gives.

    Raises:
        subprocess.TimeoutExpired: it took too long, and was killed.
    """
    global _server  # noqa: PLW0603  one for the process, made when it is first needed
    with _lock:
        if _server is None or not _server.is_up():
            _server = _Server()
    with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fed.write(stdin.encode())
        fed.seek(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
            asked.settimeout(timeout_s)
            asked.connect(_server.address)
            body = json.dumps([list(arguments), dict(env), os.fspath(cwd or Path.cwd())]).encode()
            files = array.array("i", [file.fileno() for file in (fed, out, err)])
            asked.sendmsg([len(body).to_bytes(_LENGTH, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            asked.sendall(body)
            pid = int.from_bytes(_received(asked, _LENGTH), "big")
            try:
                status = int.from_bytes(_received(asked, _LENGTH), "big", signed=True)
            except TimeoutError as error:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(arguments), timeout_s, _text(out), _text(err)) from error
        return subprocess.CompletedProcess(list(arguments), status, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _received(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        piece = connection.recv(length - len(found))
        if not piece:
            raise ConnectionError("the process that forks commands has gone")
        found += piece
    return found


# In the process that forks


def _serve(listening: socket.socket) -> None:
    """Answer until who asked for this process has gone."""
    import select

    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(connection)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Have one command run, and tell its pid and then its status; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(OSError):
        head, files, _, _ = socket.recv_fds(connection, _LENGTH, 3)
        arguments, env, cwd = json.loads(_received(connection, int.from_bytes(head, "big")))
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(arguments, env, cwd, files)
        connection.sendall(pid.to_bytes(_LENGTH, "big"))
        _, status = os.waitpid(pid, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(_LENGTH, "big", signed=True))
    os._exit(0)


def _become(arguments: list[str], env: dict[str, str], cwd: str, files: list[int]) -> None:
    """Be the command; never returns."""
    status = 1
    try:
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tempfile.tempdir = None
        time.tzset()
        sys.argv = ["pawl", *arguments]
        importlib.import_module("pawl.cli.main").main()
        status = 0
    except SystemExit as ended:
        status = _status(ended.code)
    except BaseException:  # noqa: BLE001  told as Python tells it
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _status(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


def main() -> None:
    listening = socket.socket(fileno=int(sys.argv[1]))
    listening.set_inheritable(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how the processes in between have ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in importlib.import_module("pawl.cli.main").COMMANDS.values():
        importlib.import_module(f"pawl.cli.{name[0]}")
    _serve(listening)


if __name__ == "__main__":
    main()
