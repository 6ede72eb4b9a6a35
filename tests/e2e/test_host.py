"""``pawl host install``: a unit that systemd takes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import Pawl, program


@pytest.mark.parametrize("options", [[], ["--system"]], ids=["of a user", "of the system"])
def test_the_unit_is_one_that_systemd_accepts(idle_pawl: Pawl, place: Path, options: list[str]) -> None:
    text = idle_pawl.ok("host", "install", "--print", *options)
    assert f'Environment="PAWL_HOME={idle_pawl.path}"' in text
    assert "KillMode=process" in text
    unit = place / "pawl-under-test.service"
    unit.write_text(text)
    analyze = program("systemd-analyze", package="systemd")
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(unit) not in done.stderr


def test_a_pawld_that_cannot_start_yet_is_tried_again_without_end(idle_pawl: Pawl) -> None:
    text = idle_pawl.ok("host", "install", "--print")
    unit, service = text.split("[Service]")
    assert "StartLimitIntervalSec=0\n" in unit  # by default systemd gives up after five starts in ten seconds
    assert "Restart=on-failure\nRestartSec=2\n" in service


def test_the_systems_unit_starts_after_a_database_of_the_same_machine(idle_pawl: Pawl) -> None:
    after = {
        options: re.findall("After=(.*)", idle_pawl.ok("host", "install", "--print", *options))
        for options in [(), ("--system",)]
    }
    assert after == {(): ["network-online.target"], ("--system",): ["network-online.target postgresql.service"]}


def test_a_users_unit_is_written_where_systemd_looks_for_it(idle_pawl: Pawl, place: Path) -> None:
    done = idle_pawl.run("host", "install", XDG_CONFIG_HOME=str(place / "config"))
    assert done.returncode == 0, done.stderr
    written = list((place / "config" / "systemd" / "user").glob("pawl-*.service"))
    assert len(written) == 1
    assert "WantedBy=default.target" in written[0].read_text()


def test_a_user_without_system_is_refused(idle_pawl: Pawl) -> None:
    done = idle_pawl.run("host", "install", "--user", "web")
    assert done.returncode == 2
    assert "--user goes with --system" in done.stderr
