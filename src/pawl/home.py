"""Where everything lives: the state folder (``PAWL_HOME``) and the names of what is in it.

Only paths and their creation; what is written into them belongs to the package that owns it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pawl.errors import StateError

# A unix socket's path holds 107 bytes; the longest name below run/ is "i/" + 10 + ".sock".
_LONGEST_RUN_PATH = 85
# Caddy reads slots through a placeholder, so the path must not hold braces or blanks.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+@-]+")


@dataclass(frozen=True, slots=True)
class Home:
    """A state folder. Two homes on one machine share nothing, not even a socket."""

    path: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Home:
        """The home named by ``PAWL_HOME``, else ``$XDG_STATE_HOME/pawl``, else ``~/.local/state/pawl``."""
        if named := environ.get("PAWL_HOME"):
            return cls(Path(os.path.realpath(os.path.expanduser(named))))
        state = environ.get("XDG_STATE_HOME") or os.path.join(environ.get("HOME") or "/", ".local", "state")
        return cls(Path(os.path.realpath(state)) / "pawl")

    @property
    def run(self) -> Path:
        """The folder of sockets, slots and instance records: ``run``, or the short folder it points to."""
        return Path(os.path.realpath(self.path / "run"))

    @property
    def socket(self) -> Path:
        return self.run / "pawld.sock"

    @property
    def caddy_socket(self) -> Path:
        return self.run / "caddy.sock"

    @property
    def slots(self) -> Path:
        return self.run / "s"

    @property
    def instances(self) -> Path:
        return self.run / "i"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.db"

    @property
    def ledger_elsewhere(self) -> Path:
        """Where the ledger is, if it is not in this folder (JSON, no secret)."""
        return self.path / "ledger-elsewhere.json"

    @property
    def signals(self) -> Path:
        """What was counted and measured of every app."""
        return self.path / "signals.db"

    @property
    def store(self) -> Path:
        """The bare git repository that holds the commits of every app."""
        return self.path / "store.git"

    @property
    def envs(self) -> Path:
        """Python environments, one folder for each set of dependencies."""
        return self.path / "envs"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def log(self) -> Path:
        """Logs of pawld and Caddy themselves; an app's logs are under :meth:`app`."""
        return self.path / "log"

    @property
    def machine(self) -> Path:
        """What ``pawl up`` was told: ports and addresses (JSON)."""
        return self.path / "machine.json"

    @property
    def dashboard_key(self) -> Path:
        """What the dashboard's session cookies are signed with."""
        return self.path / "dashboard.key"

    def door(self, app: str) -> Path:
        """The bare git repository that ``git push pawl`` reaches."""
        return self.path / "git" / f"{app}.git"

    def app(self, app: str) -> Path:
        return self.path / "apps" / app

    def data(self, app: str) -> Path:
        """The app's own folder (``PAWL_DATA``): it outlives every release and is never deleted by a deploy."""
        return self.app(app) / "data"

    def releases(self, app: str) -> Path:
        return self.app(app) / "releases"

    def logs(self, app: str) -> Path:
        return self.app(app) / "logs"

    def settings(self, app: str) -> Path:
        return self.app(app) / "settings"

    def create(self) -> None:
        """Make the folders that must be there, private to this user. Idempotent.

        Raises:
            StateError: the folder cannot be made or written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                self.path.chmod(0o700)
            self._create_run()
            for folder in (self.slots, self.instances, self.log, self.cache, self.envs):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the state folder {self.path} cannot be used",
                why=f"{error.strerror}: {error.filename}",
                next_step="name another folder in PAWL_HOME, or make this one writable",
            ) from error

    def _create_run(self) -> None:
        run = self.path / "run"
        if run.is_symlink():
            if run.is_dir() and run.stat().st_uid == os.getuid():
                return
            run.unlink()  # it pointed into a temporary folder that a reboot emptied
        if run.is_dir():
            return
        if len(os.fsencode(run)) <= _LONGEST_RUN_PATH and _PLAIN_PATH.fullmatch(str(run)):
            run.mkdir(mode=0o700)
        else:
            import tempfile  # slow to import, and seldom needed

            run.symlink_to(tempfile.mkdtemp(prefix="pawl-", dir="/tmp"))
