"""What the pages say, and that nothing in them is anything but text."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import get_args

import pytest

from pawl.dashboard.pages import stories
from pawl.dashboard.pages.ledger import KINDS
from pawl.ledger.events import (
    Event,
    IncidentClosed,
    IncidentOpened,
    Note,
    StageBegan,
    Switched,
    VerdictReached,
    kind_of,
)
from pawl.ledger.observations import CheckAnswer, ExpectationAnswer, Figures, Observation, PathPoint
from pawl.model import Outcome, Stage
from tests.ledger_rig import Team
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


def test_while_there_is_a_canary_it_is_what_goes_and_what_is_live_is_not_offered(rig: Rig) -> None:
    rig.deployed()
    live = rig.deployed(title="The second")
    canary = rig.queued("The third", StageBegan(stage=Stage.CANARY))
    browser = rig.browser()
    assert "roll-back" not in browser.get(f"/deploys/{live}").text
    refused = browser.post(f"/deploys/{live}/roll-back")
    assert refused.status == 409
    assert "a canary serves beside it" in refused.text
    assert rig.place.asked == []
    assert browser.post(f"/deploys/{canary}/roll-back").status == 303


def test_only_what_is_under_watch_can_be_kept_and_it_is_asked_for_once_more(rig: Rig) -> None:
    old, new = rig.deployed(), rig.deployed(title="The second", outcome=None)
    browser = rig.browser()
    assert "/keep" not in browser.get(f"/deploys/{new}").text
    rig.place.looks[new] = ("2026-05-09T07:00:00Z", seen(elapsed_s=12.0))
    assert f'href="/deploys/{new}/keep"' in browser.get(f"/deploys/{new}").text
    assert "stays live whatever was seen" in browser.get(f"/deploys/{new}/keep").text
    assert rig.place.asked == []
    done = browser.post(f"/deploys/{new}/keep")
    assert (done.status, done.header("location")) == (303, f"/deploys/{new}")
    refused = browser.post(f"/deploys/{old}/keep")
    assert refused.status == 409
    assert rig.place.asked == [("keep", new, "dashboard")]


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


def test_the_graphs_of_an_app_are_on_its_page_with_their_figures(rig: Rig) -> None:
    rig.deployed()
    browser = rig.browser()
    text = browser.get("/apps/shop?span=1h").text
    assert '<figure class="chart" id="requests">' in text
    assert 'aria-current="true">1 h<' in text
    (href,) = re.findall(r'href="(/apps/shop/graphs/requests\.csv[^"]*)"', text)
    answer = browser.get(href.replace("&amp;", "&"))
    assert answer.header("content-type").startswith("text/csv")
    assert answer.text.startswith("time,")
    told = json.loads(browser.get("/apps/shop/graphs/requests.json?span=1h").text)
    assert told["id"] == "requests"
    part = browser.get("/apps/shop/graphs?span=1h").text
    assert part in text


@pytest.mark.parametrize(
    "path",
    ["/apps/shop?span=2y", "/apps/shop?from=x", "/ledger?kind=nothing", "/ledger?from=2026-13-01", "/ledger?before=-1"],
)
def test_an_address_that_asks_for_nonsense_is_a_page_that_says_so(rig: Rig, path: str) -> None:
    rig.deployed()
    answer = rig.browser().get(path)
    assert answer.status == 400
    assert "<h1>" in answer.text


@pytest.mark.parametrize("path", ["/apps/shop/graphs/none.csv", "/apps/shop/graphs/requests.xls", "/apps/none/graphs"])
def test_a_graph_that_is_not_there_is_a_page(rig: Rig, path: str) -> None:
    rig.deployed()
    assert rig.browser().get(path).status == 404


def test_the_ledger_is_searched_and_what_is_found_is_text(rig: Rig) -> None:
    rig.deployed("shop", EVIL)
    rig.deployed("blog", "Write more")
    browser = rig.browser()
    assert SHOWN in browser.get("/ledger").text
    found = browser.get("/ledger?q=write+more&app=blog&kind=deploys").text
    assert "deploy of d20000000000 was asked for by ada: Write more" in found
    assert "shop</a>" not in found
    assert "Nothing like that is recorded" in browser.get("/ledger?q=nowhere").text
    assert SHOWN in browser.get("/ledger?deploy=d1&from=2026-05-28&to=2026-05-29").text
    assert "Nothing like that" in browser.get("/ledger?to=2026-05-27").text


def test_the_ledger_is_paged_and_every_event_is_on_one_page(rig: Rig) -> None:
    for number in range(150):
        rig.place.ledger.append(Note(text=f"note {number:03}", by=""))
    browser = rig.browser()
    first = browser.get("/ledger").text
    (older,) = re.findall(r'href="(/ledger\?[^"]*before[^"]*)"', first)
    second = browser.get(older).text
    notes = re.findall(r"note (\d{3})", first) + re.findall(r"note (\d{3})", second)
    assert notes == [f"{number:03}" for number in reversed(range(150))]


def test_every_kind_of_event_is_in_a_group_and_has_a_sentence() -> None:
    kinds = {kind_of(kind) for kind in get_args(Event)}
    assert kinds == {kind for _, names in KINDS.values() for kind in names}
    assert kinds == set(stories._SENTENCES)


def test_what_was_learned_is_written_down_and_shown(rig: Rig) -> None:
    deploy = rig.deployed()
    browser = rig.browser()
    assert f'action="/deploys/{deploy}/learn"' in browser.get(f"/deploys/{deploy}").text
    done = browser.post(f"/deploys/{deploy}/learn", form={"text": f"Ask first {EVIL}", "by": "Ada"})
    assert (done.status, done.header("location")) == (303, f"/deploys/{deploy}#after-h")
    assert f"Ask first {SHOWN}" in browser.get(f"/deploys/{deploy}").text
    assert browser.post(f"/deploys/{deploy}/learn", form={"text": " "}).status == 409
    assert browser.post(f"/deploys/{deploy}/learn", form={"text": "x" * 70_000}).status == 413


def test_how_the_evidence_ran_is_drawn_with_what_takes_the_change_back(rig: Rig) -> None:
    rig.deployed()
    deploy = rig.deployed(outcome=None)
    path = tuple(PathPoint(elapsed_s=float(at), log_e=at / 10, requests=at * 9) for at in range(0, 60, 5))
    rig.place.ledger.append(VerdictReached(observation=seen(path=path), acts=False), app="shop", deploy=deploy)
    text = rig.browser().get(f"/deploys/{deploy}").text
    assert 'id="evidence-over-time"' in text
    assert "takes the change back" in text
    assert "<data>138 %</data>" in text  # 5.5 of 4


def test_with_a_canary_the_evidence_is_drawn_from_when_that_began(rig: Rig) -> None:
    rig.deployed()
    deploy = rig.queued("The next", StageBegan(stage=Stage.CANARY))
    began = rig.clock.now
    rig.clock.now += 600
    switched = Switched(release=deploy.ljust(12, "0"), settings=0, commit=deploy.ljust(40, "0"))
    for event in (switched, StageBegan(stage=Stage.OBSERVED)):
        rig.place.ledger.append(event, app="shop", deploy=deploy)
    rig.clock.now += 60
    path = tuple(PathPoint(elapsed_s=float(at), log_e=0.1, requests=at) for at in range(0, 660, 60))
    rig.place.ledger.append(VerdictReached(observation=seen(path=path), acts=False), app="shop", deploy=deploy)
    text = rig.browser().get(f"/deploys/{deploy}").text
    first = re.search(r"<th scope=row>([^<]+)", text.split('id="evidence-over-time"')[1])
    assert first is not None
    assert first[1] == f"{datetime.fromtimestamp(began).astimezone():%-d %b %H:%M:%S}"


def test_what_came_of_the_checks_is_shown(rig: Rig) -> None:
    deploy = rig.deployed(outcome=None)
    checks = (
        CheckAnswer(path="/ready", is_good=True, why="HTTP 200"),
        CheckAnswer(path="/<b>", is_good=False, why="HTTP 503 at /<b>", fails_before=True),
    )
    rig.place.looks[deploy] = ("2026-05-09T07:00:00Z", seen(checks=checks))
    text = rig.browser().get(f"/deploys/{deploy}").text
    assert '<code>/ready</code> <span class="verdict good">passed</span> HTTP 200' in text
    assert '<code>/&lt;b&gt;</code> <span class="verdict bad">failed</span> HTTP 503 at /&lt;b&gt;, as before' in text


def test_how_the_evidence_runs_is_drawn_while_it_is_gathered(rig: Rig) -> None:
    deploy = rig.deployed(outcome=None)
    path = tuple(PathPoint(elapsed_s=float(at), log_e=at / 10, requests=at * 9) for at in range(0, 20, 5))
    rig.place.looks[deploy] = ("2026-05-09T07:00:00Z", seen(elapsed_s=20.0, path=path))
    text = rig.browser().get(f"/deploys/{deploy}").text
    assert 'id="evidence-over-time"' in text
    assert "<data>37.5 %</data>" in text


def test_incidents_are_shown_with_the_app_and_with_the_deploy_that_caused_them(rig: Rig) -> None:
    deploy = rig.deployed()
    opened = IncidentOpened(incident="i1", title=EVIL, began_at=rig.clock.moment(), by="ada", caused_by=deploy)
    rig.place.ledger.append(opened, app="shop")
    browser = rig.browser()
    assert SHOWN in browser.get("/apps/shop").text
    assert "It caused <b>i1</b>" in browser.get(f"/deploys/{deploy}").text
    closed = IncidentClosed(incident="i1", ended_at=rig.clock.moment(), by="ada", note="turned off and on")
    rig.place.ledger.append(closed, app="shop")
    assert SHOWN not in browser.get("/apps/shop").text
    assert "turned off and on" in browser.get(f"/deploys/{deploy}").text


def test_the_measures_have_intervals_definitions_and_what_failed(rig: Rig) -> None:
    for number in range(25):
        rig.deployed(title=f"Change {number}")
        rig.clock.now += 40_000
    bad = rig.deployed(title="A slip", outcome=Outcome.KEPT)
    opened = IncidentOpened(incident="i1", title="Slow", began_at=rig.clock.moment(), by="ada", caused_by=bad)
    rig.place.ledger.append(opened, app="shop")
    rig.clock.now += 600
    browser = rig.browser()
    for path in ("/measures", "/measures?app=shop&span=30d"):
        text = browser.get(path).text
        for part in ("1 of 26", "3.8 %", "0.68 % to 19 %", f'href="/deploys/{bad}"', "so far", "Wilson", "Not counted"):
            assert part in text, part
        assert text.count('<figure class="chart"') == 4  # all but the recovery, for it is not over
        assert "too few" not in text


def test_measures_of_few_deploys_say_that_they_say_little(rig: Rig) -> None:
    browser = rig.browser()
    assert "Nothing was deployed yet" in browser.get("/measures").text
    rig.deployed()
    assert "too few deploys to say" in browser.get("/measures").text


def test_measures_of_nothing_are_a_page_that_says_so(rig: Rig) -> None:
    browser = rig.browser()
    assert browser.get("/measures?span=2y").status == 400
    assert browser.get("/measures?app=%3Cb%3E").status == 404
    assert "<b>'" not in browser.get("/measures?app=%3Cb%3E").text


def test_a_team_sees_what_is_live_and_what_happened_in_its_other_places(rig: Rig) -> None:
    browser = rig.browser()
    assert "Elsewhere" not in browser.get("/").text
    assert 'name="of"' not in browser.get("/ledger").text

    team = Team()
    there = team.joined("box-2")(rig.clock.moment)
    rig.place.ledger = team.joined("box-1")(rig.clock.moment)
    rig.deployed("shop", "Paint <it> blue")
    rig.place.ledger = there
    own = rig.deployed("blog", "Write more")
    team.joined("box-3", is_readable=False)(rig.clock.moment)

    first = browser.get("/").text
    here, elsewhere = first.split('<h2 id="elsewhere">')
    assert "blog" in here
    assert "shop" not in here
    for part in ('<a href="/ledger?of=box-1">box-1</a>', "shop", "Paint &lt;it&gt; blue", "kept", "Without box-3"):
        assert part in elsewhere, part
    assert "/apps/shop" not in first, "its page is on that machine"

    assert f'href="/deploys/{own}"' in browser.get("/ledger").text
    other = browser.get("/ledger?of=box-1&kind=deploys").text
    assert "<option selected>box-1</option>" in other
    assert "<td>shop</td>" in " ".join(other.split())
    assert "/deploys/" not in other
    assert "blog" not in other
    assert browser.get("/ledger?of=nowhere").status == 400
    assert browser.get("/ledger?of=box-3").status >= 400


def test_the_measures_of_a_team_are_of_one_place_or_of_all(rig: Rig) -> None:
    team = Team()
    there = team.joined("box-2")(rig.clock.moment)
    rig.place.ledger = team.joined("box-1")(rig.clock.moment)
    slip = rig.deployed()
    opened = IncidentOpened(incident="i1", title="Slow", began_at=rig.clock.moment(), by="ada", caused_by=slip)
    rig.place.ledger.append(opened, app="shop")
    rig.place.ledger, here = there, rig.place.ledger
    rig.deployed("blog", "Elsewhere")
    team.joined("box-3", is_readable=False)(rig.clock.moment)

    browser = rig.browser()
    alone = browser.get("/measures").text
    assert "1 change went live from" in alone
    assert "shop" not in alone
    both = browser.get("/measures?of=everywhere").text
    assert "2 changes went live in 2 places from" in both
    assert f'<td>box-1</td><th scope="row">{slip}</th><td>shop</td>' in both, "no link: its page is on that machine"
    assert "Without box-3" in both
    assert "of=everywhere&amp;span=30d" in both
    assert "1 change went live in 2 places" in browser.get("/measures?of=everywhere&app=shop").text
    rig.place.ledger = here
    assert f'href="/deploys/{slip}"' in browser.get("/measures?of=everywhere").text
