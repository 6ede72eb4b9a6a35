"""Another machine's dashboard through SSH: the user's own ``ssh``, with its configuration, agent and known hosts.

Nothing is answered for the user: whether a host's key is to be trusted, ssh asks on the terminal, as it does for a
password. So ``ssh`` runs in this process's group and keeps the terminal; only its stderr is read here, to say what is
wrong in Pawl's words.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread

from pawl.errors import PawlError, Unreachable, UsageError

# Where pawl is likely to be: a login by ssh with a command reads no profile, so it has the shortest of all PATHs.
_FIND = 'PATH="$PATH:$HOME/pawl/bin:$HOME/.local/bin:/usr/local/bin"; export PATH; '
_OPEN = "pawl-open"
_SSH_FAILED = 255
_NOT_FOUND = (126, 127)


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time address of a dashboard on another machine: its port there, and the path."""

    port: int
    path: str


class Far:
    """Pawl on the machine ``host``, which is whatever ``ssh`` takes: a name of its configuration, or USER@HOST.

    ``pawl`` is the command there; None looks in the usual places.
    """

    def __init__(self, host: str, *, pawl: str | None = None) -> None:
        if not host or host.startswith("-") or re.search(r"\s", host):
            raise UsageError(f"'{host}' is not a machine", next_step="name it as ssh does: pawl open --ssh USER@HOST")
        self.host = host
        self._pawl = pawl

    def link(self, words: Sequence[str]) -> Link:
        """Ask the pawl there for a one-time address; ``words`` say of which page.

        Raises:
            UsageError: there is no ssh here.
            Unreachable: ssh does not get there, or no pawld runs there.
            PawlError: there is no pawl there, or it refuses; its own words are passed on.
        """
        pawl = shlex.quote(self._pawl) if self._pawl else "pawl"
        asked = f"{_FIND}exec {pawl} {shlex.join(['open', *words, '--print-url', '--json'])}"
        done = subprocess.run(
            [_ssh(), "-T", "--", self.host, f"sh -c {shlex.quote(asked)}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise self._why_not(done.returncode, done.stderr)
        for line in reversed(done.stdout.splitlines()):  # a shell's start-up files may have written before it
            with suppress(ValueError, KeyError, TypeError):
                answer = json.loads(line)
                link = Link(int(answer["port"]), str(answer["path"]))
                if 0 < link.port < 65536 and re.fullmatch(r"/open/[\w-]+", link.path):
                    return link
        raise PawlError(
            f"what pawl on '{self.host}' answered is no address", why=_last(done.stdout) or "it answered nothing",
            next_step=f"is pawl there as new as here? ssh {self.host} pawl --version",
        )  # fmt: skip

    @contextmanager
    def forwarded(self, port: int) -> Iterator[Tunnel]:
        """A port of this machine's loopback that leads to the same of the far one, as long as it is held.

        Raises:
            Unreachable: ssh does not get there, or may not forward.
        """
        here = _free(port)
        process = subprocess.Popen(
            [_ssh(), "-N", "-T", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15",
             # A connection of its own, so that the port is there as long as this process, and a word when it is: what
             # else might listen on the port must not be taken for it.
             "-o", "ControlPath=none", "-o", "PermitLocalCommand=yes", "-o", f"LocalCommand=echo {_OPEN}",
             "-L", f"127.0.0.1:{here}:127.0.0.1:{port}", "--", self.host],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        tunnel = Tunnel(here, process)
        try:
            if not tunnel.opens():
                raise self._why_not(_SSH_FAILED, tunnel.said())
            yield tunnel
        finally:
            tunnel.close()

    def _why_not(self, status: int, said: str) -> PawlError:
        """What went wrong, from ssh's exit status and the words of ssh or of the pawl there."""
        if status == _SSH_FAILED:
            return self._why_ssh_does_not(said)
        why = _last(said)
        if status in _NOT_FOUND:
            return PawlError(
                f"there is no pawl on '{self.host}'", why=why,
                next_step=f"if it is, say where: pawl open --ssh {self.host} --far-pawl PATH",
            )  # fmt: skip
        told: dict[str, str] = dict(re.findall(r"^ *(error|why|next|see): (.*)$", said, re.M))
        if status == Unreachable.exit_code:
            return Unreachable(
                f"no pawld answers on '{self.host}'", why=told.get("why", ""),
                next_step=f"start it there: ssh {self.host} pawl up",
            )  # fmt: skip
        what = told.get("error", why) or f"it exited with {status}"
        reason = ": ".join(part for part in (what, told.get("why")) if part)
        return PawlError(
            f"pawl on '{self.host}' refuses", why=reason, next_step=told.get("next") or told.get("see") or ""
        )

    def _why_ssh_does_not(self, said: str) -> PawlError:
        why = _last(said) or "ssh says nothing about it"
        if "HOST IDENTIFICATION HAS CHANGED" in said:
            return Unreachable(
                f"the host key of '{self.host}' is not the one that was known", why=why,
                next_step="find out why it has changed before you connect; ssh-keygen -R removes the old one",
            )  # fmt: skip
        if "Host key verification failed" in said:
            return Unreachable(
                f"the host key of '{self.host}' is not known", why=why,
                next_step=f"connect once and compare its fingerprint: ssh {self.host}",
            )  # fmt: skip
        what = "does not let you in" if "Permission denied" in said else "cannot be reached by ssh"
        return Unreachable(f"'{self.host}' {what}", why=why, next_step=f"try it by itself: ssh {self.host}")


class Tunnel:
    """A forwarded port that is open, and the ssh that holds it."""

    def __init__(self, port: int, process: subprocess.Popen[str]) -> None:
        self.port = port
        self._process = process
        self._lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)
            del self._lines[:-50]

    def opens(self) -> bool:
        """Wait until the port is open; False if ssh ends before. What ssh asks meanwhile is waited for."""
        assert self._process.stdout is not None
        return any(line.strip() == _OPEN for line in iter(self._process.stdout.readline, ""))

    def said(self) -> str:
        """What ssh said by now."""
        self._reader.join(1)
        return "".join(self._lines)

    def wait(self) -> str:
        """Return when ssh has ended by itself, with what it said last."""
        self._process.wait()
        return _last(self.said())

    def close(self) -> None:
        """End it. Idempotent."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(1)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _ssh() -> str:
    found = shutil.which("ssh")
    if found is None:
        raise UsageError(
            "there is no ssh here", why="another machine's dashboard is reached through SSH",
            next_step="install it: apt-get install openssh-client",
        )  # fmt: skip
    return found


def _free(port: int) -> int:
    """This port of loopback, so that the browser stays signed in; another one if it is taken."""
    for wanted in (port, 0):
        with suppress(OSError), socket.create_server(("127.0.0.1", wanted)) as probe:
            return int(probe.getsockname()[1])
    raise Unreachable("no port of 127.0.0.1 is free", next_step="close something that listens there")


def _last(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
