"""Changes with a seeded fault each, under load: what is seen of them, and that they are taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pawl.demo.load import Load, Tally
from tests.e2e.watch_rig import CALM, MANY, Scenes, Shop, Watched, playing
from tests.support import Pawl, eventually, is_running


@dataclass(slots=True)
class Played:
    shop: Shop
    watched: Watched
    candidate_pids: set[int]


def errors_on_one_route(pawl: Pawl, folder: Path) -> Played:
    shop = Shop.opened(pawl, folder, "errors")
    with shop.load():
        shop.change("Break the search", errors=0.3, on="/search")
        before = shop.live()
        deploying = shop.begin()
        pids = {item["pid"] for item in pawl.instances(shop.name) if item["release"] == shop.head()}
        return Played(shop, shop.finish(deploying, before=before), pids)


def slower(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "slower", observe="duration_s = 60", faults=CALM)
    with shop.load(rate=30, connections=MANY, before_s=25):
        shop.change("Take longer", **CALM, slower=1.3)
        return shop.deploy()


def route_gone(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "gone")
    with shop.load():
        shop.change("Lose the search", gone="/search")
        return shop.deploy()


def scanned(pawl: Pawl, folder: Path) -> tuple[Watched, Tally]:
    """A change that is fine, and a scanner that comes with it and asks for what is not there."""
    shop = Shop.opened(pawl, folder, "scanned", faults=CALM)
    paths = [f"/wp-{number}.php" for number in range(150)]
    scanner = Load(f"http://scanned.localhost:{pawl.port}/", rate=20, connections=20, paths=paths)
    with shop.load(connections=MANY):
        shop.change("Change nothing", **CALM)
        before = shop.live()
        deploying = shop.begin()
        scanner.start()
        try:
            return shop.finish(deploying, before=before), scanner.tally
        finally:
            scanner.stop()


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    scenes = {
        "errors": errors_on_one_route, "slower": slower, "gone": route_gone, "scanned": scanned,
    }  # fmt: skip
    with playing(machine, scenes) as played:
        yield played


def test_errors_on_one_route_are_seen_named_and_taken_back(scenes: Scenes) -> None:
    watched = scenes["errors"].watched
    watched.assert_taken_back("roll back")
    assert "errors" in watched.verdict["why"]
    (route,) = [one for one in watched.verdict["routes"] if one["what"] == "errors"]
    assert route["route"] == "GET /search"
    assert route["candidate"]["errors"] > 0
    assert route["baseline"]["errors"] == 0
    assert watched.verdict["log_e"] >= watched.verdict["log_threshold"] > 0


def test_nothing_of_what_was_taken_back_goes_on_running(scenes: Scenes) -> None:
    played = scenes["errors"]
    assert played.candidate_pids
    eventually(lambda: not any(map(is_running, played.candidate_pids)), within_s=30)
    eventually(lambda: played.shop.running() == {played.watched.before}, within_s=30)


def test_what_was_taken_back_is_not_gone_back_to(scenes: Scenes) -> None:
    shop = scenes["errors"].shop
    for arguments in ([], ["--to", scenes["errors"].watched.release]):
        done = shop.pawl.run("rollback", shop.name, *arguments)
        assert done.returncode == 2, done.stderr
        assert "can be gone back to" in done.stderr
    assert shop.live() == shop.good


def test_the_same_is_shown_later(scenes: Scenes) -> None:
    watched = scenes["errors"].watched
    told = scenes["errors"].shop.told(watched.deploy)
    assert f"release {watched.release}: rolled back" in told
    assert f"roll back: {watched.verdict['why']}" in told
    assert "GET /search" in told
    assert watched.events("look")
    assert watched.events("verdict")[0]["why"] == watched.verdict["why"]


def test_a_change_that_was_taken_back_is_measured_as_failed_until_the_old_one_served_again(scenes: Scenes) -> None:
    shop, watched = scenes["errors"].shop, scenes["errors"].watched
    failures = {one["deploy"]: one for one in shop.pawl.json("dora", shop.name)["failures"]}
    failure = failures[watched.deploy]
    assert failure["how"] == "taken back"
    assert abs(failure["recovery_s"] - (watched.at("taken back") - watched.at("switched"))) < 0.01


def test_a_change_that_makes_everything_a_third_slower_is_taken_back(scenes: Scenes) -> None:
    watched = scenes["slower"]
    watched.assert_taken_back("roll back")
    assert watched.verdict["why"].startswith("slower than the")
    assert watched.verdict["candidate"]["p50_s"] > watched.verdict["baseline"]["p50_s"]


def test_a_route_that_vanished_is_seen_and_taken_back(scenes: Scenes) -> None:
    watched = scenes["gone"]
    watched.assert_taken_back("roll back")
    assert watched.verdict["why"].startswith("not found")
    assert ("GET /search", "not found") in [(one["route"], one["what"]) for one in watched.verdict["routes"]]


def test_what_a_scanner_asks_for_is_not_blamed_on_the_change(scenes: Scenes) -> None:
    watched, scanner = scenes["scanned"]
    watched.assert_kept()
    assert watched.verdict["verdict"] in ("keep", "inconclusive")
    assert {answer.status for answer in scanner.answers} == {404}
    assert watched.verdict["candidate"]["not_found"] > 200  # they were counted
