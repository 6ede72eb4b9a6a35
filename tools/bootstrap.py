"""Make the development environment with Python's standard library alone: a venv, uv in it, and uv does the rest.

Some Linux distributions split ``venv`` from Python (Debian's python3-venv), so that no pip can be put into a new
environment; then uv's wheel is fetched from PyPI here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import platform
import stat
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  said plainly on an older Python
        found = platform.python_version()
        sys.exit(f"error: Python 3.11 or newer is needed, this is {found}\n  next: make PYTHON=python3.12")
    folder = Path(sys.argv[1])
    uv = folder / "bin" / "uv"
    if not uv.exists():
        print("setting up .venv", file=sys.stderr)
        has_pip = importlib.util.find_spec("ensurepip") is not None
        venv.create(folder, with_pip=has_pip, clear=True, symlinks=True)
        if has_pip:
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)
        else:
            _fetch_uv(uv)
    environ = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder.resolve()), "VIRTUAL_ENV": str(folder.resolve())}
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():  # what this machine trusts, also behind a proxy that signs for itself
        environ.setdefault("SSL_CERT_FILE", str(bundle))
    command = [
        uv,
        "sync",
        "--quiet",
        "--frozen",
        "--inexact",
        "--compile-bytecode",
        "--python",
        folder / "bin" / "python",
    ]
    subprocess.run(command, check=True, env=environ)
    subprocess.run([folder / "bin" / "python", "-m", "compileall", "-q", "src"], check=False)


def _fetch_uv(target: Path) -> None:
    index = os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
    request = urllib.request.Request(
        f"{index.rstrip('/')}/uv/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request) as answer:
        files = json.load(answer)["files"]
    libc = "musllinux" if platform.libc_ver()[0] == "" else "manylinux"
    mine = [
        file for file in files
        if platform.machine() in file["filename"] and libc in file["filename"] and not file.get("yanked")
    ]  # fmt: skip
    if not mine:
        sys.exit(f"error: there is no uv wheel for {platform.machine()}\n  next: install python3-venv")
    wheel = mine[-1]
    with urllib.request.urlopen(urllib.request.urljoin(request.full_url, wheel["url"])) as answer:
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != wheel["hashes"]["sha256"]:
        sys.exit("error: uv's wheel arrived damaged\n  next: try again")
    archive = zipfile.ZipFile(io.BytesIO(content))
    name = next(item for item in archive.namelist() if item.endswith(".data/scripts/uv"))
    target.write_bytes(archive.read(name))
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main()
