"""A disk that is full: what cannot be done is refused and said, what was live serves on, and room is all it takes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.fault_rig import CONFIG, Site, begin, kill
from tests.support import eventually, lacking

SIZE_MB = 12


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a disk of its own, of 12 MB."""
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "tmpfs", str(path)], capture_output=True, text=True
    )
    if done.returncode != 0:
        path.rmdir()
        lacking(
            "only root can mount the small tmpfs that is filled: sudo .venv/bin/pytest tests/faults/test_disk_full.py"
        )
    yield path
    eventually(lambda: subprocess.run(["umount", str(path)], capture_output=True).returncode == 0)
    path.rmdir()


@pytest.fixture
def small_site(small_disk: Path, place: Path) -> Iterator[Site]:
    """A site whose home is on the small disk, its repository elsewhere."""
    (place / "home").symlink_to(small_disk / "home")
    (small_disk / "home").mkdir()
    site = Site.at(place, config=CONFIG)
    site.pawl.path = small_disk / "home"
    yield site
    with contextlib.suppress(FileNotFoundError):
        (small_disk / "filler").unlink()
    site.pawl.destroy()


def fill(disk: Path, *, but_bytes: int = 0) -> None:
    """Fill the disk to the last byte but these."""
    with (disk / "filler").open("ab") as filler, contextlib.suppress(OSError):
        while True:
            os.write(filler.fileno(), bytes(4096))
    if but_bytes:
        with (disk / "filler").open("r+b") as filler:
            filler.truncate(max(0, filler.seek(0, os.SEEK_END) - but_bytes))


def make_room(disk: Path) -> None:
    (disk / "filler").unlink()


def says_why(text: str) -> bool:
    """Whether an error says that there is no room."""
    words = ("No space left on device", "disk is full", "database or disk is full")
    return any(word in text for word in words) and "Traceback" not in text and "pawld failed" not in text


def test_a_deploy_that_finds_no_room_fails_and_says_why(small_site: Site, small_disk: Path) -> None:
    site = small_site
    with site.load():
        before = site.events()
        site.commit(large="x" * 3_000_000)  # little for git to bring, much to lay out
        fill(small_disk, but_bytes=1_500_000)
        done = site.pawl.run("deploy", site.repo.path)
        assert done.returncode == 1, done
        assert says_why(done.stderr), done.stderr
        assert "failed at 'built'" in done.stderr
        site.assert_sound()
        make_room(small_disk)
        site.assert_sound()
        assert site.events()[: len(before)] == before
        site.deploy(large="x" * 100_000)
        site.assert_sound()


def test_on_a_full_disk_nothing_is_begun_and_what_runs_serves_on(small_site: Site, small_disk: Path) -> None:
    site = small_site
    with site.load():
        before = site.events()
        fill(small_disk)
        pids = site.live_pids()
        deploy = site.pawl.run("deploy", site.repo.path)
        assert deploy.returncode == 1
        assert "git could not bring the commit to pawld" in deploy.stderr or says_why(deploy.stderr), deploy.stderr
        for command in (
            ["env", "set", "hello", "NAME=" + "x" * 10_000],
            ["scale", "hello", "web=3"],
            ["restart", "hello"],
        ):
            done = site.pawl.run(*command)
            assert done.returncode == 1, done
            assert says_why(done.stderr), done.stderr
        assert site.events() == before
        for name in ("web.1", "worker.1"):
            kill(pids[name])  # they cannot start, for they want to write
        time.sleep(1)
        assert site.pawl.get() == (200, "hello 1")
        make_room(small_disk)
        site.assert_sound()
        site.deploy()
        site.assert_sound()


def test_a_proxy_that_dies_on_a_full_disk_is_back(small_site: Site, small_disk: Path) -> None:
    site = small_site
    fill(small_disk)
    kill(site.caddy_pid())
    eventually(lambda: "proxy" in site.pawl.processes().values())
    eventually(lambda: serves(site), within_s=30)
    make_room(small_disk)
    site.assert_sound()
    site.deploy()


def serves(site: Site) -> bool:
    """Whether the site answers; the proxy may not listen yet."""
    with contextlib.suppress(OSError):
        return site.pawl.get() == (200, f"hello {site.version}")
    return False


def test_a_disk_that_fills_up_in_a_deploy_delays_its_end_and_no_more(small_site: Site, small_disk: Path) -> None:
    site = small_site
    filler = small_disk / "home" / "apps" / "hello" / "data" / "filler"
    task = f"cat /dev/zero > {filler} 2> /dev/null; true"
    site.commit(config=CONFIG.replace("sleep 0.2", task))
    with site.load():
        command = begin(site, "deploy", str(site.repo.path))
        eventually(lambda: filler.exists() and os.statvfs(small_disk).f_bavail == 0)
        time.sleep(3)  # long enough for pawld to try again
        assert site.pawl.get() == (200, "hello 1")
        filler.unlink()
        command.communicate(timeout=60)
        if site.outcome(site.deploys()[-1]) == "kept":
            site.version = site.newest
        site.assert_sound()


def test_pawld_starts_on_a_full_disk_and_serves_what_was_live(small_site: Site, small_disk: Path) -> None:
    site = small_site
    fill(small_disk)
    with site.load():
        kill(site.pawld())
        done = site.pawl.run("up", "--port", str(site.pawl.port))
        if done.returncode != 0:
            assert done.returncode == 1
            assert says_why(done.stderr), done.stderr
        assert site.pawl.get() == (200, "hello 1")
        make_room(small_disk)
        if done.returncode != 0:
            site.pawl.up()
        site.assert_sound()
