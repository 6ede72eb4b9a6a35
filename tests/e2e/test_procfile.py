"""A repository that knows nothing of Pawl: a Procfile is enough."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.e2e_rig import App, error_lines
from tests.support import HELLO, Pawl, Repository, eventually, repository

PROCFILE = """\
# what runs
web: python app.py
worker: python worker.py
clock: python worker.py --clock

release: echo released $PAWL_RELEASE >> $PAWL_DATA/releases
"""


def without_toml(path: Path, procfile: str = PROCFILE) -> Repository:
    repo = repository(path, HELLO)
    (repo.path / "pawl.toml").unlink()
    repo.commit("Only a Procfile", Procfile=procfile)
    return repo


def test_the_app_is_named_after_its_folder_and_every_line_is_a_process_type(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "My Shop_2")
    machine.ok("deploy", repo.path)
    status = machine.status("my-shop-2")
    assert [process["type"] for process in status["processes"]] == ["web", "worker", "clock"]
    assert machine.get("/", "my-shop-2") == (200, "hello 1")
    assert machine.get("/env?PAWL_APP", "my-shop-2")[1] == "PAWL_APP=my-shop-2"


def test_the_release_line_is_the_release_task(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "tasked")
    machine.ok("deploy", repo.path)
    second = repo.commit("Say two", VERSION="2")
    machine.ok("deploy", repo.path)
    noted = (machine.home.data("tasked") / "releases").read_text().split()
    assert noted[1::2][-1] == second[:12]
    assert len(noted) == 4
    assert "release" not in [process["type"] for process in machine.status("tasked")["processes"]]


def test_a_failing_release_line_keeps_the_old_release(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "untasked")
    machine.ok("deploy", repo.path)
    repo.commit("Break the release", VERSION="2", Procfile="web: python app.py\nrelease: echo no database; false\n")
    failed = machine.run("deploy", repo.path)
    assert failed.returncode == 1
    assert "no database" in failed.stderr
    assert machine.get("/", "untasked") == (200, "hello 1")


def test_a_pawl_toml_without_processes_takes_them_from_the_procfile(app: App) -> None:
    app.repo.commit("Both", pawl__toml=f'app = "{app.name}"\n[env]\nCOLOUR = "green"\n', Procfile=PROCFILE)
    app.deploy()
    assert app.get("/env?COLOUR") == (200, "COLOUR=green")
    assert eventually(lambda: app.pids("clock"))


def test_a_procfile_without_web_is_refused(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "webless", "worker: python worker.py\n")
    done = machine.run("deploy", repo.path)
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        "error: Procfile: no web process",
        "  next: add a line like web: gunicorn app:app",
    ]


def test_a_line_that_cannot_be_read_is_named_with_its_number(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "odd", "web: python app.py\npython worker.py\n")
    done = machine.run("deploy", repo.path)
    assert done.returncode == 2
    assert error_lines(done.stderr)[0].startswith("error: Procfile:2: ")


def test_git_push_deploys_it_too(machine: Pawl, place: Path) -> None:
    repo = without_toml(place / "Pushed")
    machine.ok("init", repo.path)
    repo.git("push", "pawl", "main")
    assert machine.get("/", "pushed") == (200, "hello 1")
