"""The reader's container image: its tests are run by the build, and it starts what the Procfile starts."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.examples.image_rig import EXAMPLE, IMAGE, Docker, docker
from tests.integration.services import services_rig
from tests.support import eventually, free_port

PROCFILE = dict(line.split(": ", 1) for line in (EXAMPLE / "Procfile").read_text().splitlines())


@pytest.fixture(scope="module")
def daemon() -> Iterator[Docker]:
    with docker() as made:
        yield made


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the app's folder, of what git has."""
    ignored = shutil.ignore_patterns(".venv", "__pycache__", "var", "staticfiles", ".uv")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example", ignore=ignored))


def test_the_build_runs_the_tests_and_the_image_serves_what_the_procfile_starts(
    daemon: Docker, example: Path, tmp_path: Path
) -> None:
    built = daemon.build(example)
    assert built.returncode == 0, built.stdout[-6000:]
    ran = re.search(r"^Ran (\d+) tests in ", built.stdout, re.MULTILINE)
    assert ran is not None, built.stdout[-6000:]
    assert int(ran[1]) > 150

    with ExitStack() as stack:
        database = stack.enter_context(services_rig.database(connections=40))
        broker = stack.enter_context(services_rig.rabbitmq())
        port, settings = free_port(), tmp_path / "settings"
        settings.touch(mode=0o600)
        settings.write_text(
            f"SECRET_KEY=only-here\nDATABASE_URL={database.url(scheme='postgresql')}\n"
            f"CELERY_BROKER_URL={broker.url()}\nPORT={port}\nFETCH_ROUND_S=1\n"
        )
        own = ("--network", "host", "--env-file", settings)
        daemon.ok("run", "--rm", *own, IMAGE, "python", "manage.py", "migrate", "--noinput")
        for name, command in PROCFILE.items():
            daemon.ok("run", "--detach", "--name", name, *own, IMAGE, *command.split())
            stack.callback(daemon.run, "rm", "--force", name)

        def answer(path: str) -> str:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
                    return str(reply.read().decode())
            except OSError:
                return ""

        assert eventually(lambda: answer("/healthz"), within_s=60)
        assert json.loads(answer("/smoketest/")) == {"database": "ok", "broker": "ok", "storage": "ok"}
        styles = re.search(r'href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', answer("/login/"))
        assert styles is not None
        assert answer(styles[1])
        # What beat sends reaches the worker, more than once.
        eventually(lambda: daemon.ok("logs", "worker").count("fetch_due") > 2, within_s=60)
        for name in PROCFILE:
            assert daemon.ok("exec", name, "id", "--user") == "1000"
            daemon.ok("stop", "--time", "40", name)  # one that had to be killed exits with 137
            assert daemon.ok("inspect", "--format", "{{.State.ExitCode}}", name) == "0", daemon.ok("logs", name)


def test_a_test_that_fails_ends_the_build(daemon: Docker, example: Path) -> None:
    (example / "reader" / "tests" / "test_refused.py").write_text(
        "from unittest import TestCase\n\n\nclass Refused(TestCase):\n"
        "    def test_this_change(self):\n        self.assertEqual(2 + 2, 5)\n"
    )
    built = daemon.build(example, "refused:latest")
    assert built.returncode != 0
    assert "FAIL: test_this_change" in built.stdout
    assert "refused" not in daemon.ok("images")
