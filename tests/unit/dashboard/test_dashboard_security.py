"""Who gets in, from where, and what every answer carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.dashboard.dashboard_rig import HOST, Browser, Rig

PAGES = ("/", "/apps/shop", "/deploys/d2", "/deploys/d2/roll-back")


@pytest.fixture
def rig(place: Path) -> Rig:
    rig = Rig(place)
    rig.deployed(title="The first")
    rig.deployed(title="The second")
    return rig


@pytest.mark.parametrize("path", [*PAGES, "/live?page=home"])
def test_without_a_session_every_page_is_refused_and_says_how_to_get_one(rig: Rig, path: str) -> None:
    answer = rig.browser(is_known=False).get(path)
    assert answer.status == 401
    assert "pawl open" in answer.text
    assert "shop" not in re.sub(r'href="[^"]*"', "", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_with_a_session_every_page_is_shown(rig: Rig, path: str) -> None:
    assert rig.browser().get(path).status == 200


def test_a_link_leads_through_a_form_to_its_page(rig: Rig) -> None:
    browser = rig.browser(is_known=False)
    path = f"/open/{rig.sessions.link('/apps/shop')}"
    for _ in range(2):
        offer = browser.get(path)
        assert offer.status == 200
        assert '<form method="post"' in offer.text
    taken = browser.post(path)
    assert (taken.status, taken.header("location")) == (303, "/apps/shop")
    cookie = taken.header("set-cookie")
    assert cookie.startswith("pawl_8090=")
    assert {"httponly", "samesite=strict", "path=/", "max-age=2592000"} <= set(cookie.lower().split("; "))
    assert browser.get("/apps/shop").status == 200


def test_a_link_that_is_looked_at_ahead_is_not_used_up(rig: Rig) -> None:
    browser = rig.browser(is_known=False)
    path = f"/open/{rig.sessions.link('/')}"
    browser.ask("HEAD", path, headers={})
    browser.get(path, sec_purpose="prefetch;prerender")
    assert browser.post(path).status == 303


def test_a_used_link_says_so(rig: Rig) -> None:
    path = f"/open/{rig.sessions.link('/')}"
    rig.browser(is_known=False).post(path)
    stranger = rig.browser(is_known=False)
    for answer in (stranger.get(path), stranger.post(path)):
        assert answer.status == 401
        assert "not good any more" in answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8090", "localhost:8090", "LOCALHOST:9999", "[::1]:8090", "localhost", "127.0.0.1"]
)
def test_a_loopback_name_is_answered_on_any_port_so_that_a_forward_works(rig: Rig, host: str) -> None:
    assert rig.browser(host=host.lower()).get("/").status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8090", "127.0.0.1.evil.example:8090", "localhost.evil.example", "10.0.0.1:8090",
        "shop.localhost:8090", "[::2]:8090", "127.0.0.1:8090@evil.example", "", "127.0.0.1:", "127.0.0.1:999999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/open/x", "/static/pawl.css"])
def test_any_other_host_is_refused(rig: Rig, host: str, path: str) -> None:
    browser = rig.browser()
    browser.host = host
    answer = browser.get(path)
    assert answer.status == 421
    assert "shop" not in answer.text


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("", ""), ("null", ""), ("http://evil.example", ""), ("http://localhost:8090", ""),
        ("https://127.0.0.1:8090", ""),
        (f"http://{HOST}", "cross-site"), (f"http://{HOST}", "same-site"), ("http://127.0.0.1:9000", "same-site"),
    ],
)  # fmt: skip
def test_a_post_from_anywhere_else_does_nothing(rig: Rig, origin: str, site: str) -> None:
    answer = rig.browser().post("/deploys/d2/roll-back", origin=origin, sec_fetch_site=site)
    assert answer.status == 403
    assert rig.place.asked == []


def test_an_older_browser_that_says_no_site_may_post(rig: Rig) -> None:
    assert rig.browser().post("/deploys/d2/roll-back", sec_fetch_site="").status == 303
    assert rig.place.asked == [("roll back", "shop", "dashboard")]


def test_a_post_without_a_session_does_nothing(rig: Rig) -> None:
    assert rig.browser(is_known=False).post("/deploys/d2/roll-back").status == 401
    assert rig.place.asked == []


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/apps/none"])
@pytest.mark.parametrize("is_known", [True, False])
def test_every_answer_carries_the_headers(rig: Rig, path: str, is_known: bool) -> None:
    answer = rig.browser(is_known=is_known).get(path)
    policy = answer.header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("referrer-policy") == "same-origin"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_script_or_a_style_of_its_own(rig: Rig, path: str) -> None:
    text = rig.browser().get(path).text
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", text) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_asks_for_anything_from_elsewhere(rig: Rig, path: str) -> None:
    text = rig.browser().get(path).text
    assert re.findall(r'(?:src|<link[^>]*href|action)="(?!/)[^"]+"', text) == []


def test_revoking_ends_the_sessions_that_are(rig: Rig) -> None:
    browser = rig.browser()
    rig.dashboard.revoke()
    assert browser.get("/").status == 401


def test_sessions_of_two_dashboards_on_one_host_do_not_clash(rig: Rig, place: Path) -> None:
    browser = rig.browser()
    (place / "b").mkdir()
    other = Rig(place / "b")
    elsewhere = Browser(other.dashboard.application(), "127.0.0.1:8091", browser.cookies)
    elsewhere.post(f"/open/{other.sessions.link('/')}")
    assert elsewhere.get("/").status == 200
    assert browser.get("/").status == 200


def test_static_files_are_kept_for_good_under_a_name_with_their_hash(rig: Rig) -> None:
    browser = rig.browser(is_known=False)
    sheet = re.findall(r'href="(/static/pawl\.[0-9a-f]{12}\.css)"', browser.get("/").text)[0]
    answer = browser.get(sheet)
    assert (answer.status, answer.header("content-type")) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.header("cache-control")
    assert browser.get("/static/pawl.css").status == 404
    assert browser.get("/static/..%2fserver.py").status == 404
