"""Slots: small files, each holding the address of the instance that stands behind it.

Caddy reads a slot's file on every request, so what is written here takes effect with the next request and without a
reload. A file is replaced by an atomic rename: a reader sees the old address or the new one, never half of one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pawl.errors import StateError

SLOTS_PER_APP = 20  # so a canary takes steps of 5 %

# A port range is no single socket, so Caddy refuses to dial this at once instead of trying for seconds.
CLOSED = "closed/no-instance:0-1"

# The name becomes a folder, a host name and part of a Caddy placeholder.
_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_ADDRESS = re.compile(r"unix//[^\s{}|]+|(tcp/)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d+")


def slot_path(folder: Path, app: str, index: int) -> Path:
    """Where slot ``index`` (0 to 19) of an app is, in a slots folder."""
    if not _APP.fullmatch(app):
        raise ValueError(f"{app!r} cannot be the name of an app")
    return folder / app / f"{index:02}"


def as_logged(address: str) -> str:
    """The address as Caddy's access log names it in ``upstream``.

    >>> as_logged("127.0.0.1:8000"), as_logged("unix//run/i/web.sock")
    ('tcp/127.0.0.1:8000', 'unix//run/i/web.sock')
    """
    return address if address.startswith(("unix/", "tcp/")) else f"tcp/{address}"


class Slots:
    """The slots of every app below one folder. One process at a time writes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def assign(self, app: str, addresses: Sequence[str]) -> None:
        """Share the app's slots out among these instances: a, b, c, a, b, c, ….

        Neighbours differ, so a retry on the next slot meets another instance. An address is ``unix//abs/path.sock``
        or ``host:port``. No address at all closes the app: requests are answered with 503 at once. Idempotent; only
        slots that change are written.

        Raises:
            ValueError: a name or address that Caddy could not dial.
            StateError: a slot cannot be written.
        """
        _check(addresses)
        spread = addresses or [CLOSED]
        self._write(app, [spread[index % len(spread)] for index in range(SLOTS_PER_APP)])

    def assign_shares(self, app: str, shares: Mapping[str, int]) -> None:
        """Give each instance its number of slots, evenly mixed; the numbers add up to 20. Raises as :meth:`assign`."""
        if sum(shares.values()) != SLOTS_PER_APP or min(shares.values()) < 0:
            raise ValueError(f"the shares of {app!r} must add up to {SLOTS_PER_APP}")
        _check(list(shares))
        self._write(app, list(_mixed(shares)))

    def close(self, app: str) -> None:
        """Give the app closed slots where it has none yet, so that Caddy finds a file to read. Idempotent."""
        if not all(slot_path(self._folder, app, index).exists() for index in range(SLOTS_PER_APP)):
            self._write(app, [current or CLOSED for current in self._read(app)])

    def addresses(self, app: str) -> list[str]:
        """The instances behind the app, each once, in the order of their first slot; empty for a closed one."""
        return list(dict.fromkeys(address for address in self._read(app) if address and address != CLOSED))

    def remove(self, app: str) -> None:
        """Delete the app's slots, once no route leads to it. Idempotent."""
        shutil.rmtree(slot_path(self._folder, app, 0).parent, ignore_errors=True)

    def apps(self) -> list[str]:
        """The apps that have slots, closed ones included, by name."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if (self._folder / name / "00").exists())

    def _read(self, app: str) -> list[str]:
        return [_content(slot_path(self._folder, app, index)) for index in range(SLOTS_PER_APP)]

    def _write(self, app: str, addresses: Sequence[str]) -> None:
        folder = slot_path(self._folder, app, 0).parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in folder.glob(".*.tmp"):  # of a process that was killed while writing
                leftover.unlink()
            for index, address in enumerate(addresses):
                path = slot_path(self._folder, app, index)
                if _content(path) != address:
                    temporary = folder / f".{path.name}.tmp"
                    temporary.write_text(address)
                    temporary.rename(path)
        except OSError as error:
            raise StateError(
                f"the slots of {app!r} cannot be written",
                why=f"{error.strerror}: {error.filename}",
                next_step="free space or permissions there, then deploy again",
            ) from error


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _check(addresses: Sequence[str]) -> None:
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is not unix//absolute/path or host:port")


def _mixed(shares: Mapping[str, int]) -> Iterator[str]:
    """Smooth weighted round robin: each address gains its share every turn, the richest pays for the slot."""
    credit = dict.fromkeys(shares, 0)
    for _ in range(SLOTS_PER_APP):
        for address, share in shares.items():
            credit[address] += share
        richest = max(credit, key=lambda address: credit[address])
        credit[richest] -= SLOTS_PER_APP
        yield richest
