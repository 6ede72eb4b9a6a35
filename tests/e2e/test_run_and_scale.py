"""One-off commands in the live release, the number of instances, restarts and removal."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.e2e.e2e_rig import App, error_lines, sibling
from tests.support import eventually, interrupt, is_running

WORKER = '[processes.worker]\ncommand = "python worker.py"\nhealth.uptime_s = 0.2\n'
BEAT = '[processes.beat]\ncommand = "python worker.py"\nsingleton = true\nhealth.uptime_s = 0.2\n'


def test_the_exit_status_of_a_command_is_passed_on(app: App) -> None:
    app.deploy()
    script = "import sys; sys.exit(3)"
    for words, status in [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["python", "-c", script], 3)]:
        assert app.pawl.run("run", app.name, "--", *words).returncode == status
        assert app.pawl.run("run", app.name, *words).returncode == status


def test_a_command_runs_in_the_release_with_the_settings_of_production(app: App) -> None:
    app.pawl.ok("secrets", "set", app.name, "API_KEY", stdin="s3cret-value")
    commit = app.configure(more='[env]\nCOLOUR = "green"\n')
    app.deploy()
    app.say("2")  # committed, not live
    script = 'echo "$COLOUR $API_KEY $PAWL_APP $PAWL_RELEASE $PAWL_DATA"; cat VERSION; command -v python'
    first, *rest = app.pawl.ok("run", app.name, "--", "sh", "-c", script).splitlines()
    assert first == f"green s3cret-value {app.name} {commit[:12]} {app.pawl.home.data(app.name)}"
    assert rest[0] == "1"
    assert rest[1].startswith(str(app.pawl.home.envs))


def test_stdin_and_output_pass_through(app: App) -> None:
    app.deploy()
    done = app.pawl.run("run", app.name, "--", "sh", "-c", "cat; echo aside >&2", stdin="from outside\n")
    assert (done.stdout, done.stderr) == ("from outside\n", "aside\n")


def test_options_after_the_command_are_the_commands(app: App) -> None:
    app.deploy()
    assert app.pawl.ok("run", app.name, "echo", "--help", "-x", "a b", "--").strip() == "--help -x a b --"


def test_ctrl_c_reaches_the_command(app: App) -> None:
    app.deploy()
    script = (
        "import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(9)); print('up'); time.sleep(60)"
    )
    running = app.pawl.spawn("run", app.name, "--", "python", "-u", "-c", script)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    assert interrupt(running)[0] == 9


def test_a_command_that_is_not_there_is_told(app: App) -> None:
    app.deploy()
    done = app.pawl.run("run", app.name, "--", "no-such-command")
    assert done.returncode == 127
    assert "'no-such-command' is not found in release" in error_lines(done.stderr)[0]


def test_an_app_that_is_not_live_runs_nothing(app: App) -> None:
    app.pawl.ok("env", "set", app.name, "A=1")
    for words in (["run", app.name, "--", "true"], ["restart", app.name], ["scale", app.name, "web=2"]):
        done = app.pawl.run(*words)
        assert done.returncode == 2
        assert "is not live" in done.stderr


def test_restart_replaces_every_instance_by_one_of_the_same_release(app: App) -> None:
    commit = app.configure(web="instances = 2", more=WORKER)
    app.deploy()
    before = app.pids() | app.pids("worker")
    assert "is live" in app.pawl.ok("restart", app.name)
    assert (app.pids() | app.pids("worker")).isdisjoint(before)
    assert app.pawl.live(app.name) == commit


def test_scaling_up_and_down_takes_effect_at_once_and_outlives_a_deploy(app: App) -> None:
    app.configure(more=WORKER)
    app.deploy()
    with app.load():
        assert app.pawl.ok("scale", app.name, "web=3", "worker=2").strip() == f"{app.name}: web=3, worker=2"
        assert (len(app.pids()), len(app.pids("worker"))) == (3, 2)
        app.configure(more=WORKER, VERSION="2")
        app.deploy()
        assert (len(app.pids()), len(app.pids("worker"))) == (3, 2)
        app.pawl.ok("scale", app.name, "web=1")
        assert eventually(lambda: len(app.pids()) == 1)
    assert len(app.pids("worker")) == 2
    assert {app.get("/pid")[1] for _ in range(5)} == {str(min(app.pids()))}


def test_requests_are_shared_among_the_instances(app: App) -> None:
    app.deploy()
    app.pawl.ok("scale", app.name, "web=2")
    assert {int(app.get("/pid")[1]) for _ in range(40)} == app.pids()


def test_scaling_to_0_ends_a_type_and_back_starts_it(app: App) -> None:
    app.configure(more=WORKER)
    app.deploy()
    (worker,) = app.pids("worker")
    app.pawl.ok("scale", app.name, "worker=0")
    assert eventually(lambda: not is_running(worker))
    app.say("2")
    app.deploy()
    assert app.pids("worker") == set()
    app.pawl.ok("scale", app.name, "worker=1")
    assert len(app.pids("worker")) == 1


def test_an_app_scaled_to_0_web_instances_says_so_at_once(app: App) -> None:
    app.deploy()
    app.pawl.ok("scale", app.name, "web=0")
    eventually(lambda: app.pids() == set())
    began = time.monotonic()
    status, body = app.get()
    assert (status, body) == (503, "503: no instance of this app is running\n")
    assert time.monotonic() - began < 2
    app.pawl.ok("scale", app.name, "web=1")
    assert app.get() == (200, "hello 1")


def test_a_singleton_can_be_ended_and_started_and_no_more(app: App) -> None:
    app.configure(more=BEAT)
    app.deploy()
    (beat,) = app.pids("beat")
    done = app.pawl.run("scale", app.name, "beat=2")
    assert done.returncode == 2
    assert "it never runs twice at once" in done.stderr
    app.pawl.ok("scale", app.name, "beat=0")
    assert eventually(lambda: not is_running(beat))
    app.pawl.ok("scale", app.name, "beat=1")
    assert len(app.pids("beat")) == 1


def test_a_scale_that_cannot_be_changes_nothing(app: App) -> None:
    app.deploy()
    for word in ["wbe=2", "web=-1", "web=101", "web=two", "web", "web=", "=2", "web=1e3", "../x=1"]:
        done = app.pawl.run("scale", app.name, "web=2", word)
        assert done.returncode == 2
        assert len(error_lines(done.stderr)) <= 3
        assert len(app.pids()) == 1


def test_a_new_instance_that_does_not_come_up_is_told(app: App) -> None:
    app.configure(
        command="test $PAWL_PROCESS = web.1 && exec python app.py --socket $SOCKET",
        health='path = "/healthz"\nstart_timeout_s = 2',
    )
    app.deploy()
    done = app.pawl.run("scale", app.name, "web=2")
    assert done.returncode == 1
    assert "web.2" in done.stderr
    assert app.get() == (200, "hello 1")


def test_a_new_instance_that_cannot_be_started_is_told_and_comes_when_it_can(app: App) -> None:
    commit = app.configure(health='path = "/healthz"\nstart_timeout_s = 1')
    app.deploy()
    source = app.pawl.home.releases(app.name) / commit[:12] / "app"
    source.rename(source.with_name("away"))
    done = app.pawl.run("scale", app.name, "web=3")
    source.with_name("away").rename(source)
    assert done.returncode == 1
    what, why, next_step = error_lines(done.stderr)
    assert what == "error: not healthy after 1 s: web.2, web.3"
    assert why.startswith("  why: web.2 could not be started (No such file or directory: ")
    assert why.endswith("; Pawl goes on trying")
    assert next_step == f"  see: pawl logs {app.name}"
    assert eventually(lambda: len(app.pids() - {None}) == 3)
    assert app.pawl.ok("scale", app.name, "web=3").strip() == f"{app.name}: web=3"


def test_removing_an_app_leaves_the_one_whose_name_begins_the_same(app: App) -> None:
    other = sibling(app, f"{app.name}2")
    for one in (app, other):
        one.pawl.ok("init", one.repo.path)
        one.pawl.ok("secrets", "set", one.name, "API_KEY", stdin=f"secret-of-{one.name}")
        one.deploy()
    before = other.pids()
    (mine,) = app.pids()
    (app.pawl.home.data(app.name) / "kept").touch()
    answer = app.pawl.ok("remove", app.name, "--yes")
    assert str(app.pawl.home.data(app.name)) in answer
    assert not is_running(mine)
    assert app.get()[0] == 404
    assert (app.pawl.home.data(app.name) / "kept").exists()
    assert app.pawl.run("status", app.name).returncode == 2
    assert not [path for path in app.pawl.home.app(app.name).iterdir() if path.name != "data"]
    assert other.get("/env?API_KEY") == (200, f"API_KEY=secret-of-{other.name}")
    assert other.pids() == before
    other.say("2")
    other.deploy()
    other.pawl.ok("rollback", other.name)
    assert other.get() == (200, "hello 1")


def test_a_removed_app_starts_afresh_with_its_data(app: App) -> None:
    app.pawl.ok("env", "set", app.name, "COLOUR=green")
    app.deploy()
    app.pawl.ok("scale", app.name, "web=2")
    (app.pawl.home.data(app.name) / "kept").touch()
    app.pawl.ok("remove", app.name, "--yes")
    app.deploy()
    assert app.get("/env?COLOUR") == (200, "COLOUR=None")
    assert len(app.pids()) == 1
    assert (app.pawl.home.data(app.name) / "kept").exists()
    assert app.pawl.run("rollback", app.name).returncode == 2


def test_a_leaking_instance_is_replaced_before_it_ends(app: App) -> None:
    app.configure(web='memory = "60MB"')
    app.deploy()
    (old,) = app.pids()
    with app.load():
        app.get("/grow?mb=80")
        assert eventually(lambda: app.pids() - {old, None} and not is_running(old), within_s=40)


def test_pawl_runs_as_a_program_too(app: App) -> None:
    """The installed script, not only the module."""
    script = os.path.join(os.path.dirname(sys.executable), "pawl")
    done = subprocess.run([script, "status", "--json"], env=app.pawl.environ(), capture_output=True, text=True)
    assert done.returncode == 0
