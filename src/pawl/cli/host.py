"""``pawl host``"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from pawl.cli import options, output
from pawl.errors import PawlError, UsageError
from pawl.home import Home

# KillMode=process: when systemd restarts a pawld that was killed, its apps must go on serving.
# StartLimitIntervalSec=0: what pawld waits for, a database at boot for example, may take longer than a few tries.
_UNIT = """\
[Unit]
Description=Pawl, continuous deployment ({home})
StartLimitIntervalSec=0
After=network-online.target{database}
Wants=network-online.target

[Service]
Type=exec
ExecStart={command}
Environment={environment}
EnvironmentFile=-{environment_file}
{user}Restart=on-failure
RestartSec=2
KillMode=process
TimeoutStopSec=150
LimitNOFILE=65536

[Install]
WantedBy={wanted_by}
"""


@click.group("host")
def command() -> None:
    """Have pawld started at boot (systemd)."""


@command.command("install")
@click.option("--system", is_flag=True, help="A unit of the system, for root (default: of this user).")
@click.option("--user", "as_user", metavar="NAME", help="With --system: the user that runs pawld and the apps.")
@click.option("--print", "only_print", is_flag=True, help="Print the unit and change nothing.")
def install(*, system: bool, as_user: str | None, only_print: bool) -> None:
    """Write a systemd unit for pawld and this state folder, and enable it."""
    if as_user and not system:
        raise UsageError("--user goes with --system", next_step="pawl host install --system --user NAME")
    home = options.home()
    _check_owner(home, system=system, as_user=as_user)
    text = unit(home, system=system, as_user=as_user)
    path = unit_path(home, system=system)
    if only_print:
        output.result(text.rstrip())
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise PawlError(
            f"{path} could not be written", why=error.strerror or "", next_step="sudo pawl host install --system"
        ) from error
    output.result(f"written: {path}")
    _enable(path, system=system)


@command.command("uninstall")
@click.option("--system", is_flag=True, help="The unit of the system (default: of this user).")
def uninstall(*, system: bool) -> None:
    """Disable the unit and delete it; a pawld that runs goes on."""
    path = unit_path(options.home(), system=system)
    if not path.exists():
        raise UsageError(f"there is no {path}")
    _systemctl(["disable", path.name], system=system)
    path.unlink()
    _systemctl(["daemon-reload"], system=system)
    output.result(f"deleted: {path}")


def _check_owner(home: Home, *, system: bool, as_user: str | None) -> None:
    """The state folder must belong to whoever runs pawld; root as that user is allowed, and said."""
    if as_user is None:
        if system:
            output.say("pawld and the apps will run as root; to run them as another user: --user NAME")
        return
    try:
        uid = pwd.getpwnam(as_user).pw_uid
    except KeyError:
        raise UsageError(
            f"there is no user '{as_user}'", next_step=f"make it: useradd --create-home {as_user}"
        ) from None
    if home.path.exists() and home.path.stat().st_uid != uid:
        raise UsageError(
            f"{home.path} does not belong to '{as_user}'",
            next_step=f"name that user's state folder: PAWL_HOME=~{as_user}/.local/state/pawl pawl host install …",
        )


def unit(home: Home, *, system: bool, as_user: str | None) -> str:
    """The unit's text."""
    return _UNIT.format(
        home=home.path,
        command=_quoted([sys.executable, "-m", "pawl.daemon.main"]),
        environment=_quoted([f"PAWL_HOME={home.path}"]) + " " + _quoted([f"PATH={os.environ.get('PATH', os.defpath)}"]),
        environment_file=str(home.path / "pawld.env").replace("%", "%%"),
        user=f"User={as_user}\n" if as_user else "",
        database=" postgresql.service" if system else "",  # may hold the ledger; nothing where there is none
        wanted_by="multi-user.target" if system else "default.target",
    )


def _quoted(words: list[str]) -> str:
    """Words as systemd reads them (systemd.syntax(7)): quotes as in C, percent signs doubled."""
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"' for word in words)


def unit_path(home: Home, *, system: bool) -> Path:
    """Where the unit belongs; each home has its own, the default one the plain name."""
    is_default = home == Home.from_environ({"HOME": os.environ.get("HOME", "/")})
    name = "pawl.service" if is_default else f"pawl-{_slug(str(home.path))}.service"
    if system:
        return Path("/etc/systemd/system") / name
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user" / name


def _slug(text: str) -> str:
    import hashlib

    tail = "".join(char if char.isascii() and char.isalnum() else "-" for char in Path(text).name)[:30]
    return f"{tail}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _enable(path: Path, *, system: bool) -> None:
    for arguments in (["daemon-reload"], ["enable", path.name]):
        fault = _systemctl(arguments, system=system)
        if fault:
            scope = "" if system else "--user "
            output.say(f"systemd did not take it now ({fault})")
            output.say(f"next: systemctl {scope}daemon-reload && systemctl {scope}enable --now {path.name}")
            return
    output.result(f"enabled: {path.name} starts at boot")
    if not system:
        user = os.environ.get("USER", "$USER")
        output.say(f"for it to start before you log in: loginctl enable-linger {shlex.quote(user)}")
    scope = "" if system else "--user "
    output.say(f"to start it now (after 'pawl down', if pawld runs already): systemctl {scope}start {path.name}")


def _systemctl(arguments: list[str], *, system: bool) -> str:
    """Run systemctl; what is wrong, empty when nothing is."""
    if shutil.which("systemctl") is None:
        return "systemctl is not installed"
    scope = [] if system else ["--user"]
    done = subprocess.run(["systemctl", *scope, *arguments], capture_output=True, text=True, check=False, timeout=30)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[0]
