"""One release at a time: web and workers go live together or not at all, and singletons never run twice."""

from __future__ import annotations

import itertools
import os

import pytest

from tests.e2e.e2e_rig import App
from tests.support import eventually

QUICK = "health.uptime_s = 0.2\n"
WORKER = '[processes.worker]\ncommand = "python worker.py"\ninstances = 2\n' + QUICK
BEAT = '[processes.beat]\ncommand = "python worker.py"\nsingleton = true\n' + QUICK
BROKEN = '[processes.worker]\ncommand = "python worker.py --broken"\n'


def runs(app: App, name: str) -> list[tuple[float, float, str]]:
    """When each instance of one place began and ended (infinity: it runs), and of which release it was."""
    began: dict[str, tuple[float, str]] = {}
    found: dict[str, tuple[float, float, str]] = {}
    for at, place, release, pid, what in app.journal():
        if place == name and what == "began":
            began[pid] = (float(at), release)
            found[pid] = (float(at), float("inf"), release)
        elif place == name and what == "ended":
            found[pid] = (began[pid][0], float(at), release)
    return sorted(found.values())


def assert_begins(app: App, name: str, number: int) -> None:
    """Wait until the instance of a place that is the last of so many has written down that it runs.

    One that is told to end before that, on a busy machine, leaves no trace.
    """
    eventually(lambda: len(runs(app, name)) == number)


def assert_never_two_at_once(spans: list[tuple[float, float, str]]) -> None:
    for (_, ended, _), (began, _, _) in itertools.pairwise(spans):
        assert ended < began, spans


def test_a_worker_that_does_not_come_up_keeps_the_new_web_from_going_live(app: App) -> None:
    first = app.configure(more=WORKER)
    app.deploy()
    web, workers = app.pids(), app.pids("worker")
    app.configure(more=BROKEN, VERSION="2")
    with app.load():
        done = app.deploy(status=1)
    assert "is not healthy on 'worker.1': it exited with 4" in done.stderr
    assert "  | cannot reach the broker" in done.stderr
    assert app.get() == (200, "hello 1")
    assert app.pawl.live(app.name) == first
    assert (app.pids(), app.pids("worker")) == (web, workers)
    assert [item["role"] for item in app.pawl.instances(app.name, "web", "trial")] == []


def test_of_the_first_deploy_nothing_is_left_when_its_worker_does_not_come_up(app: App) -> None:
    app.configure(more=BROKEN)
    app.deploy(status=1)
    status = app.pawl.status(app.name)
    assert status["live"] is None
    assert status["processes"] == []
    assert app.get()[0] in (404, 503)


def test_a_web_that_does_not_come_up_leaves_the_old_workers_at_work(app: App) -> None:
    app.configure(more=WORKER + BEAT)
    app.deploy()
    before = app.pids("worker"), app.pids("beat")
    app.configure(more=WORKER + BEAT, HEALTH="bad")
    app.deploy(status=1)
    assert (app.pids("worker"), app.pids("beat")) == before
    assert all(release == app.pawl.status(app.name)["live"]["release"] for _, _, release in runs(app, "beat.1"))


def test_a_singleton_never_runs_twice_over_deploys_rollbacks_and_restarts(app: App) -> None:
    app.configure(more=BEAT)
    app.deploy()
    assert_begins(app, "beat.1", 1)
    app.configure(more=BEAT + '[env]\nTASK_S = "0.4"\n', VERSION="2")
    app.deploy()
    assert_begins(app, "beat.1", 2)
    app.configure(more=BEAT, VERSION="3")
    app.deploy()
    assert_begins(app, "beat.1", 3)
    for number, command in enumerate((["rollback", app.name], ["restart", app.name], ["env", "set", app.name, "A=1"])):
        app.pawl.ok(*command)
        assert_begins(app, "beat.1", 4 + number)
    spans = runs(app, "beat.1")
    assert_never_two_at_once(spans)
    assert spans[-1][1] == float("inf")
    assert len(app.pids("beat")) == 1


def test_a_singleton_that_does_not_come_up_gives_its_place_back(app: App) -> None:
    first = app.configure(more=BEAT)
    app.deploy()
    assert_begins(app, "beat.1", 1)
    app.configure(more=BEAT.replace("worker.py", "worker.py --broken").replace(QUICK, ""), VERSION="2")
    done = app.deploy(status=1)
    assert "'beat.1'" in done.stderr
    assert eventually(lambda: app.pids("beat"))
    spans = runs(app, "beat.1")
    assert {release for _, _, release in spans} == {first[:12]}
    assert_never_two_at_once(spans)
    assert app.get() == (200, "hello 1")


def test_workers_are_told_at_the_switch_and_finish_what_they_are_at(app: App) -> None:
    # Long enough for a worker to have written down that it runs before it counts as ready.
    more = WORKER.replace(QUICK, "health.uptime_s = 2\n") + '[env]\nTASK_S = "1"\n'
    first = app.configure(more=more)
    app.deploy()
    second = app.configure(more=more, VERSION="2")
    app.deploy()
    rows = [row for row in app.journal() if row[2] == first[:12]]
    stopping = {row[3]: float(row[0]) for row in rows if row[4] == "stopping"}
    ended = {row[3]: float(row[0]) for row in rows if row[4] == "ended"}
    assert len(stopping) == len(ended) == 2
    assert all(ended[pid] - stopping[pid] >= 1 for pid in stopping)
    new = [float(row[0]) for row in app.journal() if row[2] == second[:12] and row[4] == "began"]
    assert max(new) < min(stopping.values())  # the new ones stood ready before the old were told
    assert app.pids("worker", "ending") == set()


def test_a_worker_that_does_not_stop_is_killed_when_its_time_is_up(app: App) -> None:
    more = WORKER.replace("instances = 2", "stop_timeout_s = 0.5") + '[env]\nTASK_S = "60"\n'
    app.configure(more=more)
    app.deploy()
    (old,) = app.pids("worker")
    app.configure(more=more, VERSION="2")
    app.deploy()
    assert eventually(lambda: not os.path.exists(f"/proc/{old}"))
    assert app.pids("worker") != {old}


def test_a_process_type_that_is_no_longer_there_is_ended(app: App) -> None:
    app.configure(more=WORKER + BEAT)
    app.deploy()
    old = app.pids("worker") | app.pids("beat")
    app.configure(VERSION="2")
    app.deploy()
    assert eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in old))
    assert [process["type"] for process in app.pawl.status(app.name)["processes"]] == ["web"]


def test_going_back_brings_the_old_workers_back_and_ends_the_new(app: App) -> None:
    first = app.configure(more=WORKER + BEAT)
    app.deploy()
    app.configure(more=WORKER + BEAT, VERSION="2")
    app.deploy()
    app.pawl.ok("rollback", app.name)
    for kind, count in (("worker", 2), ("beat", 1)):
        found = eventually(lambda kind=kind, count=count: _running(app, kind, count))  # type: ignore[misc]
        assert {item["release"] for item in found} == {first[:12]}


def _running(app: App, kind: str, count: int) -> list[dict[str, object]]:
    found = [item for item in app.pawl.instances(app.name, kind) if item["state"] == "running"]
    return found if len(found) == count else []


@pytest.mark.parametrize("kind", ["worker", "beat"])
def test_a_worker_or_singleton_that_is_killed_comes_back(app: App, kind: str) -> None:
    app.configure(more=WORKER + BEAT)
    app.deploy()
    victim = min(app.pids(kind))
    os.kill(victim, 9)
    count = 2 if kind == "worker" else 1
    eventually(lambda: victim not in {item["pid"] for item in _running(app, kind, count)})
    found = eventually(lambda: _running(app, kind, count))
    assert sum(int(str(item["restarts"])) for item in found) == 1
