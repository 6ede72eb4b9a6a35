"""One sshd for all tests of a module."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.ssh.ssh_rig import Server, sshd


@pytest.fixture(scope="module")
def machine() -> Iterator[Server]:
    path = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
    try:
        with sshd(path / "sshd") as found:
            yield found
    finally:
        shutil.rmtree(path, ignore_errors=True)
