"""``pawl init`` on the skeletons of real frameworks, then deploy and push: their own servers, from PyPI."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pawl.config.load import parse
from tests.support import Pawl, Repository, free_port, repository

# One cache for all runs on this machine, for packages come over the network the first time.
UV_CACHE = Path(tempfile.gettempdir()) / "pawl-tests-uv-cache"

FLASK = {
    "requirements.txt": "flask\ngunicorn\n",
    "app.py": "import os\nfrom flask import Flask, request\napp = Flask(__name__)\n\n"
    "@app.get('/')\ndef home():\n    return f'flask {VERSION} {request.scheme} {request.host}'\n\n"
    "@app.get('/healthz')\ndef healthz():\n    return 'ok'\n\nVERSION = 1\n",
}
FASTAPI = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n'
    'dependencies = ["fastapi", "uvicorn"]\n',
    "main.py": "from fastapi import FastAPI, Request\nfrom fastapi.responses import PlainTextResponse\n"
    "app = FastAPI()\nVERSION = 1\n\n"
    "@app.get('/', response_class=PlainTextResponse)\nasync def home(request: Request):\n"
    "    return f'fastapi {VERSION} {request.url.scheme} {request.client.host}'\n\n"
    "@app.get('/health')\nasync def health():\n    return {'status': 'ok'}\n",
}
DJANGO_URLS = """\
from django.http import HttpResponse
from django.urls import path
from django.contrib.sessions.models import Session

VERSION = 1

urlpatterns = [
    path("", lambda request: HttpResponse(f"django {VERSION} {request.get_host()} {Session.objects.count()}")),
    path("healthz", lambda request: HttpResponse("ok")),
]
"""
DJANGO_SETTINGS = """
import os
DEBUG = False
SECRET_KEY = os.environ.get("SECRET_KEY", "only for tests and builds")
ALLOWED_HOSTS = [os.environ.get("HOSTS", "site.localhost")]
DATABASES["default"]["NAME"] = os.path.join(os.environ.get("PAWL_DATA", "/tmp"), "db.sqlite3")
STATIC_ROOT = os.path.join(os.environ.get("PAWL_DATA", "/tmp"), "static")
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Pawl]:
    """As elsewhere, with a package cache that outlives the test."""
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    pawl = Pawl(path / "home", env={"UV_CACHE_DIR": str(UV_CACHE)}, port=free_port())
    try:
        pawl.up()
        yield pawl
    finally:
        pawl.destroy()
        shutil.rmtree(path, ignore_errors=True)


def project(folder: Path, files: dict[str, str]) -> Repository:
    repo = repository(folder)
    for name, text in files.items():
        (repo.path / name).parent.mkdir(parents=True, exist_ok=True)
        (repo.path / name).write_text(text)
    repo.commit("The first commit")
    return repo


def take_up(pawl: Pawl, repo: Repository) -> None:
    """What a user does with an app that has never seen Pawl."""
    said = pawl.ok("init", cwd=repo.path)
    assert "git push pawl main" in said
    repo.commit("Deploy with Pawl")
    pawl.ok("deploy", cwd=repo.path)


def push(pawl: Pawl, repo: Repository) -> str:
    done = subprocess.run(
        ["git", "push", "pawl", "main"], cwd=repo.path, env=pawl.environ(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def say_two(repo: Repository, name: str) -> None:
    path = repo.path / name
    path.write_text(path.read_text().replace("VERSION = 1", "VERSION = 2"))
    repo.commit("Say 2")


def test_flask_with_gunicorn(machine: Pawl, place: Path) -> None:
    repo = project(place / "flasky", FLASK)
    take_up(machine, repo)
    config = parse({"pawl.toml": (repo.path / "pawl.toml").read_text()}, folder="flasky")
    assert config.web.health.path == "/healthz"
    host = f"flasky.localhost:{machine.port}"
    assert machine.get("/", "flasky") == (200, f"flask 1 http {host}")
    say_two(repo, "app.py")
    assert "reused" not in push(machine, repo)
    assert machine.get("/", "flasky") == (200, f"flask 2 http {host}")
    machine.ok("rollback", "flasky")
    assert machine.get("/", "flasky") == (200, f"flask 1 http {host}")


def test_fastapi_with_uvicorn(machine: Pawl, place: Path) -> None:
    repo = project(place / "fasty", FASTAPI)
    take_up(machine, repo)
    assert machine.get("/", "fasty") == (200, "fastapi 1 http 127.0.0.1")
    say_two(repo, "main.py")
    push(machine, repo)
    assert machine.get("/", "fasty") == (200, "fastapi 2 http 127.0.0.1")


@pytest.mark.parametrize(
    ("command", "files"),
    [("gunicorn app:app", FLASK), ("flask run", FLASK), ("uvicorn main:app", FASTAPI)],
    ids=["gunicorn", "flask run", "uvicorn"],
)
def test_a_server_that_is_told_nothing_listens_where_pawl_says(
    machine: Pawl, place: Path, command: str, files: dict[str, str]
) -> None:
    name = command.replace(" ", "-")
    repo = project(place / name.partition(":")[0], {**files, "Procfile": f"web: {command}\n"})
    app = repo.path.name
    machine.ok("deploy", repo.path)
    assert machine.get("/", app)[0] == 200
    (pid,) = {item["pid"] for item in machine.instances(app)}
    family = {pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())}
    inodes = {
        link.readlink().name.removeprefix("socket:[").removesuffix("]")
        for member in family
        for link in Path(f"/proc/{member}/fd").iterdir()
        if link.readlink().name.startswith("socket:")
    }
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    listening = [row[1] for row in rows if row[3] == "0A" and row[9] in inodes]
    assert all(address.startswith("0100007F:") for address in listening)


def test_django_with_gunicorn_migrations_and_static_files(machine: Pawl, place: Path) -> None:
    repo = project(place / "site", {"requirements.txt": "django\ngunicorn\n"})
    # The skeleton is made by Django itself, from the environment of a first deploy of nothing but a web process.
    repo.commit("A first life", Procfile="web: python -m http.server --bind 127.0.0.1 $PORT\n")
    machine.ok("deploy", repo.path)
    django = machine.ok("run", "site", "--", "sh", "-c", "command -v django-admin").strip()
    subprocess.run([django, "startproject", "site_project", "."], cwd=repo.path, check=True)
    (repo.path / "Procfile").unlink()
    settings = repo.path / "site_project" / "settings.py"
    settings.write_text(settings.read_text() + DJANGO_SETTINGS)
    (repo.path / "site_project" / "urls.py").write_text(DJANGO_URLS)
    take_up(machine, repo)
    config = parse({"pawl.toml": (repo.path / "pawl.toml").read_text()}, folder="site")
    assert config.release.tasks == ("python manage.py migrate --noinput", "python manage.py collectstatic --noinput")
    assert config.web.health.path == "/healthz"
    host = f"site.localhost:{machine.port}"
    assert machine.get("/", "site") == (200, f"django 1 {host} 0")
    assert (machine.home.data("site") / "static" / "admin").is_dir()
    say_two(repo, "site_project/urls.py")
    push(machine, repo)
    assert machine.get("/", "site") == (200, f"django 2 {host} 0")
    refused = machine.run("env", "set", "site", "HOSTS=elsewhere.example.org")
    assert refused.returncode == 1
    assert "HTTP 400 at /healthz" in refused.stderr
    assert machine.get("/", "site") == (200, f"django 2 {host} 0")


def test_a_procfile_app_is_taken_up_with_its_lines(machine: Pawl, place: Path) -> None:
    hello = Path(__file__).parents[1] / "apps" / "hello"
    repo = repository(place / "lined", hello)
    (repo.path / "pawl.toml").unlink()
    repo.commit("Lines", Procfile="web: python app.py\nworker: python worker.py\nrelease: true\n")
    take_up(machine, repo)
    config = parse({"pawl.toml": (repo.path / "pawl.toml").read_text()}, folder="lined")
    assert set(config.processes) == {"web", "worker"}
    assert config.release.tasks == ("true",)
    assert machine.get("/", "lined") == (200, "hello 1")
    push(machine, repo)


def test_init_where_nothing_looks_like_a_web_app_says_what_to_do(machine: Pawl, place: Path) -> None:
    repo = project(place / "nothing", {"README": "words\n"})
    done = machine.run("init", repo.path)
    assert done.returncode == 2
    assert "looks like a web app" in done.stderr
    assert not (repo.path / "pawl.toml").exists()
    assert repo.git("remote") == ""


def test_init_twice_leaves_the_file_as_it_is(machine: Pawl, place: Path) -> None:
    repo = project(place / "twice", FLASK)
    machine.ok("init", repo.path)
    (repo.path / "pawl.toml").write_text((repo.path / "pawl.toml").read_text() + "\n# mine\n")
    done = machine.run("init", repo.path)
    assert done.returncode == 0
    assert "--force" in done.stderr
    assert (repo.path / "pawl.toml").read_text().endswith("# mine\n")
    machine.ok("init", repo.path, "--force", "--app", "other")
    assert (repo.path / "pawl.toml").read_text().count('app = "other"') == 1
