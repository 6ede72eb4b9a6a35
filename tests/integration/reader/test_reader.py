"""The example app's own tests, all of them, on both of its databases; and its parts against a real broker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.services.services_rig import database, rabbitmq
from tests.support import uv

_APP = Path(__file__).parents[3] / "examples" / "antisocial"
_ROUND = """
import django, json
django.setup()
from django.test import Client
print(json.dumps(Client().get("/smoketest/", headers={"host": "localhost"}).json()))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with everything that the app can use."""
    at = tmp_path_factory.mktemp("reader") / "env"
    uv(
        "sync", "--frozen", "--all-extras", "--quiet", "--compile-bytecode", "--python", sys.executable,
        "--project", str(_APP), UV_PROJECT_ENVIRONMENT=str(at),
    )  # fmt: skip
    return at / "bin" / "python"


def manage(python: Path, *arguments: str, **environ: str) -> str:
    """What ``manage.py`` says; it must end well."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [python, "-B", "manage.py", *arguments],
        cwd=_APP, env={**kept, **environ}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout + done.stderr


def test_on_sqlite_every_test_of_the_reader_passes(python: Path, tmp_path: Path) -> None:
    assert "OK" in manage(python, "test", PAWL_DATA=str(tmp_path))


def test_on_postgresql_the_same_tests_pass(python: Path, tmp_path: Path) -> None:
    with database() as postgres:
        postgres.ask("ALTER ROLE app CREATEDB")
        environ = {"PAWL_DATA": str(tmp_path), "DATABASE_URL": postgres.url(scheme="postgresql")}
        assert "OK" in manage(python, "test", "--exclude-tag", "elsewhere", **environ)


def test_a_real_broker_and_database_pass_the_smoke_test_and_one_that_is_gone_does_not(
    python: Path, tmp_path: Path
) -> None:
    environ = {"PAWL_DATA": str(tmp_path), "SECRET_KEY": "k", "STATIC_ROOT": str(tmp_path / "static")}
    with database() as postgres, rabbitmq() as broker:
        environ |= {
            "DATABASE_URL": postgres.url(scheme="postgresql"),
            "CELERY_BROKER_URL": f"amqp://app:plain-secret@127.0.0.1:{broker.port}//",
        }
        manage(python, "migrate", "--noinput", **environ)
        manage(python, "collectstatic", "--noinput", **environ)
        assert '{"database": "ok", "broker": "ok", "storage": "ok"}' in manage(
            python, "shell", "--command", _ROUND, **environ
        )
    answer = manage(python, "shell", "--command", _ROUND, **environ)
    assert '{"database": "failed", "broker": "failed", "storage": "ok"}' in answer
