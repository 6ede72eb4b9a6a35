"""A real sshd on loopback with keys and a configuration of its own, and the ssh of a user who knows it.

Nothing of the machine's own ssh, its keys or its known hosts is used or touched: the ``ssh`` that is found first on
``PATH`` is the real one with a configuration file of the test, as ``ssh -F`` is.
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import eventually, free_port, program

HOST = "elsewhere"


@dataclass(frozen=True, slots=True)
class Server:
    """One sshd. ``path`` is a PATH on which ``ssh elsewhere`` reaches it; ``login`` is what its users find set."""

    folder: Path
    port: int
    path: str

    def knows(self, *, is_known: bool = True, key: str = "host") -> None:
        """What the user has of the host's key: this one, or none."""
        public = (self.folder / f"{key}.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}" if is_known else "")

    def login(self, *lines: str) -> None:
        """Shell lines that run at each log-in, before the command."""
        (self.folder / "login").write_text("".join(f"{line}\n" for line in lines))

    def let_in(self, key: str = "user") -> None:
        """Whose key is let in."""
        authorized = self.folder / "authorized_keys"
        authorized.write_text((self.folder / f"{key}.pub").read_text())
        authorized.chmod(0o600)


@contextmanager
def sshd(folder: Path) -> Iterator[Server]:
    """A server that lets the test's user in by a key, and runs what is asked in ``sh``."""
    binary, keygen = program("sshd", package="openssh-server"), program("ssh-keygen", package="openssh-client")
    ssh = program("ssh", package="openssh-client")
    folder.mkdir(mode=0o700)
    for name in ("host", "other", "user", "stranger"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
    port, user = free_port(), pwd.getpwuid(os.getuid()).pw_name
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile {folder}/pid\nUsePAM no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
        f'ForceCommand . {folder}/login; eval "exec $SSH_ORIGINAL_COMMAND"\n'
    )
    (folder / "ssh_config").write_text(
        f"Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n  IdentityFile {folder}/user\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
        "  BatchMode yes\n"  # no terminal to ask on
    )
    (folder / "bin").mkdir()
    own = folder / "bin" / "ssh"
    own.write_text(f'#!/bin/sh\nexec {ssh} -F {folder}/ssh_config "$@"\n')
    own.chmod(0o755)
    separated = Path("/run/sshd")  # where sshd insists on going, as root
    if os.geteuid() == 0:
        separated.mkdir(mode=0o755, exist_ok=True)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([binary, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log) as process,
    ):
        try:
            eventually(lambda: _is_open(port) or process.poll() is not None, within_s=30)
            assert process.poll() is None, (folder / "log").read_text()
            server = Server(folder, port, f"{folder / 'bin'}:{os.environ['PATH']}")
            server.knows()
            server.login()
            server.let_in()
            yield server
        finally:
            process.terminate()


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
