"""What an instance is told, and where it listens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.e2e_rig import App
from tests.support import Pawl

# A server that is told where to listen by its own environment variable only, like the real ones.
GUNICORN = """\
import os, runpy, shlex, sys
words = shlex.split(os.environ["GUNICORN_CMD_ARGS"])
bind = words[words.index("--bind") + 1]
os.environ.pop("SOCKET", None)
os.environ.pop("PORT", None)
if bind.startswith("unix:"):
    os.environ["SOCKET"] = bind.removeprefix("unix:")
else:
    os.environ["PORT"] = bind.rpartition(":")[2]
sys.argv = ["app.py"]
runpy.run_path("app.py", run_name="__main__")
"""


def told(app: App, *names: str) -> dict[str, str]:
    lines = app.get("/env?" + "&".join(names))[1].splitlines()
    return dict(line.split("=", 1) for line in lines)


def listening_beyond_loopback(pawl: Pawl) -> list[str]:
    """Sockets that processes of this home listen on, at an address other machines can reach."""
    inodes = set()
    for pid in [*pawl.processes(), pawl.pid()]:
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()]
    found = [row[1] for row in rows if len(row) > 9 and row[3] == "0A" and row[9] in inodes]
    assert found, "the proxy at least listens"
    loopback = ("0100007F", "00000000000000000000000001000000")
    return [address for address in found if address.partition(":")[0] not in loopback]


def test_an_instance_knows_its_app_release_data_folder_and_place(app: App) -> None:
    commit = app.configure(web="instances = 1")
    app.deploy()
    assert told(app, "PAWL_APP", "PAWL_RELEASE", "PAWL_DATA", "PAWL_PROCESS") == {
        "PAWL_APP": app.name,
        "PAWL_RELEASE": commit[:12],
        "PAWL_DATA": str(app.pawl.home.data(app.name)),
        "PAWL_PROCESS": "web.1",
    }
    assert app.pawl.home.data(app.name).is_dir()


def test_the_data_folder_outlives_releases(app: App) -> None:
    app.deploy()
    (app.pawl.home.data(app.name) / "kept").write_text("yes")
    app.say("2")
    app.deploy()
    assert (app.pawl.home.data(app.name) / "kept").read_text() == "yes"


@pytest.mark.parametrize(
    ("command", "wanted", "other"),
    [
        ("python app.py --socket $SOCKET", "SOCKET", "PORT"),
        ("python app.py --socket ${SOCKET}", "SOCKET", "PORT"),
        ("python app.py --port $PORT", "PORT", "SOCKET"),
        ("python app.py", "PORT", "SOCKET"),
        ("cd . && exec python app.py --port=$PORT", "PORT", "SOCKET"),
    ],
)
def test_an_instance_is_told_a_port_or_a_socket_as_its_command_says(
    app: App, command: str, wanted: str, other: str
) -> None:
    app.configure(command=command)
    app.deploy()
    values = told(app, "PORT", "SOCKET")
    assert values[wanted] != "None"
    assert values[other] == "None"
    assert listening_beyond_loopback(app.pawl) == []


@pytest.mark.parametrize("listen", ["auto", "port"])
def test_gunicorn_without_an_address_is_told_by_its_own_variable(app: App, listen: str) -> None:
    app.repo.commit("A server", gunicorn=GUNICORN)
    app.configure(command="python ./gunicorn app:app", web=f'listen = "{listen}"')
    app.deploy()
    arguments = told(app, "GUNICORN_CMD_ARGS")["GUNICORN_CMD_ARGS"]
    assert arguments.startswith("--bind unix:/" if listen == "auto" else "--bind 127.0.0.1:")
    assert listening_beyond_loopback(app.pawl) == []


def test_what_the_app_says_to_gunicorn_itself_is_kept(app: App) -> None:
    app.repo.commit("A server", gunicorn=GUNICORN)
    app.configure(command="python ./gunicorn app:app", more='[env]\nGUNICORN_CMD_ARGS = "--workers 2"\n')
    app.deploy()
    assert told(app, "GUNICORN_CMD_ARGS")["GUNICORN_CMD_ARGS"].startswith("--workers 2 --bind unix:/")


def test_env_comes_from_pawl_toml_and_env_set_wins(app: App) -> None:
    app.configure(more='[env]\nCOLOUR = "green"\nSIZE = "small = $HOME"\n')
    app.deploy()
    assert told(app, "COLOUR", "SIZE") == {"COLOUR": "green", "SIZE": "small = $HOME"}
    app.pawl.ok("env", "set", app.name, "COLOUR=deep blue", "EMPTY=")
    assert told(app, "COLOUR", "EMPTY") == {"COLOUR": "deep blue", "EMPTY": ""}
    assert app.pawl.ok("env", "list", app.name).splitlines() == ["COLOUR=deep blue", "EMPTY="]
    app.pawl.ok("env", "unset", app.name, "COLOUR")
    assert told(app, "COLOUR") == {"COLOUR": "green"}


def test_names_that_pawl_sets_itself_or_that_are_none_are_refused(app: App) -> None:
    app.deploy()
    for name in ["PORT", "SOCKET", "PAWL_RELEASE", "1A", "A-B", "A B", ""]:
        done = app.pawl.run("env", "set", app.name, f"{name}=1")
        assert done.returncode == 2
        assert app.pawl.json("env", "list", app.name)["env"] == {}


def test_nothing_of_the_shell_that_started_pawld_reaches_an_app(machine: Pawl, app: App) -> None:
    app.deploy()
    assert told(app, "PYTEST_CURRENT_TEST", "PAWL_HOME") == {"PYTEST_CURRENT_TEST": "None", "PAWL_HOME": "None"}
    assert told(app, "PYTHONUNBUFFERED") == {"PYTHONUNBUFFERED": "1"}


def test_an_app_moves_between_port_and_socket_under_load_without_a_failure(app: App) -> None:
    app.configure(command="python app.py --port $PORT", web="instances = 2")
    app.deploy()
    with app.load(rate=100) as tally:
        for number, command in enumerate(["python app.py --socket $SOCKET", "python app.py --port $PORT"], 2):
            app.configure(command=command, VERSION=str(number))
            app.deploy()
            assert app.get() == (200, f"hello {number}")
        app.pawl.ok("rollback", app.name)
        assert app.get() == (200, "hello 2")
    assert len({answer.release for answer in tally.answers}) == 3
