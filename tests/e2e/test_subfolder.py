"""An app in a folder of a bigger repository."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests import support
from tests.support import Pawl


def test_an_app_in_a_subfolder_deploys_by_path_and_by_push(pawl: Pawl, place: Path) -> None:
    repo = support.repository(place / "mono")
    shutil.copytree(support.HELLO, repo.path / "apps" / "hello")
    repo.commit("Two things in one repository", README="not the app")
    pawl.ok("deploy", repo.path / "apps" / "hello")
    assert pawl.get() == (200, "hello 1")
    assert not list((pawl.path / "apps" / "hello" / "releases").rglob("README"))
    pawl.ok("init", repo.path / "apps" / "hello")
    (repo.path / "apps" / "hello" / "VERSION").write_text("2")
    repo.commit("Say two")
    repo.git("push", "pawl", "main")
    assert pawl.get() == (200, "hello 2")
