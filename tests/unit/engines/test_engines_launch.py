"""How a command becomes words, and where it is told to listen."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.engines.process import launch

COMMANDS = {
    "a program": ("gunicorn app:app", "exec gunicorn app:app"),
    "blanks around it": ("  gunicorn app  ", "exec gunicorn app"),
    "variables": ("gunicorn -b unix:$SOCKET app", "exec gunicorn -b unix:$SOCKET app"),
    "an assignment": ("A=1 gunicorn app", "A=1 exec gunicorn app"),
    "two assignments": ("A=1   B_2=x gunicorn app", "A=1 B_2=x exec gunicorn app"),
    "an assignment in quotes": ("A='b c' B=\"d 'e' f\" run", "A='b c' B=\"d 'e' f\" exec run"),
    "an escaped blank": ("A=b\\ c run", "A=b\\ c exec run"),
    "an escaped quote": ('A="b\\" c" run', 'A="b\\" c" exec run'),
    "a backslash in single quotes": ("A='b\\' run", "A='b\\' exec run"),
    "what looks like an assignment later on": ("env A=1 run B=2", "exec env A=1 run B=2"),
    "exec already": ("exec gunicorn app", "exec gunicorn app"),
    "exec after an assignment": ("A=1 exec gunicorn app", "A=1 exec gunicorn app"),
    "a word of the shell": ("command gunicorn app", "command gunicorn app"),
    "a program named like one": ("executor run", "exec executor run"),
    "two commands": ("cd src && gunicorn app", "cd src && gunicorn app"),
    "a pipe": ("python app.py | tee log", "python app.py | tee log"),
    "a substitution": ("gunicorn --workers $(nproc) app", "gunicorn --workers $(nproc) app"),
    "a redirection": ("python app.py 2>err", "python app.py 2>err"),
    "two lines": ("cd src\ngunicorn app", "cd src\ngunicorn app"),
    "nothing but an assignment": ("A=1", "A=1"),
}


@pytest.mark.parametrize(("command", "script"), COMMANDS.values(), ids=COMMANDS)
def test_a_shell_gives_way_to_the_program_unless_the_command_needs_it(command: str, script: str) -> None:
    assert launch.argv(command) == ["/bin/sh", "-c", script]


plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def shows(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@settings(deadline=None)
@given(words=st.lists(plain, min_size=1, max_size=4), value=plain)
def test_the_program_gets_the_words_that_the_shell_reads(words: list[str], value: str) -> None:
    command = f"A={shlex.quote(value)} printf '%s\\0' {shlex.join(words)}"
    shown = "".join(f"{word}\0" for word in words)
    assert shows(*launch.argv(command)) == shows("/bin/sh", "-c", command) == shown


@settings(deadline=None)
@given(value=plain)
def test_the_program_gets_the_variables_that_the_shell_reads(value: str) -> None:
    command = f"A={shlex.quote(value)} printenv A"
    assert shows(*launch.argv(command)) == shows("/bin/sh", "-c", command) == f"{value}\n"


@pytest.mark.parametrize("assignment", ["A=b\\ c", 'A="b\\"  c"', "A='b  c'd\\ e", "A=", "A=$HOME/x", "B=1 A=2"])
def test_assignments_mean_what_they_mean_to_a_shell(assignment: str) -> None:
    command = f"{assignment} printenv A"
    assert shows(*launch.argv(command)) == shows("/bin/sh", "-c", command)


@pytest.mark.parametrize("command", ["exec sleep 60", "A=1 sleep 60", "sleep '60'"])
def test_the_process_that_is_started_is_the_program_itself(command: str) -> None:
    process = subprocess.Popen(list(launch.argv(command)), stdout=subprocess.PIPE)
    try:
        while os.path.basename(os.readlink(f"/proc/{process.pid}/exe")) in ("sh", "dash", "bash"):
            assert process.poll() is None
        assert os.path.basename(os.readlink(f"/proc/{process.pid}/exe")) == "sleep"
    finally:
        process.kill()
        process.communicate()


CHOICES = {
    "gunicorn": ("gunicorn app:app", "auto", True),
    "gunicorn by its path": ("/opt/venv/bin/gunicorn app:app", "auto", True),
    "uvicorn as a module": ("python -m uvicorn main:app", "auto", True),
    "granian": ("granian --interface asgi main:app", "auto", True),
    "after a cd": ("cd src && gunicorn app:app", "auto", True),
    "a server that is not known": ("hypercorn main:app", "auto", False),
    "a script": ("python app.py", "auto", False),
    "flask": ("flask run", "auto", False),
    "the port by name": ("gunicorn -b 127.0.0.1:$PORT app", "auto", False),
    "the port in braces": ("gunicorn -b 127.0.0.1:${PORT} app", "auto", False),
    "the socket by name": ("python app.py --socket $SOCKET", "auto", True),
    "the socket in braces": ("python app.py ${SOCKET}", "auto", True),
    "another variable": ("python app.py $PORTAL $SOCKETS", "auto", False),
    "a socket, said so": ("python app.py", "socket", True),
    "a port, said so": ("gunicorn app", "port", False),
    "quotes that do not end": ("gunicorn 'app", "auto", True),
}


@pytest.mark.parametrize(("command", "listen", "is_socket"), CHOICES.values(), ids=CHOICES)
def test_a_command_is_given_a_socket_or_a_port(command: str, listen: str, *, is_socket: bool) -> None:
    assert launch.wants_socket(command, listen) is is_socket


OWN_ADDRESSES = {
    "gunicorn -b 0.0.0.0:80 app": True,
    "gunicorn --bind=0.0.0.0:80 app": True,
    "uvicorn app --port 8000": True,
    "uvicorn app --uds /tmp/s": True,
    "gunicorn --bind unix:$SOCKET app": False,
    "uvicorn app --port $PORT": False,
    "uvicorn app --portal 1": False,
    "gunicorn app": False,
}


@pytest.mark.parametrize(("command", "names_own"), OWN_ADDRESSES.items())
def test_an_address_that_pawl_did_not_give_is_noticed(command: str, *, names_own: bool) -> None:
    assert launch.names_own_address(command) is names_own


def test_the_servers_options_are_kept_beside_the_address() -> None:
    base = {"GUNICORN_CMD_ARGS": "--workers 3"}
    assert launch.socket_address("/run/a.sock", base).variables["GUNICORN_CMD_ARGS"] == (
        "--workers 3 --bind unix:/run/a.sock"
    )
    assert launch.port_address(8001, base).variables["GUNICORN_CMD_ARGS"] == "--workers 3 --bind 127.0.0.1:8001"
    assert launch.port_address(8001, {}).variables["GUNICORN_CMD_ARGS"] == "--bind 127.0.0.1:8001"


def test_an_instance_is_told_either_a_socket_or_a_port() -> None:
    socket, port = launch.socket_address("/run/a.sock", {}), launch.port_address(8001, {})
    assert (socket.dial, port.dial) == ("unix//run/a.sock", "127.0.0.1:8001")
    assert "PORT" not in socket.variables
    assert "SOCKET" not in port.variables
    assert {port.variables[name] for name in ("HOST", "UVICORN_HOST", "GRANIAN_HOST", "FLASK_RUN_HOST")} == {
        "127.0.0.1"
    }
