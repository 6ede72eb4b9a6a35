"""A state folder that cannot be used: 'pawl up' says what, why and what to do, exits with 1 and changes nothing."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.fault_rig import Site
from tests.support import Pawl


def contents(home: Path) -> dict[str, str]:
    """A digest of every file of a home; the log, the lock and SQLite's shared memory are no state."""
    passed_over = {"pawld.log", "pawld.lock", "ledger.db-shm", "access.log"}
    files = [
        path for path in home.rglob("*") if path.is_file() and not path.is_symlink() and path.name not in passed_over
    ]
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "caddy" not in path.relative_to(home).parts[0]
    }


def refusal(pawl: Pawl, *arguments: str) -> list[str]:
    """What 'pawl up' said when it refused: what, why, next."""
    done = pawl.run("up", *arguments)
    assert done.returncode == 1, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3, done.stderr
    assert lines[0].startswith("error: ")
    assert lines[1].strip().startswith("why: ")
    assert lines[2].strip().startswith("next: ")
    return lines


@pytest.fixture
def stopped(place: Path) -> Iterator[Site]:
    """A site that was live and is down."""
    site = Site.at(place)
    site.pawl.ok("down")
    yield site
    site.destroy()


def test_a_corrupt_ledger_is_refused_and_left_alone(stopped: Site) -> None:
    pawl = stopped.pawl
    good = pawl.home.ledger.read_bytes()
    for damaged in (b"no database at all" * 1000, good[:4096] + os.urandom(len(good) - 4096), good[: len(good) // 2]):
        pawl.home.ledger.write_bytes(damaged)
        before = contents(pawl.path)
        lines = refusal(pawl, "--port", "1")
        assert "ledger" in lines[0]
        assert contents(pawl.path) == before
        assert pawl.processes() == {}
    pawl.home.ledger.write_bytes(good)
    pawl.up()
    stopped.assert_sound()


def test_a_newer_ledger_is_refused_and_left_alone(stopped: Site) -> None:
    pawl = stopped.pawl
    with closing(sqlite3.connect(pawl.home.ledger)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute(f"PRAGMA user_version = {version + 1}")
    before = contents(pawl.path)
    lines = refusal(pawl)
    assert "was written by a newer Pawl" in lines[0]
    assert contents(pawl.path) == before
    with closing(sqlite3.connect(pawl.home.ledger)) as db:
        db.execute(f"PRAGMA user_version = {version}")
    pawl.up()
    stopped.assert_sound()


def test_the_same_is_said_while_the_apps_of_a_killed_pawld_run_and_they_serve_on(place: Path) -> None:
    site = Site.at(place)
    try:
        with site.load():
            os.kill(site.pawld(), 9)
            site.wait_pawld_gone()
            pids = site.pawl.processes()
            with closing(sqlite3.connect(site.pawl.home.ledger)) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else the log mends what is damaged here
            good = site.pawl.home.ledger.read_bytes()
            site.pawl.home.ledger.write_bytes(good[:100] + bytes(len(good) - 100))
            refusal(site.pawl)
            assert site.pawl.processes() == pids
            site.pawl.home.ledger.write_bytes(good)
            site.pawl.up()
            assert site.pawl.processes() == pids
            site.assert_sound()
    finally:
        site.destroy()


def test_a_state_folder_that_is_a_file_is_refused(place: Path) -> None:
    home = place / "home"
    home.write_text("mine")
    lines = refusal(Pawl(home))
    assert str(home) in lines[0]
    assert home.read_text() == "mine"


def test_a_state_folder_that_may_not_be_written_to_is_refused() -> None:
    home = Path("/sys/pawl")  # not even root may make a folder there
    lines = refusal(Pawl(home))
    assert str(home) in lines[0]
    assert not home.exists()


def test_a_broken_machine_file_is_refused_and_left_alone(stopped: Site) -> None:
    pawl = stopped.pawl
    good = pawl.home.machine.read_text()
    pawl.home.machine.write_text("{")
    before = contents(pawl.path)
    lines = refusal(pawl)
    assert "machine.json" in lines[0]
    assert contents(pawl.path) == before
    pawl.home.machine.write_text(good)
    pawl.up()


def test_a_second_pawld_on_the_same_home_is_refused_and_disturbs_nothing(place: Path) -> None:
    site = Site.at(place)
    try:
        with site.load():
            pids = site.pawl.processes()
            pawld = site.pawld()
            home = site.pawl.home
            os.rename(home.socket, home.run / "hidden")  # so that 'pawl up' does not see the first
            try:
                lines = refusal(site.pawl, "--port", "1")
            finally:
                os.rename(home.run / "hidden", home.socket)
            assert "another pawld owns" in lines[0]
            assert site.pawld() == pawld
            assert site.pawl.processes() == pids
            site.assert_sound()
            site.restart_pawld()
            site.assert_sound()
    finally:
        site.destroy()
