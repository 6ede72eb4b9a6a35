"""Settings versions: each written once, whole, and readable by nobody else."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.errors import StateError
from pawl.settings.versions import Settings, SettingsFolder

values = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=4)


def test_version_0_is_the_empty_one(tmp_path: Path) -> None:
    folder = SettingsFolder(tmp_path / "settings")
    assert folder.read(0) == Settings()
    assert (folder.has(0), folder.has(1)) == (True, False)


@settings(max_examples=25, deadline=None)
@given(env=values, secrets=values)
def test_a_version_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, env: dict[str, str], secrets: dict[str, str]
) -> None:
    folder = SettingsFolder(tmp_path_factory.mktemp("settings"))
    folder.write(3, Settings(env, secrets))
    assert folder.read(3) == Settings(env, secrets)
    assert folder.has(3)


def test_only_its_owner_can_read_a_version(tmp_path: Path) -> None:
    SettingsFolder(tmp_path / "settings").write(1, Settings({}, {"A": "secret"}))
    assert (tmp_path / "settings").stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "settings").iterdir()] == [0o600]


def test_a_version_that_was_written_but_never_announced_is_replaced(tmp_path: Path) -> None:
    folder = SettingsFolder(tmp_path)
    folder.write(1, Settings({"A": "1"}))
    (tmp_path / "1.tmp").write_bytes(b"{half")
    folder.write(1, Settings({"A": "2"}))
    assert folder.read(1).env == {"A": "2"}
    assert [path.name for path in tmp_path.iterdir()] == ["1.json"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk with so much room left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 10, 60])
def test_a_disk_that_is_full_half_way_leaves_no_half_version(tmp_path: Path, room: int) -> None:
    folder = SettingsFolder(tmp_path)
    folder.write(1, Settings({"A": "1"}))
    with files_of_at_most(room), pytest.raises(OSError, match="File too large"):
        folder.write(1, Settings({"A": "x" * 200}))
    assert folder.read(1) == Settings({"A": "1"})


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b'{"env": {"A": 1}}', b"\xff"])
def test_a_version_that_is_missing_or_broken_says_so(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "7.json").write_bytes(data)
    with pytest.raises(StateError, match="settings version 7 cannot be read") as caught:
        SettingsFolder(tmp_path).read(7)
    assert caught.value.next_step == f"restore {tmp_path / '7.json'} from a backup"


OLD = Settings({"A": "1", "B": "2"}, {"S": "x", "T": "y"})
CHANGES = {
    "one is set": ("env", {"C": "3"}, (), Settings({"A": "1", "B": "2", "C": "3"}, OLD.secrets)),
    "one is changed": ("env", {"A": "9"}, (), Settings({"A": "9", "B": "2"}, OLD.secrets)),
    "one is unset": ("env", {}, ("A",), Settings({"B": "2"}, OLD.secrets)),
    "a secret is set": ("secrets", {"U": "z"}, (), Settings(OLD.env, {"S": "x", "T": "y", "U": "z"})),
    "a secret is unset, one is changed": ("secrets", {"S": "w"}, ("T",), Settings(OLD.env, {"S": "w"})),
    "a secret is named like an env": ("secrets", {"A": "z"}, (), Settings(OLD.env, {"S": "x", "T": "y", "A": "z"})),
}


@pytest.mark.parametrize(("what", "set_values", "unset", "new"), CHANGES.values(), ids=CHANGES)
def test_a_change_makes_a_new_version_and_leaves_the_old_as_it_was(
    what: str, set_values: dict[str, str], unset: tuple[str, ...], new: Settings
) -> None:
    assert OLD.changed(what=what, set_values=set_values, unset_names=unset) == new
    assert Settings({"A": "1", "B": "2"}, {"S": "x", "T": "y"}) == OLD
