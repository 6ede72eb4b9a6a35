"""How a command is started and told where to listen. Pure: commands and variables in, words out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NAMES_SOCKET = re.compile(r"\$\{?SOCKET\b")
_NAMES_PORT = re.compile(r"\$\{?PORT\b")
_SHELL_WORDS = re.compile(r"[;&|<>()`\n]|\$\(")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
# Words of the shell itself: there is no program of that name that it could give way to.
_BUILTINS = re.compile(r"(?:exec|exit|eval|command|\.|!)(?:\s|$)")

# Servers that take a unix socket from their own environment when the command names no address.
_SOCKET_SERVERS = ("gunicorn", "uvicorn", "granian")
_OWN_ADDRESS = re.compile(r"(?:^|\s)(?:-b|--bind|--host|--port|--uds|-p)(?:\s|=)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance is to listen: ``dial`` as Caddy writes it, and the variables that tell the instance."""

    dial: str
    variables: Mapping[str, str]


def wants_socket(command: str, listen: str) -> bool:
    """Whether a command is given a unix socket rather than a port on loopback.

    >>> wants_socket("gunicorn app:app", "auto"), wants_socket("python app.py", "auto")
    (True, False)
    >>> wants_socket("gunicorn -b 127.0.0.1:$PORT app:app", "auto")
    False
    """
    if listen != "auto":
        return listen == "socket"
    if _NAMES_SOCKET.search(command):
        return True
    if _NAMES_PORT.search(command):
        return False
    return server(command) in _SOCKET_SERVERS


def server(command: str) -> str | None:
    """The Python web server a command starts, when it is one that Pawl knows.

    >>> server("env A=1 python -m uvicorn main:app")
    'uvicorn'
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    names = [word.rpartition("/")[2] for word in words]
    return next((name for name in names if name in (*_SOCKET_SERVERS, "flask")), None)


def names_own_address(command: str) -> bool:
    """Whether a command listens where Pawl did not tell it to: an address option without ``$SOCKET`` or ``$PORT``."""
    told = _NAMES_SOCKET.search(command) or _NAMES_PORT.search(command)
    return not told and _OWN_ADDRESS.search(command) is not None


def socket_address(path: str, base: Mapping[str, str]) -> Address:
    """Listen on a unix socket; a server that reads its own variables is told through them."""
    return Address(
        f"unix/{path}",
        {
            "SOCKET": path,
            "GUNICORN_CMD_ARGS": _also(base.get("GUNICORN_CMD_ARGS"), f"--bind unix:{path}"),
            "UVICORN_UDS": path,
            # Only the proxy reaches the socket, so what it says of the client and of HTTPS is true.
            "FORWARDED_ALLOW_IPS": base.get("FORWARDED_ALLOW_IPS", "*"),
            "GRANIAN_UDS": path,
        },
    )


def port_address(port: int, base: Mapping[str, str]) -> Address:
    """Listen on a port of the loopback address, also for a server that would take ``PORT`` to mean every address."""
    return Address(
        f"127.0.0.1:{port}",
        {
            "PORT": str(port),
            "HOST": base.get("HOST", "127.0.0.1"),
            "GUNICORN_CMD_ARGS": _also(base.get("GUNICORN_CMD_ARGS"), f"--bind 127.0.0.1:{port}"),
            "UVICORN_HOST": "127.0.0.1",
            "UVICORN_PORT": str(port),
            "GRANIAN_HOST": "127.0.0.1",
            "GRANIAN_PORT": str(port),
            "FLASK_RUN_HOST": "127.0.0.1",
            "FLASK_RUN_PORT": str(port),
        },
    )


def _also(given: str | None, more: str) -> str:
    return f"{given} {more}" if given else more


def is_compound(command: str) -> bool:
    """Whether a command needs its shell to stay: then signals go to the shell's children.

    >>> is_compound("python app.py --port $PORT"), is_compound("cd src && gunicorn app")
    (False, True)
    """
    return _SHELL_WORDS.search(command) is not None


def argv(command: str) -> Sequence[str]:
    """The words to run: a shell expands variables, and gives way to the program unless the command is compound.

    >>> argv("A=1 gunicorn --bind unix:$SOCKET app")
    ['/bin/sh', '-c', 'A=1 exec gunicorn --bind unix:$SOCKET app']
    """
    if is_compound(command):
        return ["/bin/sh", "-c", command]
    rest = command.strip()
    assignments = ""
    while match := _ASSIGNMENT.match(rest):
        end = _word_end(rest, match.end())
        assignments += rest[:end] + " "
        rest = rest[end:].lstrip()
    if not rest or _BUILTINS.match(rest):
        return ["/bin/sh", "-c", command]
    return ["/bin/sh", "-c", f"{assignments}exec {rest}"]


def _word_end(text: str, start: int) -> int:
    quote, is_escaped = "", False
    for position in range(start, len(text)):
        char = text[position]
        if is_escaped:
            is_escaped = False
        elif char == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char.isspace():
            return position
    return len(text)
