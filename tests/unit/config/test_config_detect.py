"""What pawl init sees in a folder, and that the pawl.toml it writes is accepted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from pawl.config.detect import Detected, detect
from pawl.config.load import parse
from pawl.config.schema import AppConfig, Build, Domains, Health, Observe, Process, ReleaseTasks, Target
from pawl.config.template import render
from pawl.errors import ConfigError

MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.local")\n'
DJANGO = {
    "manage.py": MANAGE,
    "shop/__init__.py": "",
    "shop/settings/local.py": "from .base import *\n",
    "shop/settings/base.py": 'STATIC_ROOT = "static"\n',
    "shop/wsgi.py": "application = get_wsgi_application()\n",
    "shop/asgi.py": "application = get_asgi_application()\n",
    "shop/urls.py": 'urlpatterns = [path("admin/", x), path("health/", y), path("", include("cart.urls"))]\n',
    "cart/urls.py": 'urlpatterns = [path("cart", z)]\n',
}
CELERY_APP = 'from celery import Celery\napp = Celery("shop")\n'
FLASK = {"app.py": 'from flask import Flask\napp = Flask(__name__)\n@app.route("/up")\ndef up(): return ""\n'}
FASTAPI = {"main.py": 'import fastapi\nweb: object = fastapi.FastAPI()\n@web.get("/healthz")\ndef h(): ...\n'}
STARLETTE = {"src/blog/__init__.py": "", "src/blog/main.py": 'app = Starlette(routes=[Route("/ping/", ping)])\n'}


def requirements(*names: str) -> dict[str, str]:
    return {"requirements.txt": "# what it needs\n-r base.txt\n" + "".join(f"{name}>=1  # why\n" for name in names)}


def pyproject(*names: str, more: str = "") -> dict[str, str]:
    return {"pyproject.toml": f'[project]\nname = "x"\ndependencies = {list(names)!r}\n{more}'}


def lock(*names: str) -> dict[str, str]:
    return {"uv.lock": "version = 1\n" + "".join(f'[[package]]\nname = "{name}"\n' for name in names)}


KINDS: dict[str, tuple[dict[str, str], Detected]] = {
    "django": (
        DJANGO | requirements("Django", "gunicorn"),
        Detected(
            kind="django",
            processes={"web": "gunicorn shop.wsgi:application --bind unix:$SOCKET"},
            tasks=("python manage.py migrate --noinput", "python manage.py collectstatic --noinput"),
            test="python manage.py test",
            health_path="/health/",
            server="gunicorn",
        ),
    ),
    "django on asgi": (
        DJANGO | pyproject("django", "uvicorn[standard]") | {"shop/settings/base.py": "", "shop/urls.py": ""},
        Detected(
            kind="django",
            processes={"web": "uvicorn shop.asgi:application --uds $SOCKET --forwarded-allow-ips '*'"},
            tasks=("python manage.py migrate --noinput",),
            test="python manage.py test",
            server="uvicorn",
        ),
    ),
    "django in a folder": (
        {f"backend/{name}": text for name, text in DJANGO.items()} | lock("granian", "django"),
        Detected(
            kind="django",
            processes={"web": "granian shop.wsgi:application --interface wsgi --uds $SOCKET"},
            tasks=("python backend/manage.py migrate --noinput", "python backend/manage.py collectstatic --noinput"),
            test="python backend/manage.py test",
            env={"PYTHONPATH": "backend"},
            health_path="/health/",
            server="granian",
        ),
    ),
    "django with celery": (
        DJANGO
        | requirements("django", "gunicorn", "celery")
        | {"shop/celery.py": CELERY_APP, "shop/settings/base.py": "CELERY_BEAT_SCHEDULE = {}", "cart/urls.py": ""},
        Detected(
            kind="django",
            processes={
                "web": "gunicorn shop.wsgi:application --bind unix:$SOCKET",
                "worker": "celery -A shop worker --loglevel INFO",
                "beat": "celery -A shop beat --loglevel INFO --schedule $PAWL_DATA/celerybeat-schedule",
            },
            singletons=("beat",),
            tasks=("python manage.py migrate --noinput",),
            test="python manage.py test",
            health_path="/health/",
            server="gunicorn",
        ),
    ),
    "django with a beat in the database": (
        DJANGO | requirements("django", "gunicorn", "django-celery-beat", "celery[redis]", "django_compressor")
        | {"shop/settings/base.py": "STATIC_ROOT = 1\nCOMPRESS_OFFLINE = True", "shop/urls.py": ""},
        Detected(
            kind="django",
            processes={
                "web": "gunicorn shop.wsgi:application --bind unix:$SOCKET",
                "worker": "celery -A shop worker --loglevel INFO",
                "beat": "celery -A shop beat --loglevel INFO "
                "--scheduler django_celery_beat.schedulers:DatabaseScheduler",
            },
            singletons=("beat",),
            tasks=(
                "python manage.py migrate --noinput",
                "python manage.py collectstatic --noinput",
                "python manage.py compress",
            ),
            test="python manage.py test",
            server="gunicorn",
        ),
    ),
    "flask": (
        FLASK | requirements("flask", "gunicorn"),
        Detected(
            kind="flask",
            processes={"web": "gunicorn app:app --bind unix:$SOCKET"},
            health_path="/up",
            server="gunicorn",
        ),
    ),
    "flask from a factory, with celery and migrations": (
        {
            "shop/__init__.py": "from flask import Flask\ndef create_app(config=None):\n    return Flask(__name__)\n",
            "shop/tasks.py": "queue = Celery()\n",
            "migrations/env.py": "",
        }
        | requirements("flask", "gunicorn", "celery", "flask-migrate", "pytest"),
        Detected(
            kind="flask",
            processes={
                "web": "gunicorn 'shop:create_app()' --bind unix:$SOCKET",
                "worker": "celery -A shop.tasks:queue worker --loglevel INFO",
            },
            tasks=("flask db upgrade",),
            test="pytest",
            server="gunicorn",
        ),
    ),
    "flask without a server": (
        FLASK | requirements("flask", "uvicorn") | {"requirements-dev.txt": "gunicorn\n"},
        Detected(
            kind="flask",
            processes={"web": "gunicorn app:app --bind unix:$SOCKET"},
            health_path="/up",
            advice=("no WSGI server is among the dependencies: add one, for example with: uv add gunicorn",),
        ),
    ),
    "fastapi": (
        FASTAPI | pyproject("fastapi[standard]>=0.115") | {"alembic.ini": ""},
        Detected(
            kind="fastapi",
            processes={"web": "uvicorn main:web --uds $SOCKET --forwarded-allow-ips '*'"},
            tasks=("alembic upgrade head",),
            health_path="/healthz",
            server="uvicorn",
        ),
    ),
    "fastapi from a factory without a server": (
        {"api.py": "def create_app():\n    return FastAPI()\n"} | requirements("fastapi"),
        Detected(
            kind="fastapi",
            processes={"web": "uvicorn api:create_app --uds $SOCKET --forwarded-allow-ips '*' --factory"},
            advice=("no ASGI server is among the dependencies: add one, for example with: uv add uvicorn",),
        ),
    ),
    "starlette below src": (
        STARLETTE | pyproject("starlette", "hypercorn"),
        Detected(
            kind="starlette",
            processes={"web": "hypercorn asgi:blog.main:app --bind unix:$SOCKET"},
            env={"PYTHONPATH": "src"},
            health_path="/ping/",
            server="hypercorn",
        ),
    ),
    "starlette in a package that is installed": (
        STARLETTE | pyproject("starlette", "granian", more='[build-system]\nrequires = ["hatchling"]\n'),
        Detected(
            kind="starlette",
            processes={"web": "granian blog.main:app --interface asgi --uds $SOCKET"},
            health_path="/ping/",
            server="granian",
        ),
    ),
    "wsgi": (
        {"wsgi.py": "from site_ import application\n"} | requirements("hypercorn"),
        Detected(
            kind="wsgi", processes={"web": "hypercorn wsgi:wsgi:application --bind unix:$SOCKET"}, server="hypercorn"
        ),
    ),
    "asgi": (
        {"server.py": "async def app(scope, receive, send): ...\n"} | requirements("uvicorn"),
        Detected(
            kind="asgi",
            processes={"web": "uvicorn server:app --uds $SOCKET --forwarded-allow-ips '*'"},
            server="uvicorn",
        ),
    ),
    "procfile": (
        DJANGO | {"Procfile": 'release: make "it"\nweb: a \\ b\nbeat: celery -A x beat\ncron: it\'s "x"\n'},
        Detected(
            kind="procfile",
            processes={"web": "a \\ b", "beat": "celery -A x beat", "cron": 'it\'s "x"'},
            singletons=("beat",),
            tasks=('make "it"',),
            health_path="/health/",
        ),
    ),
    "procfile without web": (
        {"Procfile": "worker: x\n"},
        Detected(
            kind="procfile",
            processes={"worker": "x"},
            advice=("the Procfile has no web process: write one into [processes.web]",),
        ),
    ),
    "nothing": (
        {"README.md": "hello"},
        Detected(
            kind="nothing",
            advice=("no web app was found here: write the command that serves yours into [processes.web]",),
        ),
    ),
}  # fmt: skip


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(("files", "detected"), KINDS.values(), ids=KINDS)
def test_an_app_is_recognised_by_its_files(files: dict[str, str], detected: Detected, tmp_path: Path) -> None:
    assert detect(write(tmp_path, files)) == detected


@pytest.mark.parametrize("detected", [detected for _, detected in KINDS.values()], ids=KINDS)
def test_what_is_written_is_accepted_and_runs_what_was_detected(detected: Detected) -> None:
    config = parse({"pawl.toml": render(detected, app="shop")}, folder="elsewhere")
    assert config.app == "shop"
    assert {name: process.command for name, process in config.processes.items()} | detected.processes == {
        "web": config.web.command,
        **detected.processes,
    }
    assert tuple(name for name, process in config.processes.items() if process.singleton) == detected.singletons
    assert (config.release.tasks, config.env) == (detected.tasks, detected.env)
    assert config.web.health.path == detected.health_path


@pytest.mark.parametrize("detected", [detected for _, detected in KINDS.values()], ids=KINDS)
def test_what_is_written_is_accepted_with_every_setting_taken_out_of_its_comment(detected: Detected) -> None:
    text = re.sub(r"^#(?=\S)", "", render(detected, app="shop"), flags=re.MULTILINE)
    config = parse({"pawl.toml": text}, folder="elsewhere")
    assert (config.secrets, config.domains.names) == (("SECRET_KEY",), ("shop.example.com",))
    assert list(config.targets) == ["production"]


def test_every_key_is_in_what_is_written() -> None:
    text = render(Detected(kind="nothing"), app="shop")
    written = set(re.findall(r"^#?\[*([\w.]+)", text, re.MULTILINE)) | {"env", "health"}
    last = {name.rpartition(".")[2] for name in written}
    fields = [
        name
        for table in (AppConfig, Build, ReleaseTasks, Process, Health, Observe, Domains, Target)
        for name in table.__struct_fields__
    ]
    assert set(fields) - last == {"processes", "targets"}  # these two are seen in the names of other tables only
    assert {"processes.web", "targets.production"} <= written


def test_settings_in_comments_show_the_defaults_where_there_are_any() -> None:
    text = re.sub(r"^#(?=\S)", "", render(Detected(kind="nothing"), app="shop"), flags=re.MULTILINE)
    written = tomllib.loads(text)
    for table, values in (
        (Build(), written["build"]),
        (ReleaseTasks(), written["release"]),
        (Process(command=""), written["processes"]["web"]),
        (Health(), written["processes"]["web"]["health"]),
        (Observe(), written["observe"]),
    ):
        timed = {key: value for key, value in values.items() if key.endswith("_s")}
        assert timed == {key: getattr(table, key) for key in timed}


def test_an_app_of_which_nothing_is_known_fails_with_what_to_do() -> None:
    command = parse({"pawl.toml": render(Detected(kind="nothing"), app="shop")}, folder="x").web.command
    assert command.endswith("exit 1")


@pytest.mark.parametrize(
    "command",
    [
        "plain",
        "it's",
        'say "hi"',
        "a\\b",
        "'\"\\",
        "tab\there",
        "line\nbreak",
        "\x7f\x1b",
        "ünïcödé \u2028",
        "$(x) # y",
    ],
    ids=repr,
)
def test_any_command_survives_being_written(command: str) -> None:
    detected = Detected(kind="procfile", processes={"web": command, "w": command}, tasks=(command,))
    config = parse({"pawl.toml": render(detected, app="shop")}, folder="x")
    assert (config.web.command, config.processes["w"].command, config.release.tasks) == (command, command, (command,))


def test_the_project_of_an_old_manage_py_is_found_too(tmp_path: Path) -> None:
    files = DJANGO | {"manage.py": "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n"}
    assert "shop.wsgi" in detect(write(tmp_path, files)).processes["web"]


def test_a_health_path_that_an_include_adds_without_a_prefix_is_seen(tmp_path: Path) -> None:
    files = DJANGO | {
        "shop/urls.py": 'urlpatterns = [path("", include("cart.urls")), path("in/", include("hidden.urls"))]',
        "cart/urls.py": 'urlpatterns = [path("", include("shop.urls")), re_path(r"^livez/$", z)]',
        "hidden/urls.py": 'urlpatterns = [path("healthz", z)]',
    }
    assert detect(write(tmp_path, files)).health_path == "/livez/"


def test_a_health_route_under_a_prefix_is_not_guessed(tmp_path: Path) -> None:
    files = FASTAPI | {"main.py": 'app = FastAPI()\nr = APIRouter(prefix="/v1")\n@r.get("/healthz")\ndef h(): ...\n'}
    assert detect(write(tmp_path, files)).health_path is None


@pytest.mark.parametrize(
    "files",
    [
        {"app.py": "app = Flask("},
        {"app.py": "app = Flask(__name__)\0"},
        {"app.py": "x = " + "(" * 5000 + ")" * 5000},
        {"pyproject.toml": "[[["},
        {"pyproject.toml": "project = 3\n[tool]\npoetry = []"},
        {"pyproject.toml": "[project]\ndependencies = 'flask'"},
        {"uv.lock": "package = [1, {}, {name = 3}]"},
        {"manage.py/x": "", "Procfile/x": "", "requirements.txt/x": ""},
        {"tests/app.py": FLASK["app.py"], ".venv/app.py": FLASK["app.py"], "a/b/c/d/app.py": FLASK["app.py"]},
        {"my-app/app.py": FLASK["app.py"]},
        {"manage.py": "print('no django here')"},
    ],
    ids=lambda files: str(next(iter(files.items())))[:40],
)
def test_files_that_cannot_be_read_or_are_not_the_apps_are_passed_over(files: dict[str, str], tmp_path: Path) -> None:
    assert detect(write(tmp_path, files)).kind == "nothing"


def test_a_file_that_is_not_utf_8_or_warns_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_bytes(b"# caf\xe9\nx = '\\d' is 3\napp = Flask(__name__)\n")
    assert detect(tmp_path).kind == "flask"


def test_nothing_of_the_app_is_run(tmp_path: Path) -> None:
    files = {"app.py": "raise SystemExit\napp = Flask(__name__)\n", "flask.py": "raise SystemExit\n"}
    assert detect(write(tmp_path, files)).kind == "flask"


def test_celery_of_which_no_app_is_seen_is_advised(tmp_path: Path) -> None:
    detected = detect(write(tmp_path, FLASK | requirements("gunicorn", "celery")))
    assert list(detected.processes) == ["web"]
    assert detected.advice == ("celery is among the dependencies but no Celery(...) was found: add [processes.worker]",)


def test_a_wrong_procfile_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Procfile:1: 'web gunicorn' is not 'name: command'"):
        detect(write(tmp_path, {"Procfile": "web gunicorn"}))


@pytest.mark.parametrize(
    "needs",
    [
        {"Pipfile": '[packages]\ngunicorn = "*"\n'},
        {"pyproject.toml": '[tool.poetry.dependencies]\ngunicorn = "^23"\n'},
        {"requirements/prod.txt": "gunicorn[gevent] ; python_version > '3'\n"},
        {"requirements.txt": "\ufeffgunicorn @ https://example.com/gunicorn.whl\n"},
        {"poetry.lock": '[[package]]\nname = "gunicorn"\n'},
        {"pylock.toml": '[[packages]]\nname = "gunicorn"\n'},
    ],
    ids=lambda needs: str(*needs),
)
def test_a_server_is_found_wherever_dependencies_are_written(needs: dict[str, str], tmp_path: Path) -> None:
    assert detect(write(tmp_path, FLASK | needs)).server == "gunicorn"


@pytest.mark.parametrize("name", ["gunicorn-extra", "https://gunicorn", "git+https://x/gunicorn", "-e gunicorn"])
def test_what_only_looks_like_a_server_is_none(name: str, tmp_path: Path) -> None:
    assert detect(write(tmp_path, FLASK | {"requirements.txt": name})).server is None
