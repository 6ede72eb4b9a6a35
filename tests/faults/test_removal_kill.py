"""SIGKILL of pawld in the middle of ``pawl remove``: the next pawld deletes what is left, secrets first."""

from __future__ import annotations

from pathlib import Path

from tests.faults.fault_rig import Site


def test_a_removal_that_was_cut_off_is_finished_by_the_next_pawld(place: Path) -> None:
    site = Site.at(place)
    try:
        pawl, home = site.pawl, site.pawl.home
        pawl.ok("secrets", "set", "hello", "PASSWORD", stdin="hunter2!")
        kept = home.data("hello") / "kept"
        kept.touch()
        with site.dies_at("app removed"):
            assert pawl.run("remove", "hello", "--yes").returncode == 3
        assert "hunter2!" in "".join(path.read_text() for path in home.settings("hello").iterdir())
        pawl.up()
        assert pawl.json("apps")["apps"] == []
        assert [path.name for path in home.app("hello").iterdir()] == ["data"]
        assert kept.exists()
        assert list(home.slots.iterdir()) == []
        assert list(home.envs.iterdir()) == []
        site.deploy()
        site.assert_sound()
        site.restart_pawld()
        site.assert_sound()
    finally:
        site.destroy()
