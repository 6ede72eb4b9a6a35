"""What an author says a change will do, checked in production and answered."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.watch_rig import CALM, MANY, Scenes, Shop, Watched, playing
from tests.support import Pawl

SAID = """Say what it will do

It is made to be a little slower. Not one of these lines is about that:
    Expect: a line that is quoted

Expect: p95(/search) < 5s
expect: errors(*) <= 20%
Expect: p50(/) < 10ms
Expect: errors(*) <= 0.01%
Expect: rate(GET /search) > 1/s
Expect: rate(POST /subscribe) > 3/s
Expect: p50(*) +100%
Expect: p50(*) -50%
Expect: rss(web) < 1GB
Expect: rss(*) < 2MB
"""


def told(watched: Watched) -> dict[str, str]:
    return {one["text"]: one["outcome"] for one in watched.verdict["expectations"]}


def answered(pawl: Pawl, folder: Path) -> tuple[Watched, str]:
    shop = Shop.opened(pawl, folder, "said", observe="duration_s = 30", faults=CALM)
    with shop.load(connections=MANY):
        shop.change(SAID, **CALM)
        watched = shop.deploy("--expect", "mean(/items/3) < 5s", "--expect", "Expect: p99(*) < 1ms")
    return watched, shop.told(watched.deploy)


def required(pawl: Pawl, folder: Path) -> Watched:
    shop = Shop.opened(pawl, folder, "required", observe="duration_s = 20")
    with shop.load():
        shop.change("Promise too much\n\nExpect: p50(*) < 5s\nRequire: p50(*) < 10ms\n")
        return shop.deploy()


def required_and_met(pawl: Pawl, folder: Path) -> Watched:
    """Met, and nothing to tell about what nobody asks for: neither takes a change back."""
    shop = Shop.opened(pawl, folder, "met", observe="duration_s = 20", faults=CALM)
    with shop.load(connections=MANY):
        shop.change("Promise what is kept\n\nRequire: p50(*) < 5s\nRequire: p95(/nothing) < 1s\n", **CALM)
        return shop.deploy()


@pytest.fixture(scope="module")
def scenes(machine: Pawl) -> Iterator[Scenes]:
    scenes = {"answered": answered, "required": required, "required and met": required_and_met}
    with playing(machine, scenes) as played:
        yield played


def test_each_expectation_is_answered_with_its_numbers(scenes: Scenes) -> None:
    watched, _ = scenes["answered"]
    assert told(watched) == {
        "p95(/search) < 5s": "met",
        "errors(*) <= 20%": "met",
        "p50(/) < 10ms": "not met",
        "errors(*) <= 0.01%": "not enough data",
        "rate(GET /search) > 1/s": "met",
        "rate(POST /subscribe) > 3/s": "not met",
        "p50(*) +100%": "met",
        "p50(*) -50%": "not met",
        "rss(web) < 1GB": "met",
        "rss(*) < 2MB": "not met",
        "mean(/items/3) < 5s": "met",
        "p99(*) < 1ms": "not met",
    }
    assert all(one["why"] for one in watched.verdict["expectations"])


def test_a_missed_expectation_alone_takes_nothing_back(scenes: Scenes) -> None:
    watched, _ = scenes["answered"]
    watched.assert_kept()
    assert watched.verdict["verdict"] in ("keep", "inconclusive")


def test_the_answers_are_told_to_a_person(scenes: Scenes) -> None:
    _, text = scenes["answered"]
    assert "expected p50(/) < 10ms: not met (" in text
    assert "expected errors(*) <= 0.01%: not enough data (" in text
    assert "expected p99(*) < 1ms: not met (" in text


def test_a_required_one_that_is_missed_takes_the_change_back(scenes: Scenes) -> None:
    watched = scenes["required"]
    watched.assert_taken_back("roll back")
    assert watched.verdict["why"].startswith("required and not met: p50(*) < 10ms")
    assert told(watched) == {"p50(*) < 5s": "met", "p50(*) < 10ms": "not met"}
    assert [one["is_required"] for one in watched.verdict["expectations"]] == [False, True]


def test_a_required_one_that_is_met_or_cannot_be_told_takes_nothing_back(scenes: Scenes) -> None:
    watched = scenes["required and met"]
    watched.assert_kept()
    assert told(watched) == {"p50(*) < 5s": "met", "p95(/nothing) < 1s": "not enough data"}


@pytest.fixture(scope="module")
def opened(machine: Pawl) -> Shop:
    """A shop that is live, without load."""
    folder = machine.path.parent / "quiet"
    folder.mkdir()
    return Shop.opened(machine, folder, "quiet")


@pytest.fixture
def quiet(opened: Shop) -> Shop:
    """The same, with no commits since."""
    opened.repo.git("reset", "--hard", "--quiet", opened.good)
    return opened


def refused(shop: Shop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A deploy that is to be stopped before anything was done."""
    pawl = shop.pawl
    before = pawl.json("deploys", shop.name), pawl.json("releases", shop.name), shop.live()
    done = pawl.run("deploy", shop.repo.path, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert (pawl.json("deploys", shop.name), pawl.json("releases", shop.name), shop.live()) == before
    assert not (pawl.home.releases(shop.name) / shop.head()).exists()
    return done


@pytest.mark.parametrize(
    ("line", "column", "why"),
    [
        ("Expect: p95(/feeds/) < 80", 18, "ms"),
        ("Expect: p95(/feeds/ < 80ms", 19, ")"),
        ("Expect: speed(/) < 80ms", 1, "speed"),
        ("Require: p95(/) ~ 80ms", 8, "<"),
        ("Expect: errors(*) <= 0.1% or so", 19, "nothing more"),
    ],
)
def test_a_malformed_trailer_stops_the_deploy_and_says_where(quiet: Shop, line: str, column: int, why: str) -> None:
    quiet.change(f"Say it badly\n\nExpect: p95(/) < 1s\n{line}\n")
    error = refused(quiet).stderr
    expression = line.partition(": ")[2]
    assert f"the expectation '{expression}' cannot be read" in error
    (where,) = [text for text in error.splitlines() if f"column {column}: " in text]
    assert why in where
    shown = error.splitlines()
    (caret,) = [number for number, text in enumerate(shown) if text.strip(" |") == "^"]
    assert shown[caret].index("^") - shown[caret - 1].index(expression) == column - 1


def test_a_malformed_option_stops_the_deploy_too(quiet: Shop) -> None:
    quiet.change("Say nothing")
    assert "column 10: " in refused(quiet, "--expect", "p95(/) < fast").stderr


def test_a_process_type_that_the_app_does_not_have_is_refused_with_those_it_has(quiet: Shop) -> None:
    quiet.change("Misspell\n\nExpect: rss(workr) < 120MB\n")
    error = refused(quiet).stderr
    assert "rss(workr) < 120MB" in error
    assert "it has: web" in error


def test_a_malformed_trailer_of_an_earlier_commit_does_not_block_the_next_one(quiet: Shop) -> None:
    quiet.change("Say it badly\n\nExpect: p95(/) < 80\n")
    refused(quiet)
    quiet.change("Say it well\n\nExpect: p95(/) < 80ms\n")
    done = quiet.pawl.run("deploy", quiet.repo.path, "--no-observe", "--json")
    assert done.returncode == 0, done.stderr
    deploy = json.loads(done.stdout.splitlines()[-1])["deploy"]
    assert quiet.pawl.json("observe", deploy)["expect"] == ["Expect: p95(/) < 80ms"]
