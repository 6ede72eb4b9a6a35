"""What is done about what was seen: by mode, for what was taken back before, and when somebody wants something else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.watch_rig import CALM, MANY, Json, Scene, Scenes, Shop, Watched, playing, unix
from tests.support import Pawl, eventually


def bad_change_in(mode: str, name: str) -> Scene:
    def play(pawl: Pawl, folder: Path) -> Watched:
        shop = Shop.opened(pawl, folder, name)
        with shop.load(rate=30, before_s=10):
            shop.observe = f'duration_s = 40\nmode = "{mode}"'
            shop.change("Break half of it", errors=0.5)
            return shop.deploy()

    return play


def not_observed(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "blind", observe="duration_s = 90")
    with shop.load(rate=10, before_s=2):
        shop.change("Break half of it", errors=0.5)
        return shop.deploy("--no-observe")


def deployed_again(pawl: Pawl, folder: Path) -> tuple[Watched, Watched]:
    shop = Shop.opened(pawl, folder, "again", observe="duration_s = 40")
    with shop.load(rate=30, before_s=10):
        shop.change("Break half of it", errors=0.5)
        return shop.deploy(), shop.deploy()


def rolled_back_meanwhile(pawl: Pawl, folder: Path) -> tuple[Watched, Json, list[Json]]:
    shop = Shop.opened(pawl, folder, "unloved", observe="duration_s = 120", faults=CALM)
    with shop.load(rate=20, before_s=15, connections=MANY) as tally:
        shop.change("Change something", **CALM)
        before = shop.live()
        deploying = shop.begin()
        served = tally.served
        eventually(lambda: tally.served > served + 100, within_s=60)
        rollback = pawl.run("rollback", shop.name, "--json")
        assert rollback.returncode == 0, rollback.stderr
        watched = shop.finish(deploying, before=before)
        (last, *_) = pawl.json("deploys", shop.name)["deploys"]
        return watched, last, [json.loads(line) for line in rollback.stdout.splitlines()]


@dataclass(slots=True)
class Kept:
    """A change that was kept by hand: how it went, what ``pawl keep`` printed, and what was told of it afterwards."""

    watched: Watched
    keep: list[Json]
    status: int
    told: str
    refusal: subprocess.CompletedProcess[str]


def kept_by_hand(pawl: Pawl, folder: Path) -> Kept:
    """A change that breaks a third is kept at its first look."""
    shop = Shop.opened(pawl, folder, "loved", observe="duration_s = 300")
    with shop.load(rate=20, before_s=15):
        shop.change("Break a third of it", errors=0.3)
        before = shop.live()
        deploying = shop.begin()
        (newest, *_) = pawl.json("deploys", shop.name)["deploys"]
        done = pawl.run("keep", newest["deploy"], "--json", timeout_s=120)
        watched = shop.finish(deploying, before=before)
        refusal = pawl.run("keep", newest["deploy"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return Kept(watched, lines, done.returncode, shop.told(watched.deploy), refusal)


def pushed(pawl: Pawl, folder: Path) -> tuple[subprocess.CompletedProcess[str], Json, str, str, Json]:
    """``git push``, what is known of its deploy then, who serves then, who should, and how it ended."""
    shop = Shop.opened(pawl, folder, "pushed", observe="duration_s = 30", faults=CALM)
    pawl.ok("init", shop.repo.path)
    with shop.load(rate=20, before_s=15, connections=MANY):
        shop.change("Change something", **CALM)
        push = subprocess.run(
            ["git", "push", "pawl", "main"], cwd=shop.repo.path, env=pawl.environ(), capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        (then, *_) = pawl.json("deploys", shop.name)["deploys"]
        live = shop.live()
        seen = eventually(lambda: (now := shop.seen(then["deploy"]))["outcome"] and now, within_s=120)
        return push, then, live, shop.head(), seen


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    scenes = {
        "ask": bad_change_in("ask", "asks"), "observe": bad_change_in("observe", "observes"),
        "off": bad_change_in("off", "unwatched"), "not observed": not_observed, "again": deployed_again,
        "rolled back": rolled_back_meanwhile, "pushed": pushed, "kept": kept_by_hand,
    }  # fmt: skip
    with playing(machine, scenes) as played:
        yield played


@pytest.mark.parametrize("mode", ["ask", "observe"])
def test_a_bad_change_is_told_and_left_where_the_mode_says_so(scenes: Scenes, mode: str) -> None:
    watched = scenes[mode]
    watched.assert_kept()
    assert watched.verdict["verdict"] in ("roll back", "hard fail")
    assert not watched.verdict["acts"]
    assert watched.verdict["note"].startswith(f'mode = "{mode}"')
    assert watched.last["reason"] == watched.verdict["note"]
    assert not watched.events("taken back")


def test_where_a_person_is_asked_the_way_back_is_named(scenes: Scenes) -> None:
    assert scenes["ask"].verdict["note"].endswith("pawl rollback asks")


@pytest.mark.parametrize("scene", ["off", "not observed"])
def test_nothing_is_watched_that_is_not_to_be(scenes: Scenes, scene: str) -> None:
    watched = scenes[scene]
    watched.assert_kept()
    assert watched.seen["verdicts"] == []
    assert not watched.events("look")
    assert watched.events("stage", stage="observed")[0]["detail"] == "not watched"


def test_what_somebody_deploys_again_after_it_was_taken_back_stays(scenes: Scenes) -> None:
    first, second = scenes["again"]
    assert first.last["outcome"] == "rolled back"
    second.assert_kept()
    assert second.verdict["verdict"] in ("roll back", "hard fail")
    assert not second.verdict["acts"]
    assert f"it was taken back once already, by deploy {first.deploy}" in second.verdict["note"]


def test_a_rollback_does_not_wait_for_the_watch(scenes: Scenes) -> None:
    watched, rollback, lines = scenes["rolled back"]
    assert (rollback["kind"], rollback["outcome"], rollback["release"]) == ("rollback", "kept", watched.before)
    queued, switched = (unix(line["at"]) for line in lines if line["event"] in ("queued", "switched"))
    assert switched - queued < 10
    assert watched.serving == {watched.before}


def test_the_watch_that_was_cut_short_says_by_what(scenes: Scenes) -> None:
    watched, rollback, _ = scenes["rolled back"]
    assert watched.last["outcome"] == "kept"
    assert watched.verdict["why"].startswith(f"cut short by rollback {rollback['deploy']} after ")
    assert watched.verdict["elapsed_s"] < watched.verdict["duration_s"]


def test_a_bad_change_that_somebody_keeps_stays_and_says_by_whom(scenes: Scenes) -> None:
    kept = scenes["kept"]
    watched = kept.watched
    watched.assert_kept()
    assert not watched.verdict["acts"]
    assert re.match(r"kept by hand by \S+ after \d+ s: ", watched.verdict["note"]), watched.verdict
    assert watched.last["reason"] == watched.verdict["note"]
    assert watched.verdict["elapsed_s"] < 120
    assert watched.verdict["note"] in kept.told


def test_keep_follows_the_deploy_to_its_outcome(scenes: Scenes) -> None:
    kept = scenes["kept"]
    assert kept.status == 0
    assert [line["event"] for line in kept.keep if line["event"] in ("keep asked", "verdict", "outcome")] == [
        "keep asked", "verdict", "outcome",
    ]  # fmt: skip
    assert kept.keep[-1] == kept.watched.last


def test_what_has_ended_cannot_be_kept(scenes: Scenes) -> None:
    kept = scenes["kept"]
    assert kept.refusal.returncode == 2
    assert f"deploy '{kept.watched.deploy}' has ended: kept" in kept.refusal.stderr
    assert f"see: pawl observe {kept.watched.deploy}" in kept.refusal.stderr


def test_a_push_returns_once_the_change_is_live_while_the_watch_goes_on(scenes: Scenes) -> None:
    push, then, live, release, seen = scenes["pushed"]
    assert push.returncode == 0, push.stderr
    assert then["outcome"] is None
    assert live == release == then["release"]
    assert re.search(rf"remote: watched for 30 s from here on: pawl observe {then['deploy']}", push.stderr)
    assert seen["outcome"] == "kept"
    assert seen["verdicts"][-1]["elapsed_s"] >= 20
