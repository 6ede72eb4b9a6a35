"""One deploy at a time for each app; Ctrl-C leaves it to pawld."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.e2e.e2e_rig import App, sibling
from tests.support import eventually, interrupt

SLOW = '[env]\nBOOT_S = "1.2"\n'


def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    last: dict[str, object] = json.loads(out.splitlines()[-1])
    return last


def spans(app: App) -> list[tuple[str, str]]:
    """When each deploy was under way: from its first stage to its end."""
    found = []
    for deploy in app.pawl.json("deploys", app.name)["deploys"]:
        lines = app.pawl.ok("watch", deploy["deploy"], "--json").splitlines()
        events = [json.loads(line) for line in lines]
        began = next(event["at"] for event in events if event["event"] == "stage began")
        found.append((began, events[-1]["at"]))
    return sorted(found)


def test_two_deploys_of_one_app_are_made_one_after_the_other(app: App) -> None:
    app.configure(more=SLOW)
    app.deploy()
    second = app.say("2")
    first = app.pawl.spawn("deploy", app.repo.path, "--json", "--rev", second)
    eventually(lambda: app.pawl.status(app.name)["deploying"])
    third = app.say("3")
    with app.load():
        later = app.pawl.spawn("deploy", app.repo.path, "--json", "--rev", third)
        assert ended(first)["live"] == second[:12]
        assert ended(later)["live"] == third[:12]
    (_, (_, second_ended), (third_began, _)) = spans(app)
    assert second_ended <= third_began
    newest, *_ = app.pawl.json("deploys", app.name)["deploys"]
    told = [json.loads(line) for line in app.pawl.ok("watch", newest["deploy"], "--json").splitlines()]
    (found,) = [line for line in told if line["event"] == "change"]
    assert (found["previous"], [one["sha"] for one in found["change"]]) == (second[:12], [third])
    shown = app.pawl.run("watch", newest["deploy"]).stderr
    assert f"1 change since {second[:12]}" in shown
    assert app.get() == (200, "hello 3")


def test_deploys_of_different_apps_go_side_by_side(app: App) -> None:
    other = sibling(app, f"{app.name}x")
    for one in (app, other):
        one.configure(more=SLOW)
    running = [one.pawl.spawn("deploy", one.repo.path, "--json") for one in (app, other)]
    for process in running:
        ended(process)
    ((one_began, one_ended),), ((other_began, other_ended),) = spans(app), spans(other)
    assert max(one_began, other_began) < min(one_ended, other_ended)


def test_ctrl_c_leaves_the_deploy_to_pawld_and_says_how_to_watch_it(app: App) -> None:
    commit = app.configure(more=SLOW)
    deploying = app.pawl.spawn("deploy", app.repo.path)
    deploy = eventually(lambda: _under_way(app))
    status, out, err = interrupt(deploying)
    assert status == 130
    assert out == ""
    assert f"the deploy goes on in pawld; watch it with: pawl watch {deploy}" in err
    assert "Traceback" not in err
    watched = app.pawl.run("watch", deploy)
    assert watched.returncode == 0
    assert watched.stdout.startswith(f"{app.name} is live: ")
    assert app.pawl.live(app.name) == commit


def _under_way(app: App) -> str:
    found = [item for item in app.pawl.json("status")["apps"] if item["app"] == app.name and item["deploying"]]
    return str(found[0]["deploying"]["deploy"]) if found else ""


def test_watch_shows_a_deploy_that_ended_and_exits_as_it_did(app: App) -> None:
    app.deploy()
    app.repo.commit("Break it", HEALTH="bad")
    app.deploy(status=1)
    bad, good = (item["deploy"] for item in app.pawl.json("deploys", app.name)["deploys"])
    assert app.pawl.run("watch", good).returncode == 0
    failed = app.pawl.run("watch", bad)
    assert failed.returncode == 1
    assert "503" in failed.stderr
    assert json.loads(app.pawl.ok("watch", good, "--json").splitlines()[-1])["outcome"] == "kept"


def test_watching_no_deploy_at_all_is_told(app: App) -> None:
    for name in ["d999999", "../x", "", "d1/../d2", "\n"]:
        done = app.pawl.run("watch", name)
        assert done.returncode == 2
        assert "pawld knows no" not in done.stderr


@pytest.mark.parametrize(
    "ask",
    [
        lambda app: app.pawl.spawn("rollback", app.name),
        lambda app: app.pawl.spawn("restart", app.name),
        lambda app: app.pawl.spawn("env", "set", app.name, "A=1"),
    ],
    ids=["rollback", "restart", "env set"],
)
def test_what_is_asked_for_during_a_deploy_waits_for_it(app: App, ask: Callable[[App], subprocess.Popen[str]]) -> None:
    app.configure(more=SLOW)
    app.deploy()
    app.say("2")
    app.deploy()
    app.say("3")
    first = app.pawl.spawn("deploy", app.repo.path, "--json")
    eventually(lambda: _under_way(app))
    second = ask(app)
    assert ended(first)["outcome"] == "kept"
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    (_, _, (_, third_ended), (fourth_began, _)) = spans(app)
    assert third_ended <= fourth_began


def test_scaling_during_a_deploy_holds_for_what_goes_live(app: App) -> None:
    app.deploy()
    app.configure(more=SLOW, VERSION="2")
    deploying = app.pawl.spawn("deploy", app.repo.path, "--json")
    eventually(lambda: _under_way(app))
    app.pawl.ok("scale", app.name, "web=3")
    ended(deploying)
    assert eventually(lambda: len(app.pids()) == 3)
    assert app.get() == (200, "hello 2")


def test_one_by_one_deploys_each_commit_in_turn(app: App) -> None:
    app.deploy()
    commits = [app.say(str(number)) for number in (2, 3, 4)]
    done = app.deploy("--one-by-one")
    assert "to deploy one by one: 3" in done.stderr
    kept = [item["commit"]["sha"] for item in app.pawl.json("deploys", app.name)["deploys"]]
    assert kept[:3] == commits[::-1]
    assert app.get() == (200, "hello 4")
    assert "everything is live already" in app.deploy("--one-by-one").stderr


def test_one_by_one_stops_at_the_first_that_fails(app: App) -> None:
    app.deploy()
    second = app.say("2")
    app.repo.commit("Break it", HEALTH="bad")
    app.repo.commit("Mend it", HEALTH="ok", VERSION="4")
    app.deploy("--one-by-one", status=1)
    assert app.pawl.live(app.name) == second
    assert len(app.pawl.json("deploys", app.name)["deploys"]) == 3


def test_a_deploy_of_several_commits_says_that_it_bundles_them(app: App) -> None:
    app.deploy()
    app.say("2")
    app.repo.git("commit", "--quiet", "--allow-empty", "--author", "Bob <bob@example.org>", "--message", "Other work")
    done = app.deploy()
    assert "this deploy bundles 2 changes by 2 authors; " in done.stderr
    assert "Other work (Bob)" in done.stderr


def test_removing_an_app_ends_its_deploy(app: App) -> None:
    app.configure(more='[env]\nBOOT_S = "30"\n')
    deploying = app.pawl.spawn("deploy", app.repo.path, "--json")
    eventually(lambda: _under_way(app))
    began = time.monotonic()
    app.pawl.ok("remove", app.name, "--yes")
    out, _ = deploying.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert json.loads(out.splitlines()[-1])["outcome"] == "superseded"
    assert deploying.returncode == 1
