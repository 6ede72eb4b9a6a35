"""When the migration plan is read, how it fails, and that the database is left as it was."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pawl.engines.base import MigrationPlan
from pawl.engines.process import proc
from tests.integration.migrations.migrations_rig import LATER, SECRET, SETTINGS, SETTINGS_TEXT, TASK, Machine
from tests.support import eventually

_THIRD = """\
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("feeds", "0002_later")]
    operations = []
"""
_SECOND = _THIRD.replace("0002_later", "0001_initial")
_OTHER_SETTINGS = "from config.settings import *\nDATABASES['default']['NAME'] = NAME + '.other'\n"


def test_nothing_is_pending_when_no_migration_came(machine: Machine) -> None:
    plan = machine.look({})
    assert plan == MigrationPlan()
    assert not plan.blocks_going_back
    assert plan.summary == ()


def test_pending_migrations_are_named_in_order(machine: Machine) -> None:
    plan = machine.look({LATER: _SECOND, "feeds/migrations/0003_third.py": _THIRD})
    assert plan is not None
    assert plan.pending == ("feeds.0002_later", "feeds.0003_third")
    assert plan.summary == ("2 migrations to run: feeds.0002_later, feeds.0003_third",)


def test_a_long_plan_is_counted(machine: Machine) -> None:
    names = ["0001_initial", *(f"{number:04}_n" for number in range(2, 10))]
    files = {
        f"feeds/migrations/{name}.py": _THIRD.replace("0002_later", before)
        for before, name in itertools.pairwise(names)
    }
    plan = machine.look(files)
    assert plan is not None
    assert plan.summary == (
        "8 migrations to run: feeds.0002_n, feeds.0003_n, feeds.0004_n, feeds.0005_n, feeds.0006_n and 3 more",
    )


@pytest.mark.parametrize("tasks", [[], ["python manage.py collectstatic"], ["python manage.py makemigrations"]])
def test_without_a_task_that_migrates_nothing_is_read(machine: Machine, tasks: list[str]) -> None:
    assert machine.look({LATER: _SECOND}, tasks=tasks) is None


@pytest.mark.parametrize(
    "manage", [None, "raise SystemExit('tables of another kind')", "import alembic"], ids=["none", "other", "broken"]
)
def test_an_app_that_is_not_djangos_has_no_plan(machine: Machine, manage: str | None) -> None:
    assert machine.look({"manage.py": manage, "requirements.txt": None}) is None


def test_django_missing_from_the_environment_is_said(machine: Machine) -> None:
    plan = machine.look({"requirements.txt": None})
    assert plan == MigrationPlan(trouble="Django is not in the release's environment")


@pytest.mark.parametrize(
    ("settings", "trouble"),
    [
        ("import os\nos.environ['NO_SUCH_NAME']", "KeyError: 'NO_SUCH_NAME'"),
        ("x = ", "SyntaxError: invalid syntax (settings.py, line 1)"),
        ("raise SystemExit('set the mail server first')", "SystemExit: set the mail server first"),
        ("import os\nos._exit(3)", "manage.py exited with 3 before it came to an answer"),
        ("import os\nos.kill(os.getpid(), 9)", "manage.py was killed by SIGKILL before it came to an answer"),
    ],
)
def test_broken_settings_are_trouble_in_one_line(machine: Machine, settings: str, trouble: str) -> None:
    plan = machine.look({SETTINGS: settings, LATER: _SECOND})
    assert plan == MigrationPlan(trouble=trouble)
    assert plan.summary == (f"the migration plan could not be read: {trouble}",)
    assert not plan.blocks_going_back


def test_a_database_that_cannot_be_read_is_trouble(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(b"not a database at all" * 100)
    plan = machine.look({}, data=tmp_path)
    assert plan == MigrationPlan(trouble="DatabaseError: file is not a database")


def test_an_app_that_takes_too_long_is_trouble_and_is_ended(machine: Machine) -> None:
    started = machine.home.path / "started"
    settings = f"import time\nopen({str(started)!r}, 'w').close()\ntime.sleep(600)"
    plan = machine.look_shortly({SETTINGS: settings}, mark="too-long", timeout_s=15)
    assert plan == MigrationPlan(trouble="it took longer than 15 s")
    assert started.exists()
    eventually(lambda: proc.marked("PAWL_MARK", "too-long") == {})


def test_a_manage_py_that_never_comes_to_django_is_trouble(machine: Machine) -> None:
    plan = machine.look({"manage.py": "import django"})
    assert plan == MigrationPlan(trouble="manage.py did not come to Django's commands")


def test_a_secret_in_an_error_is_masked_where_the_line_is_cut_too(machine: Machine) -> None:
    for before in ("", "x" * 275):  # the second one puts the secret across the end of what is shown
        settings = f"import os\nraise ValueError({before!r} + os.environ['SECRET_KEY'] + ' is no key')"
        plan = machine.look({SETTINGS: settings})
        assert plan is not None
        assert plan.trouble.startswith(f"ValueError: {before}[secret] ")
        assert SECRET[:6] not in plan.trouble
        assert len(plan.trouble) <= 301


@pytest.mark.parametrize(
    "task",
    [
        "DJANGO_SETTINGS_MODULE=config.other python manage.py migrate",
        "python manage.py check && python manage.py migrate --settings config.other; echo --settings=nowhere",
        "python manage.py migrate --noinput --settings=config.other",
    ],
)
def test_the_settings_that_a_task_names_are_used(machine: Machine, task: str) -> None:
    plan = machine.look({"config/other.py": _OTHER_SETTINGS}, tasks=["true", task])
    assert plan is not None
    assert plan.pending == ("feeds.0001_initial",)  # the other database has seen nothing yet


def test_the_first_migration_of_all_does_no_harm_and_makes_no_database(machine: Machine, tmp_path: Path) -> None:
    plan = machine.look({}, data=tmp_path)
    assert plan == MigrationPlan(pending=("feeds.0001_initial",))
    assert list(tmp_path.iterdir()) == []


def test_the_database_is_not_touched(machine: Machine) -> None:
    before = _digests(machine.database.parent)
    plan = machine.plan('migrations.RemoveField("Feed", "url")', "migrations.RunPython(fill)")
    assert plan.pending == ("feeds.0002_later",)
    assert _digests(machine.database.parent) == before


def test_a_database_in_use_with_a_write_ahead_log_is_read_and_not_touched(machine: Machine, tmp_path: Path) -> None:
    shutil.copy(machine.database, tmp_path)
    path = tmp_path / machine.database.name
    with closing(sqlite3.connect(path)) as used:
        used.execute("PRAGMA journal_mode=WAL")
        used.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('feeds', '0002_later', '2026-01-01')")
        used.commit()
        used.execute("BEGIN IMMEDIATE")  # the release before is writing
        before = _digests(tmp_path)
        plan = machine.look({LATER: _SECOND, "feeds/migrations/0003_third.py": _THIRD}, data=tmp_path)
        assert plan == MigrationPlan(pending=("feeds.0003_third",))
        after = _digests(tmp_path)
    assert {name: after[name] for name in after if not name.endswith("-shm")} == {
        name: before[name] for name in before if not name.endswith("-shm")
    }  # the -shm file is the readers' and writers' shared memory


def test_settings_that_would_switch_the_journal_do_not_do_so_here(machine: Machine) -> None:
    before = _digests(machine.database.parent)
    options = '\nDATABASES["default"]["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL"}\n'
    assert machine.look({SETTINGS: SETTINGS_TEXT + options}) == MigrationPlan()
    assert _digests(machine.database.parent) == before


def test_modules_of_pawl_are_not_in_the_apps_way(machine: Machine) -> None:
    settings = SETTINGS_TEXT + "\nimport proc\nassert proc.MINE\n"  # Pawl has a module of that name beside the program
    assert machine.look({SETTINGS: settings, "proc.py": "MINE = True\n"}, tasks=[TASK]) == MigrationPlan()


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
