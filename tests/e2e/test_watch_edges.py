"""Watches with little to see, and watches whose counts have a hard time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.watch_rig import CALM, MANY, Scenes, Shop, Watched, playing
from tests.support import Pawl, eventually

LONG = "duration_s = 120"  # so that what ends at once is told from what was watched


def quiet(pawl: Pawl, folder: Path) -> tuple[Watched, str]:
    shop = Shop.opened(pawl, folder, "quiet", observe=LONG)
    shop.change("Change it where nobody looks", errors=0.5)
    watched = shop.deploy()
    return watched, shop.told(watched.deploy)


def little(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "little", observe=LONG)
    for _ in range(3):
        assert pawl.get("/", shop.name)[0] == 200
    eventually(lambda: pawl.json("signals", shop.name)["requests"] == 3)
    shop.change("A change")
    return shop.deploy()


def first(pawl: Pawl, folder: Path) -> tuple[Watched, str]:
    shop = Shop.new(pawl, folder, "first", observe=LONG)
    shop.change("The first", errors=0.5)
    watched = shop.deploy()
    return watched, shop.told(watched.deploy)


def log_gone(pawl: Pawl, folder: Path) -> tuple[Watched, list[float], Watched]:
    """The access log is renamed as another's rotation would, then deleted; then comes a change that is bad.

    With when the first change answered, in Unix time.
    """
    shop = Shop.opened(pawl, folder, "rotated", observe="duration_s = 25", faults=CALM)
    log = pawl.home.log / "access.log"
    renamed = log.with_name("access.log.1")
    with shop.load(connections=MANY) as tally:
        shop.change("Change nothing", **CALM)
        before = shop.live()
        deploying = shop.begin()
        served = tally.served
        eventually(lambda: tally.served > served + 200, within_s=60)
        log.rename(renamed)
        log.touch()
        eventually(lambda: tally.served > served + 400, within_s=60)
        renamed.unlink()
        kept = shop.finish(deploying, before=before)
        to_unix = time.time() - time.monotonic()
        times = [one.due + one.latency_s + to_unix for one in tally.answers if one.release == kept.release]
        shop.change("Break the search", **CALM, errors=0.5, on="/search")
        return kept, times, shop.deploy()


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    with playing(machine, {"quiet": quiet, "little": little, "first": first, "log gone": log_gone}) as played:
        yield played


def test_without_any_requests_nothing_is_concluded_and_that_is_said_at_once(scenes: Scenes) -> None:
    watched, text = scenes["quiet"]
    watched.assert_kept()
    assert watched.verdict["verdict"] == "inconclusive"
    assert watched.verdict["why"] == "no requests before this change to compare with"
    assert watched.at("outcome") - watched.at("switched") < 60
    assert "inconclusive: no requests before this change to compare with" in text


def test_with_too_few_requests_nothing_is_concluded_and_that_is_said_at_once(scenes: Scenes) -> None:
    watched = scenes["little"]
    watched.assert_kept()
    assert watched.verdict["verdict"] == "inconclusive"
    assert watched.verdict["why"].startswith("too little traffic to see anything: about ")
    assert watched.at("outcome") - watched.at("switched") < 60


def test_the_first_deploy_of_an_app_is_not_watched_and_that_is_said(scenes: Scenes) -> None:
    watched, text = scenes["first"]
    assert (watched.status, watched.last["outcome"], watched.seen["verdicts"]) == (0, "kept", [])
    assert not watched.events("verdict")
    assert watched.events("stage", stage="observed")[0]["detail"] == "nothing was live before"
    assert "not watched" in text


def test_a_healthy_change_is_kept_though_the_log_is_renamed_and_deleted_meanwhile(scenes: Scenes) -> None:
    watched, times, _ = scenes["log gone"]
    watched.assert_kept()
    assert watched.verdict["verdict"] in ("keep", "inconclusive")
    assert watched.verdict["candidate"]["errors"] == 0
    until = watched.at("switched") + watched.verdict["elapsed_s"] - 5  # the last seconds may not be in the log yet
    assert watched.verdict["candidate"]["requests"] > 0.8 * sum(at <= until for at in times) > 100


def test_a_bad_change_is_seen_in_a_log_that_was_deleted(scenes: Scenes) -> None:
    _, _, watched = scenes["log gone"]
    watched.assert_taken_back("roll back")
    assert [one["route"] for one in watched.verdict["routes"] if one["what"] == "errors"] == ["GET /search"]
