"""A change that serves a part of the requests beside the old release first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

import pytest

from pawl.demo.load import Answer
from tests.e2e.watch_rig import CALM, MANY, RATE, Scenes, Shop, Watched, playing, unix
from tests.support import Pawl, eventually

STEPS = "duration_s = 30\ncanary = [25, 50]\ncanary_step_s = 15"


@dataclass(slots=True)
class Played:
    shop: Shop
    watched: Watched
    answers: Sequence[Answer]
    failures: Counter[str]
    since_before: str
    since_after: str

    def shares(self, began: float, ended: float) -> dict[str, float]:
        """By release, its share of the answers to what was due in a span (Unix times)."""
        ahead = time() - monotonic()
        served = Counter(one.release for one in self.answers if began <= one.due + ahead <= ended)
        return {release: count / served.total() for release, count in served.items()}


def play(shop: Shop, **faults: object) -> Played:
    with shop.load(connections=MANY) as tally:
        shop.change("A change", **faults)
        since = shop.pawl.status(shop.name)["live"]["since"]
        # A shop that another scene has just opened is a new app: the proxy was reloaded, and closed idle connections.
        failed_before = tally.failures.copy()
        watched = shop.deploy()
    after = shop.pawl.status(shop.name)["live"]["since"]
    return Played(shop, watched, tally.answers, tally.failures - failed_before, since, after)


def good(pawl: Pawl, folder: Path) -> Played:
    return play(Shop.opened(pawl, folder, "good", observe=STEPS, faults=CALM), **CALM)


def bad(pawl: Pawl, folder: Path) -> Played:
    return play(Shop.opened(pawl, folder, "bad", observe=STEPS), errors=0.3)


def both_fail(pawl: Pawl, folder: Path) -> Watched:
    """What both releases stand on goes away while they serve side by side."""
    steps = "duration_s = 20\ncanary = [50]\ncanary_step_s = 30"
    shop = Shop.opened(pawl, folder, "both", observe=steps, faults=CALM)
    with shop.load(connections=MANY):
        shop.change("Change nothing", **CALM)
        before = shop.live()
        deploying = pawl.spawn("deploy", shop.repo.path, "--json")
        eventually(lambda: {shop.good, shop.head()} <= shop.serving(), within_s=60)
        shop.go_down()
        return shop.finish(deploying, before=before)


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    with playing(machine, {"good": good, "bad": bad, "both fail": both_fail}) as played:
        yield played


def test_each_step_is_the_share_of_the_requests_that_it_says(scenes: Scenes) -> None:
    played = scenes["good"]
    watched = played.watched
    watched.assert_kept()
    looks = watched.events("look")
    for percent in (25, 50):
        at = [unix(look["at"]) for look in looks if look["canary_percent"] == percent]
        shares = played.shares(at[0] + 1, at[-1] - 1)
        assert set(shares) == {watched.before, watched.release}
        assert shares[watched.release] == pytest.approx(percent / 100, abs=0.05)
    assert not [look for look in looks if look["canary_percent"] not in (None, 25, 50)]


def test_before_the_canary_the_old_release_serves_alone_and_after_it_the_new_one(scenes: Scenes) -> None:
    played = scenes["good"]
    watched = played.watched
    assert set(played.shares(0, watched.at("stage began", stage="canary") - 1)) == {watched.before}
    assert set(played.shares(watched.at("switched") + 1, watched.at("outcome") - 1)) == {watched.release}
    assert not played.failures


def test_the_canary_and_what_follows_are_one_watch(scenes: Scenes) -> None:
    watched = scenes["good"].watched
    (canary,) = watched.events("stage", stage="canary")
    assert canary["detail"] == "nothing against it"
    assert [one["stage"] for one in watched.seen["verdicts"]] == ["observed"]
    assert watched.verdict["verdict"] in ("keep", "inconclusive")
    (errors,) = [one for one in watched.verdict["signals"] if one["signal"] == "errors"]
    assert errors["other_requests"] > 0  # what the old release served beside it has counted
    assert errors["requests"] > errors["other_requests"]


def test_a_bad_canary_is_withdrawn_before_the_switch(scenes: Scenes) -> None:
    played = scenes["bad"]
    watched = played.watched
    watched.assert_taken_back("roll back")
    assert watched.verdict["stage"] == "canary"
    assert watched.verdict["canary_percent"] in (25, 50)
    assert "beside" in watched.verdict["why"]
    assert not watched.events("switched")
    assert not watched.events("taken back")
    assert played.since_after == played.since_before
    eventually(lambda: played.shop.running() == {watched.before}, within_s=30)


def test_few_requests_meet_a_bad_canary(scenes: Scenes) -> None:
    played = scenes["bad"]
    ended = played.watched.at("outcome")
    began = played.watched.at("stage began", stage="canary")
    assert 0 < played.watched.verdict["candidate"]["errors"] <= played.failures.total() < 0.2 * RATE * (ended - began)


def test_what_hits_old_and_new_alike_is_not_blamed_on_the_change(scenes: Scenes) -> None:
    watched = scenes["both fail"]
    watched.assert_kept()
    assert "the release before fails as well" in watched.verdict["why"]
    assert "the cause is elsewhere" in watched.verdict["why"]
    assert watched.verdict["verdict"] == "inconclusive"
