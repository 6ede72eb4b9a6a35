"""What programs read: the objects of ``--json`` and the lines of ``deploy --json``."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.e2e_rig import ISO_UTC, App

STAGES = ["fetched", "built", "tested", "tasks done", "started", "healthy", "switched", "drained", "observed"]


def times(value: Any, name: str = "") -> dict[str, str]:
    """Every value under a name that speaks of a moment, by path."""
    if isinstance(value, dict):
        return {path: at for key, item in value.items() for path, at in times(item, f"{name}.{key}").items()}
    if isinstance(value, list):
        return {path: at for number, item in enumerate(value) for path, at in times(item, f"{name}.{number}").items()}
    last = name.rpartition(".")[2]
    return {name: value} if value is not None and (last in ("at", "since") or last.endswith("_at")) else {}


def test_status_has_the_promised_shape(app: App) -> None:
    commit = app.configure(more='[processes.worker]\ncommand = "python worker.py"\n')
    app.deploy()
    answer = app.pawl.json("status", app.name)
    assert list(answer) == ["ledger", "apps"]
    (status,) = answer["apps"]
    assert status["app"] == app.name
    assert status["url"] == f"http://{app.name}.localhost:{app.pawl.port}/"
    assert status["live"].keys() >= {"release", "commit", "since"}
    assert status["live"]["release"] == commit[:12]
    assert status["live"]["commit"] == commit
    assert [process["type"] for process in status["processes"]] == ["web", "worker"]
    for process in status["processes"]:
        (instance,) = process["instances"]
        assert instance.keys() >= {"pid", "state", "release", "rss_bytes", "restarts", "since"}
        assert isinstance(instance["pid"], int)
        assert instance["state"] == "running"
        assert instance["release"] == commit[:12]
        assert instance["rss_bytes"] > 1_000_000
        assert instance["restarts"] == 0


def test_status_of_all_apps_has_each_app_once(app: App) -> None:
    app.deploy()
    names = [item["app"] for item in app.pawl.json("status")["apps"]]
    assert app.name in names
    assert len(names) == len(set(names))


def test_an_app_that_is_not_live_has_null_for_what_is_live(app: App) -> None:
    app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    assert app.pawl.status(app.name)["live"] is None


def test_what_serves_comes_before_what_is_kept_warm(app: App) -> None:
    app.deploy()
    second = app.say("2")
    app.deploy()
    (web,) = app.pawl.status(app.name)["processes"]
    assert [item["role"] for item in web["instances"]] == ["live", "warm"]
    assert web["instances"][0]["release"] == second[:12]


def test_a_reading_command_prints_one_object_with_times_in_utc(app: App) -> None:
    app.deploy()
    app.say("2")
    app.deploy()
    for words in [
        "up",
        "status",
        "ps",
        "apps",
        "releases APP",
        "deploys APP",
        "env list APP",
        "secrets list APP",
        "doctor",
    ]:
        done = app.pawl.run(*words.replace("APP", app.name).split(), "--json")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 1
        answer = json.loads(done.stdout)
        assert isinstance(answer, dict)
        for path, at in times(answer).items():
            assert ISO_UTC.fullmatch(at), (path, at)


def test_releases_and_deploys_say_what_became_of_them(app: App) -> None:
    app.deploy()
    second = app.say("2")
    app.deploy()
    app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    releases = app.pawl.json("releases", app.name)
    assert releases["app"] == app.name
    live = [item for item in releases["releases"] if item["is_live"]]
    assert [item["release"] for item in live] == [second[:12]]
    assert live[0]["commit"]["title"] == "Say 2"
    deploys = app.pawl.json("deploys", app.name)["deploys"]
    assert [item["outcome"] for item in deploys] == ["failed", "kept", "kept"]
    assert deploys[0]["failed_stage"] == "healthy"
    assert "503" in deploys[0]["reason"]
    assert deploys[1]["duration_s"] > 0
    assert app.pawl.json("deploys", app.name, "--limit", "1")["deploys"] == deploys[:1]


def test_ps_lists_every_instance_with_its_app_and_type(app: App) -> None:
    app.deploy()
    rows = [row for row in app.pawl.json("ps")["instances"] if row["app"] == app.name]
    assert [(row["type"], row["name"], row["pid"]) for row in rows] == [("web", "web.1", min(app.pids()))]
    assert app.pawl.json("ps", app.name)["instances"][0].keys() == rows[0].keys()


def test_deploy_prints_json_lines_that_end_in_the_outcome(app: App) -> None:
    done = app.deploy("--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "queued"
    assert [line["stage"] for line in lines if line["event"] == "stage"] == STAGES
    outcome = lines[-1]
    assert outcome["event"] == "outcome"
    assert outcome["outcome"] == "kept"
    assert outcome["deploy"] == lines[0]["deploy"]
    assert outcome["live"] == app.pawl.status(app.name)["live"]["release"]
    assert [stage["stage"] for stage in outcome["stages"]] == STAGES
    assert all(stage.keys() == {"stage", "duration_s"} for stage in outcome["stages"])
    assert sum(stage["duration_s"] for stage in outcome["stages"]) <= outcome["duration_s"]
    assert all(ISO_UTC.fullmatch(line["at"]) for line in lines)


def test_a_failed_deploy_ends_in_its_outcome_too(app: App) -> None:
    first = app.configure()
    app.deploy()
    app.repo.commit("Break it", HEALTH="bad")
    done = app.deploy("--json", status=1)
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["outcome"] == "failed"
    assert outcome["live"] == first[:12]
    assert outcome["failed_stage"] == "healthy"


@pytest.mark.parametrize("words", ["rollback", "restart"])
def test_going_back_and_restarting_end_in_the_same_line(app: App, words: str) -> None:
    app.deploy()
    app.say("2")
    app.deploy()
    lines = app.pawl.ok(words, app.name, "--json").splitlines()
    outcome = json.loads(lines[-1])
    assert outcome["event"] == "outcome"
    assert outcome["outcome"] == "kept"
    assert outcome.keys() >= {"deploy", "live", "duration_s", "stages"}


def test_logs_are_json_lines(app: App) -> None:
    app.deploy()
    line = json.loads(app.pawl.ok("logs", app.name, "--json").splitlines()[0])
    assert line["name"] == "web.1"
    assert line["text"] == "version 1 listens"
    assert ISO_UTC.fullmatch(line["at"])
