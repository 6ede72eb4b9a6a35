"""``pawl host install``: a unit that systemd takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import Pawl, program


def test_the_unit_is_one_that_systemd_accepts(idle_pawl: Pawl, place: Path) -> None:
    text = idle_pawl.ok("host", "install", "--print")
    assert f'Environment="PAWL_HOME={idle_pawl.path}"' in text
    assert "KillMode=process" in text
    unit = place / "pawl-under-test.service"
    unit.write_text(text)
    analyze = program("systemd-analyze", package="systemd")
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(unit) not in done.stderr


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
