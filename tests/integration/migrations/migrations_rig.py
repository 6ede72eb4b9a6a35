"""A Django app whose first migration has been run by a release task, and changes to it that are only looked at."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pawl.client.git import push
from pawl.engines.base import Candidate, MigrationPlan
from pawl.engines.process import migrations
from pawl.engines.process.engine import ProcessEngine
from pawl.engines.process.instance import Instance
from pawl.home import Home
from pawl.model import release_id
from pawl.settings.versions import Settings, SettingsFolder
from pawl.source.store import Store
from tests.support import repository

APP = "reader"
TASK = "python manage.py migrate --noinput"
LATER = "feeds/migrations/0002_later.py"
SETTINGS = "config/settings.py"
SECRET = "correct-horse-battery"  # of a test, and of nothing else
_LOCK = Path(__file__).parents[3] / "examples" / "antisocial" / "uv.lock"
_UV_CACHE = Path(tempfile.gettempdir()) / "pawl-tests-uv-cache"  # one for all runs on this machine

_MANAGE = """\
import os, sys
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
execute_from_command_line(sys.argv)
"""
SETTINGS_TEXT = """\
import os
print("an app may print what it likes")
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["feeds"]
NAME = os.path.join(os.environ.get("DATABASE_FOLDER") or os.environ["PAWL_DATA"], "db.sqlite3")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": NAME}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
"""
_INITIAL = """\
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Tag", [("id", models.AutoField(primary_key=True)), ("word", models.CharField(max_length=9))]),
        migrations.CreateModel("Author", [("id", models.AutoField(primary_key=True))]),
        migrations.CreateModel("Feed", [
            ("id", models.AutoField(primary_key=True)),
            ("url", models.CharField(max_length=200)),
            ("note", models.CharField(max_length=200, null=True)),
            ("rank", models.IntegerField(db_default=0)),
            ("author", models.ForeignKey("feeds.Author", models.CASCADE)),
            ("tags", models.ManyToManyField("feeds.Tag")),
            ("pinned", models.CharField(max_length=9, db_column="pin")),
        ]),
        migrations.CreateModel("Legacy", [("id", models.AutoField(primary_key=True))], options={"managed": False}),
        migrations.AddConstraint("Feed", models.UniqueConstraint(fields=["url"], name="one_url")),
        migrations.AddIndex("Feed", models.Index(fields=["rank"], name="by_rank")),
    ]
"""  # noqa: E501  a line for each model
_LATER = """\
from django.db import migrations, models
from django.db.migrations.operations.base import Operation

class Unheard(Operation):
    def state_forwards(self, app_label, state):
        pass

class Final(Unheard):
    reversible = False

def fill(apps, schema_editor):
    raise AssertionError("a migration was run that should only be looked at")

class Migration(migrations.Migration):
    dependencies = [("feeds", "0001_initial")]
    operations = [{operations}]
"""


class _Deaf:
    """A witness who forgets."""

    def crashed(self, instance: Instance, *, restarts: int, uptime_s: float) -> None: ...
    def crash_loop(self, instance: Instance, *, restarts: int, within_s: float) -> None: ...
    def memory_exceeded(self, instance: Instance, *, rss_bytes: int, limit_bytes: int) -> None: ...
    def replaced(self, instance: Instance, *, reason: str) -> None: ...


class Machine:
    """A home with one process engine; ``migrated`` is what the first release's task has made of the database."""

    def __init__(self, place: Path) -> None:
        self.home = Home(place / "home")
        self.home.create()
        self._store = Store(self.home.store)
        self._repository = repository(place / "repository")
        self.database = self.home.data(APP) / "db.sqlite3"
        settings = Settings(secrets={"SECRET_KEY": SECRET})
        SettingsFolder(self.home.settings(APP)).write(1, settings)
        self.files: Mapping[str, str] = {
            "manage.py": _MANAGE,
            "config/settings.py": SETTINGS_TEXT,
            "config/__init__.py": "",
            "feeds/__init__.py": "",
            "feeds/migrations/__init__.py": "",
            "feeds/migrations/0001_initial.py": _INITIAL,
            "requirements.txt": _django(),
        }
        asyncio.run(self._migrate())

    def plan(self, *operations: str) -> MigrationPlan:
        """What is said of a change that adds one migration with these operations."""
        found = self.look({LATER: _LATER.format(operations=", ".join(operations))})
        assert found is not None
        return found

    def look(
        self, changed: Mapping[str, str | None], *, tasks: Sequence[str] = (TASK,), data: Path | None = None
    ) -> MigrationPlan | None:
        """What is said of a change of these files, None for one that goes; ``data`` is where the database is then."""
        return asyncio.run(self._look(changed, tasks, {} if data is None else {"DATABASE_FOLDER": str(data)}))

    def look_shortly(self, changed: Mapping[str, str | None], *, mark: str, timeout_s: float) -> MigrationPlan | None:
        """The same with less time, and a mark by which the process is known."""

        async def look() -> MigrationPlan | None:
            engine = self._engine()
            candidate = await self._built(engine, {**self.files, **changed}, [TASK], {})
            plan = engine.plans.plan(candidate.app, candidate.release, candidate.settings)
            return await migrations.read(plan, mark=mark, timeout_s=timeout_s)

        return asyncio.run(look())

    async def _look(
        self, changed: Mapping[str, str | None], tasks: Sequence[str], env: Mapping[str, str]
    ) -> MigrationPlan | None:
        engine = self._engine()
        return await engine.migrations(await self._built(engine, {**self.files, **changed}, tasks, env))

    async def _migrate(self) -> None:
        engine = self._engine()
        await self._store.create()
        await engine.run_task(await self._built(engine, self.files, [TASK], {}), 0)

    def _engine(self) -> ProcessEngine:
        return ProcessEngine(self.home, self._store, route=lambda *_: None, share=lambda *_: None, witness=_Deaf())

    async def _built(
        self, engine: ProcessEngine, files: Mapping[str, str | None], tasks: Sequence[str], env: Mapping[str, str]
    ) -> Candidate:
        folder = self._repository.path
        for path in folder.iterdir():
            if path.is_dir() and path.name != ".git":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
        for name, text in {**files, "pawl.toml": _pawl_toml(tasks, env)}.items():
            if text is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
        sha = self._repository.commit("A change")
        push(sha, self.home.store, cwd=folder)
        await engine.build(APP, await self._store.commit(sha), "")
        return Candidate(APP, deploy=f"d-{sha[:8]}", release=release_id(sha), settings=1)


def _pawl_toml(tasks: Sequence[str], env: Mapping[str, str]) -> str:
    lines = [f'app = "{APP}"', "[release]", f"tasks = {list(tasks)!r}", "[processes.web]", 'command = "sleep 1"']
    return "\n".join([*lines, "[env]", *(f"{name} = {value!r}" for name, value in env.items())]) + "\n"


def _django() -> str:
    """The Django that examples/antisocial is locked to, as requirements."""
    packages = tomllib.loads(_LOCK.read_text())["package"]
    needed = next(package for package in packages if package["name"] == "antisocial")["dependencies"]
    lines = []
    for item in needed:
        if item["name"] == "django":
            versions = [package["version"] for package in packages if package["name"] == "django"]
            marker = f" ; {item['marker']}" if "marker" in item else ""
            lines.append(f"django=={item.get('version', versions[0])}{marker}")
    assert lines
    return "\n".join(lines) + "\n"


@contextmanager
def a_machine() -> Iterator[Machine]:
    """A machine in a folder of its own, with a package cache that outlives it."""
    place = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR", str(_UV_CACHE)))
        try:
            yield Machine(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
