"""Releases on disk are whole or not there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pawl.engines.process.releases import Manifest, Releases
from pawl.errors import ConfigError, UsageError
from pawl.model import Commit

COMMIT = Commit("a" * 40, "One", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")
ONE = Manifest(commit=COMMIT, folder="hello", files={"Procfile": "web: run\n"}, environment="k1")


def build(releases: Releases, name: str, manifest: Manifest = ONE) -> None:
    app = releases.begin(name) / "app"
    app.mkdir()
    (app / "a.py").write_text(name)
    releases.finish(name, manifest)


def test_a_release_is_there_once_it_is_finished(tmp_path: Path) -> None:
    releases = Releases(tmp_path / "releases")
    assert (releases.has("r1"), releases.ids(), releases.environments()) == (False, [], set())
    building = releases.begin("r1")
    assert (releases.has("r1"), releases.ids()) == (False, [])
    (building / "app").mkdir()
    releases.finish("r1", ONE)
    assert (releases.has("r1"), releases.ids(), releases.environments()) == (True, ["r1"], {"k1"})
    assert releases.manifest("r1") == ONE
    assert releases.source("r1").is_dir()


def test_one_cut_off_just_before_its_end_is_none(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    building = releases.begin("r1")
    (building / "release.json").write_bytes(msgspec.json.encode(ONE))
    assert (releases.has("r1"), releases.ids(), releases.environments()) == (False, [], set())
    build(releases, "r2")
    (tmp_path / "r3").mkdir()
    releases.remove_unfinished()
    assert [path.name for path in tmp_path.iterdir()] == ["r2"]


def test_a_build_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    (releases.begin("r1") / "app").mkdir()
    releases.abandon("r1")
    releases.abandon("r1")
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_build_left_does_not_get_into_the_next(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    (releases.begin("r1") / "stale").touch()
    build(releases, "r1")
    assert sorted(path.name for path in (tmp_path / "r1").iterdir()) == ["app", "release.json"]


def test_a_release_is_built_anew_in_place_of_one_that_is_there(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    build(releases, "r1")
    build(releases, "r1", msgspec.structs.replace(ONE, environment="k2"))
    assert (releases.ids(), releases.environments()) == (["r1"], {"k2"})


def test_that_its_tests_passed_is_written_down_whole(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    build(releases, "r1")
    releases.replace_manifest("r1", msgspec.structs.replace(ONE, is_tested=True))
    assert releases.manifest("r1").is_tested
    assert sorted(path.name for path in (tmp_path / "r1").iterdir()) == ["app", "release.json"]


def test_the_configuration_is_that_of_its_commit(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    build(releases, "r1")
    assert releases.config("r1").web.command == "run"
    assert releases.config("r1") is releases.config("r1")
    build(releases, "r2", msgspec.structs.replace(ONE, files={}))
    with pytest.raises(ConfigError):
        releases.config("r2")


@pytest.mark.parametrize("data", [None, b"", b"{}", b"\xff"])
def test_a_release_without_a_readable_manifest_is_not_on_this_machine(tmp_path: Path, data: bytes | None) -> None:
    releases = Releases(tmp_path)
    build(releases, "r1")
    path = tmp_path / "r1" / "release.json"
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(UsageError, match="release 'r1' is not on this machine"):
        releases.manifest("r1")


def test_a_removed_release_is_forgotten(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    build(releases, "r1")
    releases.config("r1")
    releases.remove("r1")
    releases.remove("r1")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError):
        releases.config("r1")
