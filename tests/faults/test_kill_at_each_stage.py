"""SIGKILL of pawld at every point of a deploy: the next pawld ends it by itself, and nobody outside noticed.

Each test walks through the points of one stage, every point in a home of its own, under a steady load.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.faults.fault_rig import CONFIG, Site, Sites, broken

BUILDING = ("fetched", "built", "tested", "tasks done")
GOING_LIVE = ("started", "healthy", "switched", "drained", "observed")
WITHIN = {
    "built": ("release built",),
    "tasks done": ("task begun", "task done", "task begun#2", "task done#2"),
    "started": ("process begun", "spawned", "process begun#3", "spawned#3"),
    "healthy": ("singleton ended", "process begun#4"),
    "switched": ("candidate live", "slots moved", "one retired", "one retired#2", "old retired"),
}
WITHIN_ROLLBACK = {
    "switched": WITHIN["switched"],
    "drained": ("process begun", "singleton ended", "process begun#2"),
}


def points(stage: str) -> list[str]:
    """Those of a stage; the end of one is what is before the next."""
    return [
        *(["fetched: before"] if stage == "fetched" else []),
        *(f"{stage}: {at}" for at in ("begun", "done", "ended")),
    ]


def die_at(site: Site, point: str, *command: str) -> str:
    """Run a command in the middle of which pawld is killed, and start the next pawld; the deploy, which has ended."""
    before = site.deploys()
    with site.dies_at(point):
        done = site.pawl.run(*command)
    assert done.returncode == 3, f"pawld was not killed at '{point}': {done.stdout}\n{done.stderr}"
    acknowledged = site.events()
    (deploy,) = set(site.deploys()) - set(before)
    site.pawl.up()
    site.outcome(deploy)
    assert site.events()[: len(acknowledged)] == acknowledged
    return deploy


@pytest.mark.parametrize("stage", [*BUILDING, *GOING_LIVE])
def test_a_deploy_is_finished_by_the_next_pawld(sites: Sites, stage: str) -> None:
    def deploy(site: Site, point: str) -> None:
        version = site.commit()
        with site.load():
            assert site.outcome(die_at(site, point, "deploy", str(site.repo.path))) == "kept"
            site.version = version
            site.assert_sound()
        site.assert_tasks_ran(version)

    sites.each(deploy, [*points(stage), *WITHIN.get(stage, ())])


def test_a_deploy_that_keeps_nothing_warm_is_finished_by_the_next_pawld(sites: Sites) -> None:
    cold = CONFIG.replace("instances = 2", "instances = 2\nkeep_warm_s = 0")

    def deploy(site: Site, point: str) -> None:
        version = site.commit(config=cold)
        with site.load():
            assert site.outcome(die_at(site, point, "deploy", str(site.repo.path))) == "kept"
            site.version = version
            site.assert_sound()
        assert {record["role"] for record in site.records()} == {"live"}
        site.deploy()

    sites.each(deploy, ["candidate live", "slots moved", "old retired", "switched: done", "drained: begun"])


FAILING = {
    "unhealthy web": {"HEALTH": "bad\n"},
    "broken worker": {"pawl__toml": broken("worker")},
    "broken beat": {"pawl__toml": broken("beat")},
}


@pytest.mark.parametrize("fault", FAILING)
def test_a_deploy_that_fails_leaves_what_was_live(sites: Sites, fault: str) -> None:
    def deploy(site: Site, point: str) -> None:
        version = site.commit(**FAILING[fault])
        with site.load():
            assert site.outcome(die_at(site, point, "deploy", str(site.repo.path))) == "failed"
            site.assert_sound()
        site.assert_tasks_ran(version)

    within = ["singleton ended"] if fault == "broken beat" else []
    sites.each(deploy, ["task done#2", "spawned#2", "started: ended", "healthy: begun", *within, "discarded"])


@pytest.mark.parametrize("stage", GOING_LIVE)
def test_a_rollback_is_finished_by_the_next_pawld(sites: Sites, stage: str) -> None:
    def roll_back(site: Site, point: str) -> None:
        old = site.version
        site.deploy()
        with site.load():
            assert site.outcome(die_at(site, point, "rollback", "hello")) == "kept"
            site.version = old
            site.assert_sound()

    sites.each(roll_back, [*points(stage), *WITHIN_ROLLBACK.get(stage, ())])


def test_a_restart_is_finished_by_the_next_pawld(sites: Sites) -> None:
    def restart(site: Site, point: str) -> None:
        with site.load():
            assert site.outcome(die_at(site, point, "restart", "hello")) == "kept"
            site.assert_sound()

    sites.each(restart, ["started: done", "singleton ended", "candidate live", "switched: done", "drained: begun"])


def test_a_pawld_that_is_killed_while_it_finishes_a_deploy_is_followed_by_one_that_does(sites: Sites) -> None:
    def deploy(site: Site, two_points: str) -> None:
        first, second = two_points.split(" + ")
        version = site.commit()
        with site.load():
            with site.dies_at(first):
                assert site.pawl.run("deploy", str(site.repo.path)).returncode == 3
            # It may die before it has answered 'pawl up' once, which then says so.
            assert site.pawl.run("up", PAWL_FAULT_POINT=second).returncode in (0, 1)
            site.wait_pawld_gone()
            site.pawl.up()
            assert site.outcome(site.deploys()[-1]) == "kept"
            site.version = version
            site.assert_sound()
        site.assert_tasks_ran(version)

    sites.each(
        deploy,
        ["task done + process begun", "singleton ended + switched: begun", "one retired + slots moved",
         "switched: done + old retired", "spawned#2 + spawned", "switched: ended + drained: done"],
    )  # fmt: skip


def test_the_first_deploy_of_an_app_is_finished_by_the_next_pawld(sites: Sites) -> None:
    def deploy(_site: Site, point: str) -> None:
        site = Site.empty_at(Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp")))
        try:
            version = site.commit()
            assert site.outcome(die_at(site, point, "deploy", str(site.repo.path))) == "kept"
            site.version = version
            site.assert_sound()
            site.assert_tasks_ran(version)
        finally:
            site.destroy()

    sites.each(deploy, ["built: begun", "task done", "spawned", "healthy: done", "slots moved", "switched: ended"])
