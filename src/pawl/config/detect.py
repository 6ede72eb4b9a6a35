"""What ``pawl init`` can see of an app in its folder. Files are read, nothing is imported or run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pawl.config import celery, dependencies, health_paths, procfile, servers, sources
from pawl.config.dependencies import Dependencies
from pawl.config.sources import WebApp, read_text

Kind = Literal["django", "flask", "fastapi", "starlette", "wsgi", "asgi", "procfile", "nothing"]

_SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\]?\s*[,=]\s*["']([\w.]+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """An app as its files show it, in the terms of a ``pawl.toml``."""

    kind: Kind
    processes: dict[str, str] = field(default_factory=dict)
    """Commands by process type; without ``web`` when no app was found."""
    singletons: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    test: str | None = None
    """A test command that may fit; whether it can run without the app's settings is not known."""
    env: dict[str, str] = field(default_factory=dict)
    health_path: str | None = None
    server: str | None = None
    """The server among the dependencies; None when there is none, or none is known to be needed."""
    advice: tuple[str, ...] = ()
    """What to do before the first deploy, one sentence each."""


def detect(folder: Path) -> Detected:
    """What kind of app is in the folder.

    A Procfile has the first word on what is run; then Django (``manage.py``), then the app object of a known
    framework, then any WSGI or ASGI callable in a file with a usual name.

    Raises:
        ConfigError: there is a Procfile and it is wrong.
    """
    needs = dependencies.find(folder)
    files = sources.python_files(folder)
    manage = _manage_py(folder)
    if (folder / procfile.FILE).is_file():
        return _from_procfile(folder, files, manage)
    if manage is not None:
        return _django(folder, files, manage, needs)
    if app := sources.find_web_app(folder, files):
        return _web_app(folder, files, app, needs)
    return Detected(
        kind="nothing",
        advice=("no web app was found here: write the command that serves yours into [processes.web]",),
    )


def _manage_py(folder: Path) -> Path | None:
    """The ``manage.py`` of a Django project, here or one folder below."""
    candidates = [folder / "manage.py", *sorted(folder.glob("[!.]*/manage.py"))]
    return next((path for path in candidates if "DJANGO_SETTINGS_MODULE" in read_text(path)), None)


def _from_procfile(folder: Path, files: Sequence[Path], manage: Path | None) -> Detected:
    read = procfile.parse(read_text(folder / procfile.FILE))
    if manage is not None:
        health_path = health_paths.in_django(manage.parent, _project(manage))
    else:
        app = sources.find_web_app(folder, files)
        health_path = health_paths.in_files([app.path, *files] if app else files)
    has_web = "web" in read.processes
    return Detected(
        kind="procfile",
        processes=read.processes,
        singletons=tuple(name for name, command in read.processes.items() if celery.is_beat(command)),
        tasks=(read.release,) if read.release else (),
        health_path=health_path,
        advice=() if has_web else ("the Procfile has no web process: write one into [processes.web]",),
    )


def _django(folder: Path, files: Sequence[Path], manage: Path, needs: Dependencies) -> Detected:
    home = manage.parent
    root = "" if home == folder else home.name
    project = _project(manage)
    has_wsgi, has_asgi = ((home / project.replace(".", "/") / f"{name}.py").is_file() for name in ("wsgi", "asgi"))
    server = servers.installed(needs, is_asgi=False) if has_wsgi or not has_asgi else None
    is_asgi = server is None and has_asgi and (not has_wsgi or servers.installed(needs, is_asgi=True) is not None)
    module = f"{project}.{'asgi' if is_asgi else 'wsgi'}:application"
    command, server, advice = _serve(module, needs, is_asgi=is_asgi, is_factory=False)
    workers = celery.find(folder, files, needs, django_project=project, root=root)
    manage_command = f"python {manage.relative_to(folder).as_posix()}"
    return Detected(
        kind="django",
        processes={"web": command, **workers.processes},
        singletons=workers.singletons,
        tasks=_django_tasks(manage_command, files, needs),
        test=f"{manage_command} test",
        env={"PYTHONPATH": root} if root else {},
        health_path=health_paths.in_django(home, project),
        server=server,
        advice=(*advice, *workers.advice),
    )


def _project(manage: Path) -> str:
    """The Django project's package: the one of the settings module's parents that holds ``wsgi.py`` or ``asgi.py``."""
    match = _SETTINGS.search(read_text(manage))
    parts = match[1].split(".") if match else ["config"]
    for length in range(len(parts), 0, -1):
        package = manage.parent.joinpath(*parts[:length])
        if (package / "wsgi.py").is_file() or (package / "asgi.py").is_file():
            return ".".join(parts[:length])
    return parts[0]


def _django_tasks(manage: str, files: Sequence[Path], needs: Dependencies) -> tuple[str, ...]:
    settings = "\n".join(read_text(path) for path in files if "settings" in path.as_posix())
    tasks = [f"{manage} migrate --noinput"]
    if re.search(r"^\s*STATIC_ROOT\b", settings, re.MULTILINE):
        tasks.append(f"{manage} collectstatic --noinput")
    if needs.has("django-compressor") and re.search(r"^\s*COMPRESS_OFFLINE\s*=\s*True", settings, re.MULTILINE):
        tasks.append(f"{manage} compress")
    return tuple(tasks)


def _web_app(folder: Path, files: Sequence[Path], app: WebApp, needs: Dependencies) -> Detected:
    command, server, advice = _serve(f"{app.module}:{app.name}", needs, is_asgi=app.is_asgi, is_factory=app.is_factory)
    workers = celery.find(folder, files, needs, django_project=None, root=app.root)
    tasks = []
    if needs.has("flask-migrate") and (folder / "migrations").is_dir():
        tasks.append("flask db upgrade")
    elif (folder / "alembic.ini").is_file():
        tasks.append("alembic upgrade head")
    return Detected(
        kind=app.kind,
        processes={"web": command, **workers.processes},
        singletons=workers.singletons,
        tasks=tuple(tasks),
        test="pytest" if needs.has("pytest") else None,
        env={"PYTHONPATH": app.root} if app.root and not needs.is_packaged else {},
        health_path=health_paths.in_files([app.path, *files]),
        server=server,
        advice=(*advice, *workers.advice),
    )


def _serve(
    app: str, needs: Dependencies, *, is_asgi: bool, is_factory: bool
) -> tuple[str, str | None, tuple[str, ...]]:
    """The web command, the server among the dependencies, and what to do when there is none."""
    server = servers.installed(needs, is_asgi=is_asgi)
    chosen = server or servers.usual(is_asgi=is_asgi)
    command = servers.command(chosen, app, is_asgi=is_asgi, is_factory=is_factory)
    if server:
        return command, server, ()
    kind = "ASGI" if is_asgi else "WSGI"
    return command, None, (f"no {kind} server is among the dependencies: add one, for example with: uv add {chosen}",)
