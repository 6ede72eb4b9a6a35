"""Whether an address can be listened on, and who holds it if not.

Caddy listens with SO_REUSEPORT: two of them would share a port in silence, each getting half of the other's requests.
So the question is asked before Caddy starts or loads.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path

from pawl.errors import StateError

_LISTEN = "0A"  # the state in /proc/net/tcp
_BIND_ERROR = re.compile(
    r"listen(?:ing on)? (?:tcp )?\S*?:(\d+).*?(address already in use|permission denied)", re.DOTALL
)


def require_free(addresses: Iterable[str]) -> None:
    """Nothing listens on these ``host:port`` addresses, and this user may.

    Raises:
        StateError: for the first that cannot be had, with the process that holds it where /proc tells.
    """
    for address in addresses:
        host, port = _split(address)
        try:
            _try(host, port)
        except OSError as error:
            raise unavailable(port, error.errno == errno.EACCES, str(error)) from error


def unavailable(port: int, is_forbidden: bool, why: str) -> StateError:
    """The error to show for a port that Caddy cannot have."""
    if is_forbidden:
        return StateError(
            f"port {port} needs a privilege that this user does not have",
            why=why,
            next_step=f"allow it: sudo sysctl net.ipv4.ip_unprivileged_port_start={port}",
        )
    return StateError(
        f"port {port} is in use{_by(holder(port))}",
        next_step="choose another: pawl up --port N",
    )


def from_caddy(message: str) -> StateError | None:
    """The error behind Caddy's words about a failed bind; None if they say something else."""
    if found := _BIND_ERROR.search(message):
        return unavailable(int(found[1]), found[2] == "permission denied", message)
    return None


def without_absent_ipv6(hosts: Iterable[str]) -> tuple[str, ...]:
    """The hosts, without those in brackets where this machine has no IPv6."""
    kept = []
    for host in hosts:
        try:
            _try(*_split(f"{host}:0"))
        except OSError as error:
            if host.startswith("[") and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                continue
        kept.append(host)
    return tuple(kept)


def holder(port: int) -> tuple[int, str] | None:
    """The process (pid, name) that listens on a TCP port; None where /proc does not tell this user."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in _lines(Path("/proc/net", table))[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for entry in os.listdir("/proc") if inodes else ():
        if entry.isdecimal() and _has_open(entry, inodes):
            return int(entry), "".join(_lines(Path("/proc", entry, "comm")))
    return None


def _has_open(pid: str, names: set[str]) -> bool:
    try:
        return any(os.readlink(f"/proc/{pid}/fd/{number}") in names for number in os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # another user's, or gone meanwhile
        return False


def _by(process: tuple[int, str] | None) -> str:
    return f" (by pid {process[0]}, {process[1]})" if process else ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _try(host: str, port: int) -> None:
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - asked whether Caddy may, not served
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what lingers after a close is no hindrance
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        probe.bind((host, port))
