"""A home for each module: its tests share one pawld, and each deploys an app of a name of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.e2e_rig import App
from tests.support import HELLO, Pawl, repository, running


@pytest.fixture(scope="module")
def machine() -> Iterator[Pawl]:
    """A home with its pawld up, for all tests of a module."""
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    try:
        with running(path / "home") as pawl:
            yield pawl
    finally:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def app(machine: Pawl, place: Path) -> App:
    """The hello app under a name that no other test has, committed and not deployed."""
    name = f"app-{place.name.removeprefix('pt-').lower().replace('_', 'x')}"
    app = App(machine, name, repository(place / name, HELLO))
    app.configure()
    return app
