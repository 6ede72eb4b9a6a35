"""The image of examples/antisocial, built and run by a Docker daemon of the tests' own.

No registry is asked: the base, in place of ``python:3.13-slim``, is Debian's Python in an image made of its packages.
The daemon has neither a bridge nor firewall rules, so builds and containers use the machine's network as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.services.services_rig import running
from tests.support import eventually, lacking, program

EXAMPLE = Path(__file__).parents[2] / "examples" / "antisocial"
BASE = "debian-python:latest"
IMAGE = "antisocial:latest"
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_PACKAGES = "ca-certificates,python-is-python3,python3,python3-pip,python3-venv"


@dataclass(frozen=True)
class Docker:
    """A daemon, by its socket."""

    command: str
    socket: Path

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """One command of ``docker``: its status and everything it said, in stdout."""
        done = subprocess.run(
            [self.command, "--host", f"unix://{self.socket}", *map(str, words)],
            # The builder that the daemon itself has: the other one is a plugin, which Debian packages by itself.
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        done.stdout = re.sub(r"\x1b\[\d*m", "", done.stdout)  # it paints each piece of stderr red
        return done

    def ok(self, *words: str | Path) -> str:
        """One command that must succeed; what it said."""
        done = self.run(*words)
        assert done.returncode == 0, f"{words}\n{done.stdout[-6000:]}"
        return done.stdout.strip()

    def build(self, folder: Path, tag: str = IMAGE) -> subprocess.CompletedProcess[str]:
        """Build a folder's image as its README says, but on the base that is here."""
        return self.run("build", "--network", "host", "--build-arg", f"PYTHON={BASE}", "--tag", tag, folder)


@contextmanager
def docker() -> Iterator[Docker]:
    """A daemon that holds :data:`BASE`; its images and containers go with it."""
    if os.geteuid() != 0:
        lacking("an image is built by a Docker daemon of the tests' own, which only root can start: run this as root")
    daemon, client = program("dockerd", package="docker.io"), program("docker", package="docker.io")
    folder = Path(tempfile.mkdtemp(prefix="pd-", dir="/tmp"))
    try:
        made = Docker(client, folder / "socket")
        command = [
            daemon, "--data-root", str(folder / "data"), "--exec-root", str(folder / "run"),
            "--pidfile", str(folder / "pid"), "--host", f"unix://{made.socket}", "--bridge", "none", "--iptables=false",
        ]  # fmt: skip
        with running(command, folder, end=signal.SIGTERM) as process:
            eventually(lambda: process.poll() is not None or made.run("version").returncode == 0, within_s=60)
            assert process.poll() is None, (folder / "output").read_text()
            _import_base(made)
            yield made
    finally:
        # The daemon leaves the name of its own network namespace mounted.
        subprocess.run(["umount", folder / "run" / "netns" / "default"], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder)


def _import_base(docker: Docker) -> None:
    bootstrap = program("mmdebstrap", package="mmdebstrap")
    trusts = {"PIP_BREAK_SYSTEM_PACKAGES": "1"}
    command = [bootstrap, "--quiet", "--variant", "minbase", "--include", _PACKAGES]
    if Path(_TRUSTED).exists():  # as this machine does, also behind a proxy that signs for itself
        command += [f"--customize-hook=upload {_TRUSTED} {_TRUSTED}"]
        trusts |= {"PIP_CERT": _TRUSTED, "SSL_CERT_FILE": _TRUSTED}
    changes = [word for name, value in trusts.items() for word in ("--change", f"ENV {name}={value}")]
    with subprocess.Popen([*command, "bookworm", "-"], stdout=subprocess.PIPE) as rootfs:
        done = subprocess.run(
            [docker.command, "--host", f"unix://{docker.socket}", "import", *changes, "-", BASE],
            stdin=rootfs.stdout, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    assert (rootfs.returncode, done.returncode) == (0, 0)
