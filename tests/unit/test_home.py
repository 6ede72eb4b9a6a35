"""Where everything lives."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from pawl.errors import StateError
from pawl.home import Home

NAMED = {
    "PAWL_HOME": ({"PAWL_HOME": "/srv/pawl", "XDG_STATE_HOME": "/x", "HOME": "/home/ada"}, "/srv/pawl"),
    "the state folder": ({"XDG_STATE_HOME": "/x", "HOME": "/home/ada"}, "/x/pawl"),
    "the user's own": ({"HOME": "/home/ada"}, "/home/ada/.local/state/pawl"),
    "empty means not set": ({"PAWL_HOME": "", "XDG_STATE_HOME": "", "HOME": "/a"}, "/a/.local/state/pawl"),
    "no home at all": ({}, "/.local/state/pawl"),
}  # fmt: skip


@pytest.mark.parametrize(("environ", "path"), NAMED.values(), ids=NAMED)
def test_a_home_is_named_by_the_environment(environ: dict[str, str], path: str) -> None:
    assert Home.from_environ(environ).path == Path(path)


def test_links_and_dots_in_a_name_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert Home.from_environ({"PAWL_HOME": f"{tmp_path}/link/../link/x"}).path == tmp_path / "real" / "x"


def test_folders_are_made_private_and_made_again_without_harm(place: Path) -> None:
    home = Home(place / "a" / "home")
    home.create()
    (home.envs / "k").mkdir()
    home.path.chmod(0o755)
    home.create()
    for path in (home.path, home.run, home.slots, home.instances, home.log, home.cache, home.envs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert (home.envs / "k").exists()


@pytest.mark.parametrize("name", ["x" * 90, "with blank", "with{brace}", "naïve"])
def test_a_path_that_sockets_or_caddy_cannot_take_has_its_run_folder_elsewhere(place: Path, name: str) -> None:
    home = Home(place / name)
    home.create()
    try:
        assert home.run.parent == Path("/tmp")
        assert home.socket == home.run / "pawld.sock"
        assert len(os.fsencode(home.instances / "0123456789.sock")) <= 107
        before = home.run
        home.create()
        assert home.run == before
        shutil.rmtree(before)  # as a reboot does
        home.create()
        assert home.run != before
        assert home.instances.is_dir()
    finally:
        shutil.rmtree(home.run)


def test_a_home_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be used") as caught:
        Home(tmp_path / "file" / "home").create()
    assert caught.value.why.startswith("Not a directory")


def test_two_apps_share_no_folder() -> None:
    home = Home(Path("/srv/pawl"))
    for folder in (home.data, home.releases, home.logs, home.settings, home.door):
        assert folder("a") != folder("b")
        assert folder("a").is_relative_to(home.path)
