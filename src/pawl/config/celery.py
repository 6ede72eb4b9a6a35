"""The Celery worker and beat of an app, as its sources show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pawl.config import sources
from pawl.config.dependencies import Dependencies
from pawl.config.sources import read_text

_SCHEDULE = re.compile(r"\bbeat_schedule\b|\b(?:CELERY_?)?BEAT_SCHEDULE\b|\badd_periodic_task\s*\(")
_BEAT = re.compile(r"\bcelery\b.*\sbeat\b")
_DATABASE_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"


@dataclass(frozen=True, slots=True)
class Workers:
    """The process types that Celery needs."""

    processes: dict[str, str] = field(default_factory=dict)
    singletons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()


def is_beat(command: str) -> bool:
    """Whether a command runs Celery's beat, of which two would send every task twice."""
    return _BEAT.search(command) is not None


def find(folder: Path, files: Sequence[Path], needs: Dependencies, *, django_project: str | None, root: str) -> Workers:
    """A worker where Celery is a dependency, and a beat where a schedule is seen."""
    if not needs.has("celery"):
        return Workers()
    app = _celery_app(folder, files, root) or django_project
    if app is None:
        return Workers(
            advice=("celery is among the dependencies but no Celery(...) was found: add [processes.worker]",)
        )
    processes = {"worker": f"celery -A {app} worker --loglevel INFO"}
    if needs.has("django-celery-beat"):
        processes["beat"] = f"celery -A {app} beat --loglevel INFO --scheduler {_DATABASE_SCHEDULER}"
    elif any(_SCHEDULE.search(read_text(path)) for path in files):
        # A release cannot be written to, and the times of the last runs are to outlive it.
        processes["beat"] = f"celery -A {app} beat --loglevel INFO --schedule $PAWL_DATA/celerybeat-schedule"
    return Workers(processes, singletons=("beat",) if "beat" in processes else ())


def _celery_app(folder: Path, files: Sequence[Path], root: str) -> str | None:
    """What ``celery -A`` is given: the package for a ``celery.py`` in it, else ``module`` or ``module:name``."""
    for path in files:
        if "Celery(" not in read_text(path) or (tree := sources.parse(path)) is None:
            continue
        base = folder / root if root and path.is_relative_to(folder / root) else folder
        where = sources.module_of(path, base)
        name = next((name for name, call in sources.assigned_calls(tree) if call == "Celery"), None)
        if where is None or name is None:
            continue
        module = where[0]
        if name not in ("app", "celery"):
            return f"{module}:{name}"
        return module.removesuffix(".celery")
    return None
