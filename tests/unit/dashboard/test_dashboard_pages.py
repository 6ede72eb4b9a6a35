"""What the pages say, and that nothing in them is anything but text."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.ledger.events import VerdictReached
from pawl.ledger.observations import ExpectationAnswer, Figures, Observation
from pawl.model import Outcome
from tests.unit.dashboard.dashboard_rig import Rig

EVIL = "<script>alert(1)</script> \x1b[31m\u202e\"'"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt; \\x1b[31m\\u202e&#34;&#39;"


@pytest.fixture
def rig(place: Path) -> Rig:
    return Rig(place)


def seen(**changed: object) -> Observation:
    figures = Figures(requests=1000, errors=3, not_found=0, rate_per_s=12.0, span_s=60.0, p50_s=0.01, p95_s=0.08)
    values = {
        "verdict": "keep", "why": "errors 3 of 1000 (0.3%)", "elapsed_s": 60.0, "duration_s": 60.0, "log_e": 1.0,
        "log_threshold": 4.0, "candidate": figures, "baseline": figures, "candidate_release": "d2",
    }  # fmt: skip
    return Observation(**{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/", "/apps/shop", "/deploys/d2", "/deploys/d2/roll-back"])
def test_a_title_of_a_commit_is_text_on_every_page(rig: Rig, path: str) -> None:
    rig.deployed()
    rig.deployed(title=EVIL, author=EVIL)
    text = rig.browser().get(path).text
    assert SHOWN in text
    assert "<script>alert" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_log_line_is_text(rig: Rig) -> None:
    rig.deployed()
    rig.place.lines = [(rig.clock.now, "web.1", f"GET / {EVIL}")]
    text = rig.browser().get("/deploys/d1").text
    assert f"GET / {SHOWN}" in text
    assert "\x1b" not in text


def test_the_address_that_was_not_found_is_text(rig: Rig) -> None:
    answer = rig.browser().get('/apps/<img src=x onerror="1">')
    assert answer.status == 404
    assert "<img" not in answer.text


def test_the_first_page_without_an_app_says_how_to_begin(rig: Rig) -> None:
    assert "pawl init" in rig.browser().get("/").text


def test_the_first_page_shows_each_app_with_what_is_live_and_what_is_deployed_now(rig: Rig) -> None:
    rig.deployed("shop", "Quicker feeds")
    rig.deployed("blog", "Write", outcome=None)
    text = rig.browser().get("/").text
    for part in ('href="/apps/shop"', 'href="/apps/blog"', "Quicker feeds", "web 0/1", "not all running", "observed"):
        assert part in text


def test_an_app_that_is_not_there_is_a_page(rig: Rig) -> None:
    answer = rig.browser().get("/apps/none")
    assert answer.status == 404
    assert "There is no app &#39;none&#39;." in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("path", ["/deploys/d9", "/deploys/d9/roll-back", "/nowhere", "/deploys/d1/explode"])
def test_what_is_not_there_is_a_page(rig: Rig, path: str) -> None:
    rig.deployed()
    answer = rig.browser().get(path)
    assert answer.status == 404
    assert "<h1>" in answer.text


def test_a_deploy_shows_its_stages_and_the_verdict_with_its_numbers(rig: Rig) -> None:
    rig.deployed()
    deploy = rig.deployed(title="Slower search")
    answers = (
        ExpectationAnswer(text="p95(/) < 80ms", is_required=True, outcome="not met", why="120 ms in 90 requests"),
    )
    observation = seen(verdict="roll back", expectations=answers)
    rig.place.ledger.append(
        VerdictReached(observation=observation, acts=False, note="it is asked"), app="shop", deploy=deploy
    )
    text = rig.browser().get(f"/deploys/{deploy}").text
    for part in ("fetched", "roll back", "it is asked", "25 %", "p95(/) &lt; 80ms", "not met", "120 ms in 90 requests"):
        assert part in text


def test_a_deploy_under_watch_shows_the_last_look(rig: Rig) -> None:
    rig.deployed()
    deploy = rig.deployed(outcome=None)
    rig.place.looks[deploy] = ("2026-05-09T07:00:00Z", seen(elapsed_s=12.0, why="errors 1 of 200"))
    text = rig.browser().get(f"/deploys/{deploy}").text
    assert "errors 1 of 200" in text
    assert "Watched for 12.0 s of 1 min 0 s" in text
    assert f'data-live="deploy:{deploy}"' in text


def test_only_what_is_live_can_be_rolled_back_and_it_is_asked_for_once_more(rig: Rig) -> None:
    old, new = rig.deployed(), rig.deployed(title="The second")
    browser = rig.browser()
    assert f'href="/deploys/{new}/roll-back"' in browser.get(f"/deploys/{new}").text
    assert "roll-back" not in browser.get(f"/deploys/{old}").text
    asks = browser.get(f"/deploys/{new}/roll-back")
    assert '<form method="post"' in asks.text
    assert rig.place.asked == []
    done = browser.post(f"/deploys/{new}/roll-back")
    assert (done.status, done.header("location")) == (303, "/deploys/d1")
    refused = browser.post(f"/deploys/{old}/roll-back")
    assert refused.status == 409
    assert "cannot be rolled back" in refused.text
    assert rig.place.asked == [("roll back", "shop", "dashboard")]


def test_times_are_those_of_the_browsers_zone(rig: Rig) -> None:
    rig.clock.now = 1_780_000_000.0  # 2026-05-28 20:26:40 UTC
    rig.deployed(outcome=Outcome.FAILED)
    browser = rig.browser()
    browser.cookies["tz"] = "Asia/Kolkata"
    text = browser.get("/deploys/d1").text
    assert '<time datetime="2026-05-28T20:26:41.000Z" title="2026-05-29 01:56:41 IST">01:56:41</time>' in text
    assert "times in IST" in text


@pytest.mark.parametrize("zone", ["../../etc/passwd", "Mars/Olympus", "x" * 999, "", "/etc/localtime"])
def test_a_zone_that_is_none_is_that_of_the_machine(rig: Rig, zone: str) -> None:
    rig.deployed()
    browser = rig.browser()
    browser.cookies["tz"] = zone
    assert browser.get("/deploys/d1").status == 200


def test_a_page_is_packed_where_the_browser_takes_that(rig: Rig) -> None:
    rig.deployed()
    browser = rig.browser()
    plain, packed = browser.get("/"), browser.get("/", accept_encoding="gzip, br")
    assert packed.header("content-encoding") == "gzip"
    assert len(packed.body) < len(plain.body) / 2
