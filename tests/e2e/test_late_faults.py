"""Faults that show some time after the switch, and one that is not the change's.

What would take minutes in production is shortened here: a leak to seconds, a fault "two minutes in" to 25 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.watch_rig import CALM, MANY, Scenes, Shop, Watched, playing
from tests.support import Pawl, eventually

ILL_AFTER_S = 8
WORKER = "[processes.worker]\ncommand = \"python -c 'import time; time.sleep(2)'\"\nhealth = { uptime_s = 0.5 }\n"


def leaks(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "leaks", observe="duration_s = 90", web='memory = "90MB"', faults=CALM)
    with shop.load(rate=20, before_s=5, connections=MANY):
        shop.change("Forget nothing", **CALM, leaks_mb_s=6)
        return shop.deploy()


def leaks_unlimited(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "unlimited", observe="duration_s = 20", faults=CALM)
    with shop.load(rate=20, before_s=5, connections=MANY):
        shop.change("Forget nothing", **CALM, leaks_mb_s=6)
        return shop.deploy()


def worker_loops(pawl: Pawl, folder: Path) -> Watched:
    """A worker that dies every two seconds: no request notices."""
    shop = Shop.opened(pawl, folder, "loops", observe="duration_s = 90", faults=CALM)
    with shop.load(rate=20, before_s=5, connections=MANY):
        shop.more = WORKER
        shop.change("Add a worker", **CALM)
        return shop.deploy()


def web_loops(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "dies", observe="duration_s = 90")
    with shop.load(rate=20, before_s=5):
        shop.change("Die", exits_after_s=3)
        return shop.deploy()


def gets_ill(pawl: Pawl, folder: Path) -> Watched:
    """Too few requests for the judge to see anything in these seconds; health is asked for all the same."""
    shop = Shop.opened(pawl, folder, "ill", observe="duration_s = 90")
    shop.change("Get ill", ill_after_s=ILL_AFTER_S)
    return shop.deploy("--expect", "rate(*) < 1000/s")


def late(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "late", observe="duration_s = 75", faults=CALM)
    with shop.load(connections=MANY):
        shop.change("Break later", **CALM, errors=0.4, after_s=25)
        return shop.deploy()


def elsewhere(pawl: Pawl, folder: Path) -> tuple[Watched, dict[str, Any], str]:
    """What every release stands on goes away some seconds after the switch."""
    shop = Shop.opened(pawl, folder, "elsewhere", observe="duration_s = 60")
    with shop.load() as tally:
        shop.change("Change nothing")
        before = shop.live()
        deploying = shop.begin()
        served = tally.served
        eventually(lambda: tally.served > served + 200, within_s=60)
        shop.go_down()
        watched = shop.finish(deploying, before=before)
        seen = eventually(lambda: (now := shop.seen(watched.deploy))["restored"] and now, within_s=120)
        return watched, seen, shop.told(watched.deploy)


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    scenes = {
        "leaks": leaks, "unlimited": leaks_unlimited, "worker": worker_loops, "web": web_loops, "ill": gets_ill,
        "late": late, "elsewhere": elsewhere,
    }  # fmt: skip
    with playing(machine, scenes) as played:
        yield played


def test_a_leak_above_its_limit_is_taken_back(scenes: Scenes) -> None:
    watched = scenes["leaks"]
    watched.assert_taken_back("hard fail")
    assert watched.verdict["why"].startswith("memory: web.1 grew to ")
    assert watched.verdict["why"].endswith("its limit is 90 MB")


def test_a_leak_without_a_limit_is_kept(scenes: Scenes) -> None:
    watched = scenes["unlimited"]
    watched.assert_kept()
    assert watched.verdict["verdict"] in ("keep", "inconclusive")


def test_a_worker_that_crashes_again_and_again_is_taken_back(scenes: Scenes) -> None:
    watched = scenes["worker"]
    watched.assert_taken_back("hard fail")
    assert watched.verdict["why"].startswith("crash loop: worker.1")
    assert watched.verdict["candidate"]["errors"] == 0


def test_a_web_process_that_crashes_again_and_again_is_taken_back(scenes: Scenes) -> None:
    watched = scenes["web"]
    assert watched.verdict["verdict"] in ("hard fail", "roll back")  # while it is down its requests fail too
    watched.assert_taken_back(watched.verdict["verdict"])


def test_a_release_that_gets_ill_is_taken_back_within_seconds(scenes: Scenes) -> None:
    watched = scenes["ill"]
    watched.assert_taken_back("hard fail")
    assert watched.verdict["why"].startswith("health lost: no instance was healthy for ")
    assert "503" in watched.verdict["why"]
    ill_at = watched.at("stage began", stage="started") + ILL_AFTER_S  # no later than that; 5 s are what is promised
    assert watched.at("taken back") - ill_at < 12


def test_a_failure_that_begins_late_is_taken_back(scenes: Scenes) -> None:
    watched = scenes["late"]
    watched.assert_taken_back("roll back")
    assert watched.verdict["why"].startswith("errors")
    assert watched.verdict["elapsed_s"] > 20


def test_a_cause_elsewhere_is_found_after_the_change_was_taken_back(scenes: Scenes) -> None:
    watched, seen, text = scenes["elsewhere"]
    assert (watched.status, watched.last["outcome"], watched.last["live"]) == (1, "rolled back", watched.before)
    assert watched.verdict["acts"]
    assert seen["restored"]["is_cause_elsewhere"]
    assert seen["restored"]["candidate_release"] == watched.before
    assert "the release that was restored is as bad: the cause was elsewhere, not this change" in text
