"""A real history, made by hand: what was deployed, failed, gone back from and written down, and the measures of it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from tests.e2e.e2e_rig import App, error_lines

Json = dict[str, Any]


def seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def deploys(app: App) -> dict[str, Json]:
    return {item["deploy"]: item for item in app.pawl.json("deploys", app.name)["deploys"]}


def test_a_history_has_the_measures_that_one_can_work_out_by_hand(app: App) -> None:
    app.deploy()
    app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    app.repo.commit("Mend it", HEALTH="ok")
    app.say("2")
    bad = app.outcome()["deploy"]
    app.pawl.ok("incident", "open", app.name, "Says the wrong number", "--deploy", bad)
    back = json.loads(app.pawl.ok("rollback", app.name, "--json").splitlines()[-1])["deploy"]
    app.say("3")
    fix = app.outcome()["deploy"]
    (incident,) = app.pawl.json("incident", "list", app.name)["incidents"]
    assert incident["deploys"] == [back, fix] or incident["deploys"] == [bad, back, fix]
    app.pawl.ok("incident", "close", incident["incident"], "--fixed-by", fix, "--note", "Say 3")

    answer = app.pawl.json("dora", app.name)
    now, told = answer["now"], deploys(app)
    assert (now["deploys"], now["rollbacks"], now["hotfixes"], now["stopped"]) == (3, 1, 1, 1)
    assert (now["change_fail"]["count"], now["change_fail"]["of"]) == (1, 3)
    assert (now["rework"]["count"], now["rework"]["of"]) == (2, 4)
    recovery_s = seconds(told[fix]["switched_at"]) - seconds(told[bad]["switched_at"])
    assert abs(now["recovery"]["times"]["median_s"] - recovery_s) < 0.01
    (failure,) = answer["failures"]
    assert (failure["deploy"], failure["how"], failure["incidents"]) == (bad, "incident", [incident["incident"]])

    commits = [(commit, item) for item in told.values() if item["outcome"] == "kept" for commit in item["change"]]
    leads = sorted(seconds(item["switched_at"]) - seconds(commit["committed_at"]) for commit, item in commits)
    assert now["lead_time"]["total"]["count"] == len(leads) == now["batches"]["commits_mean"] * 3
    assert abs(now["lead_time"]["total"]["p90_s"] - leads[-1]) <= leads[-1] / 100
    assert (now["frequency"]["deploys"], now["lead_time"]["skewed"]) == (3, 0)
    assert sum(answer["over_time"]["deploys"]["values"]) == 3

    text = app.pawl.ok("dora", app.name)
    assert "3 changes went live" in text
    assert "too few deploys to say" in text
    assert "1 of 3" in text
    assert "not counted as failures: 1 failed before it was live" in text
    assert f"\n{bad}  " in text


def test_an_app_without_a_deploy_that_went_live_says_so(app: App) -> None:
    app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    text = app.pawl.ok("dora", app.name)
    assert text.startswith(f"{app.name}: nothing went live from {datetime.now(UTC):%Y-}")
    assert "not counted as failures: 1 failed before it was live" in text


def test_each_definition_is_explained_with_its_version(app: App) -> None:
    app.deploy()
    text = app.pawl.ok("dora", app.name, "--explain")
    for measure in ("change lead time", "deployment frequency", "change fail rate", "rework rate"):
        assert f"\n{measure} (definition 1)\n" in text


def test_what_cannot_be_measured_is_refused(app: App) -> None:
    app.deploy()
    for words, what in {
        ("none",): "error: no app 'none'",
        (app.name, "--since", "2999-01-01"): "error: the span begins in the future",
        (app.name, "--since", "soon"): "error: 'soon' is not a time",
    }.items():
        done = app.pawl.run("dora", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert error_lines(done.stderr)[0] == what


def test_an_incident_goes_from_open_to_closed(app: App) -> None:
    app.deploy()
    (deploy,) = deploys(app)
    opened = app.pawl.ok("incident", "open", app.name, "A disk\x1b[31m is full", "--external", "--began", "20m")
    incident = opened.split("incident ")[1].split()[0]
    assert "caused by no change" in opened
    for words, what in (
        (("open", app.name, "x" * 2001), "a title has up to 2000 characters"),
        (("open", app.name, "Slow", "--began", "99999d"), "it began at no time that can be"),
    ):
        done = app.pawl.run("incident", *words)
        assert done.returncode == 2
        assert what in error_lines(done.stderr)[0]
    shown = app.pawl.ok("incident", "list", app.name)
    assert "open" in shown
    assert "elsewhere" in shown
    assert "\x1b" not in shown
    closed = app.pawl.json("incident", "close", incident, "--ended", "5m", "--note", "Made room")
    assert abs(closed["duration_s"] - 15 * 60) < 60
    assert abs(seconds(closed["closed_at"]) - time.time()) < 60
    again = app.pawl.run("incident", "close", incident)
    assert (again.returncode, error_lines(again.stderr)[0]) == (2, f"error: incident {incident} is closed already")
    app.pawl.ok("learn", deploy, "Watch the disk")
    assert f"learned from {deploy}: Watch the disk" in app.pawl.ok("deploys", app.name)
    assert "learned: Watch the disk" in app.pawl.ok("observe", deploy)
    assert app.pawl.json("dora", app.name)["now"]["change_fail"]["count"] == 0
