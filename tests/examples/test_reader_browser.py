"""The feed reader in a real Chromium: the stream by keyboard, by touch, without network, without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.browser_rig import DESK, PHONE, Faults, chromium, sideways
from tests.examples.reader_rig import Reader, Site, reader_site
from tests.support import eventually

_PATIENCE_MS = 30_000
_READERS = {
    "keys": 6, "passes": 12, "open": 3, "undo": 4, "leaves": 4, "offline": 4, "live": 3, "long": 130, "plain": 60,
    "touch": 8, "hostile": 0, "looks": 7, "seeks": 3, "feeds": 2, "patient": 60,
}  # fmt: skip
# A step for each frame: what was never seen, because somebody jumped over it, is not read.
_SCROLL = """async (to) => {
  const isThere = () => scrollY >= to || scrollY + innerHeight >= document.documentElement.scrollHeight - 1;
  while (!isThere()) {
    scrollBy(0, 150);
    await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
  }
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with reader_site(LOOK_FOR_NEWS_S="1", TIME_ZONE="UTC") as site:
        yield site


@pytest.fixture(scope="module")
def readers(site: Site) -> dict[str, Reader]:
    return site.readers(**_READERS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Visit:
    """A reader's browser; nothing may go wrong in it that a test does not ask for."""

    def __init__(self, browser: Browser, site: Site, readers: dict[str, Reader]) -> None:
        self.browser, self.site, self.readers = browser, site, readers
        self.faults = Faults()

    def page(self, name: str, path: str = "/", *, size: tuple[int, int] = DESK, **options: Any) -> Page:
        """A page of ``name``, who is logged in."""
        options = {"viewport": {"width": size[0], "height": size[1]}, "reduced_motion": "reduce"} | options
        context = self.browser.new_context(**options)
        context.set_default_timeout(_PATIENCE_MS)
        self.faults.follow(context)
        if name:
            cookie = {"name": "sessionid", "value": self.readers[name].session, "url": self.site.url}
            context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(self.site.url + path)
        return page

    def unread(self, name: str, *expected: int) -> None:
        """Wait until the server holds these titles for unread."""
        titles = [f"Title {n}" for n in expected]
        eventually(lambda: self.site.unread(self.readers[name]) == titles, within_s=60)


@pytest.fixture
def visit(browser: Browser, site: Site, readers: dict[str, Reader]) -> Iterator[Visit]:
    visit = Visit(browser, site, readers)
    yield visit
    for context in browser.contexts:
        context.close()
    assert visit.faults.found == []


def press(page: Page, keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def at(page: Page, title: str) -> None:
    """Wait until the entry is the one that the keys are about."""
    expect(page.locator("article[aria-current]")).to_contain_text(title)
    expect(page.locator("article:focus")).to_contain_text(title)


def test_j_and_k_move_and_what_was_left_behind_is_read(visit: Visit) -> None:
    page = visit.page("keys")
    expect(page.locator("#unread")).to_have_text("6")
    press(page, "jjj")
    at(page, "Title 2")
    expect(page.locator("#unread")).to_have_text("4")
    visit.unread("keys", 2, 3, 4, 5)
    press(page, "k")
    at(page, "Title 1")
    press(page, "m")
    expect(page.locator("#status")).to_have_text("Unread: Title 1")
    press(page, "jj")
    at(page, "Title 3")
    visit.unread("keys", 1, 3, 4, 5)
    press(page, "s")
    expect(page.locator("article[aria-current]")).to_have_class("entry is-starred")
    press(page, "r")
    expect(page.locator("article")).to_have_count(4)
    page.get_by_role("link", name="Starred").click()
    expect(page.locator("article")).to_contain_text("Title 3")


def test_the_keys_are_shown_and_do_nothing_while_somebody_types(visit: Visit) -> None:
    page = visit.page("seeks")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("next entry")
    press(page, "j")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("article[aria-current]")).to_have_count(0)
    press(page, "/")
    page.wait_for_url("**/search/")
    page.get_by_label("Words").fill("title jkmu")
    page.get_by_label("Words").fill("title")
    page.keyboard.press("Enter")
    expect(page.locator("article")).to_have_count(3)
    press(page, "jj")
    at(page, "Title 1")
    visit.unread("seeks", 0, 1, 2)


def test_enter_shows_an_entry_in_its_place_and_o_opens_it_in_a_new_tab(visit: Visit) -> None:
    page = visit.page("open")
    page.context.route("https://example.org/**", lambda route: route.fulfill(body="the article"))
    press(page, "j")
    at(page, "Title 0")
    page.keyboard.press("Enter")
    expect(page.locator("article[aria-current] .content")).to_contain_text("Content 0.")
    page.keyboard.press("Enter")
    expect(page.locator("article[aria-current] .content")).to_be_hidden()
    press(page, "j")
    at(page, "Title 1")
    with page.expect_popup() as popup:
        press(page, "o")
    assert popup.value.url == "https://example.org/1"
    assert popup.value.evaluate("opener") is None
    visit.unread("open", 2)
    visit.faults.forget("https://example.org/")  # answered above: nothing left the machine


def test_u_takes_back_one_after_the_other(visit: Visit) -> None:
    page = visit.page("undo")
    press(page, "jjj")
    at(page, "Title 2")
    visit.unread("undo", 2, 3)
    press(page, "u")
    at(page, "Title 1")
    press(page, "u")
    at(page, "Title 0")
    visit.unread("undo", 0, 1, 2, 3)
    press(page, "u")
    expect(page.locator("#status")).to_have_text("Nothing to undo.")
    press(page, "jj")  # what was taken back by hand stays unread when it is passed
    at(page, "Title 2")
    visit.unread("undo", 0, 1, 2, 3)


def test_a_tab_closed_at_once_loses_nothing(visit: Visit) -> None:
    page = visit.page("leaves")
    press(page, "jjj")
    at(page, "Title 2")
    page.close(run_before_unload=True)
    visit.unread("leaves", 2, 3)


def test_what_is_read_without_network_is_sent_when_the_reader_comes_back(visit: Visit) -> None:
    page = visit.page("offline")
    context = page.context
    context.set_offline(True)
    press(page, "jjj")
    at(page, "Title 2")
    expect(page.get_by_role("alert")).to_contain_text("No connection")
    page.close()
    assert len(visit.site.unread(visit.readers["offline"])) == 4
    context.set_offline(False)
    page = context.new_page()
    page.goto(visit.site.url)
    visit.unread("offline", 2, 3)
    expect(page.get_by_role("alert")).to_be_empty()
    visit.faults.forget("ERR_INTERNET_DISCONNECTED")


def test_new_entries_are_announced_and_move_nothing(visit: Visit) -> None:
    page = visit.page("live")
    press(page, "jj")
    at(page, "Title 1")
    before = page.locator("article[aria-current]").bounding_box()
    visit.site.rows("arrive", name="live", titles=["Breaking", "News"])
    expect(page.get_by_role("link", name="2 new")).to_be_visible()
    expect(page.locator("#status")).to_have_text("2 new: press r to see them.")
    assert page.locator("article[aria-current]").bounding_box() == before
    expect(page.locator("article")).to_have_count(3)
    page.locator("#news").click()
    expect(page.locator("article").first).to_contain_text("News")
    expect(page.locator("article")).to_have_count(4)


def test_a_long_stream_goes_on_by_itself(visit: Visit) -> None:
    page = visit.page("long")
    expect(page.locator("article").first).to_contain_text("Title 0")
    for n in range(1, 120):
        page.keyboard.press("j")
        if n % 20 == 0:
            at(page, f"Title {n - 1}")
    expect(page.locator("article")).to_have_count(130)
    assert page.locator("article .title").all_inner_texts() == [f"Title {n}" for n in range(130)]
    eventually(lambda: len(visit.site.unread(visit.readers["long"])) == 130 - 118, within_s=60)


def test_keys_pressed_while_more_is_on_its_way_are_not_lost(visit: Visit) -> None:
    page = visit.page("patient")
    held: list[Route] = []
    page.route("**/?before=*", lambda route: held.append(route))  # noqa: PLW0108  Playwright keeps its own beside a handler
    for _ in range(55):
        page.keyboard.press("j")
    at(page, "Title 49")

    def arrived() -> list[Route]:
        page.wait_for_timeout(20)  # Playwright tells of what happens only while it is waited for
        return held

    (asked,) = eventually(arrived)
    asked.continue_()
    at(page, "Title 54")


def test_what_was_scrolled_past_is_read(visit: Visit) -> None:
    page = visit.page("passes", size=(900, 500))
    page.evaluate(_SCROLL, 600)
    expect(page.locator("article.is-read").first).to_contain_text("Title 0")
    read = page.locator("article.is-read .title").all_inner_texts()
    assert 3 <= len(read) < 12
    press(page, "j")
    expect(page.locator("article[aria-current]")).not_to_have_class("is-read")
    eventually(lambda: "Title 0" not in visit.site.unread(visit.readers["passes"]), within_s=60)
    page.evaluate(_SCROLL, 1_000_000)  # to the very end, where the last one leaves the window too
    expect(page.locator("article.is-read")).to_have_count(12)
    visit.unread("passes")


def test_by_touch(visit: Visit) -> None:
    page = visit.page("touch", size=PHONE, has_touch=True, is_mobile=True)
    page.locator("article .summary").nth(1).tap()
    expect(page.locator("article .content").nth(1)).to_contain_text("Content 1.")
    page.get_by_role("link", name="Hide").tap()
    expect(page.locator("article .content").nth(1)).to_be_hidden()
    page.locator("article").nth(2).get_by_role("button", name="Star", exact=True).tap()
    expect(page.locator("article").nth(2)).to_have_class("entry is-starred")
    eventually(lambda: visit.site.starred(visit.readers["touch"]) == ["Title 2"], within_s=60)
    for target in page.locator(".acts button, .acts a").all()[:6]:
        box = target.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44


def test_without_javascript_everything_works_by_links_and_buttons(visit: Visit) -> None:
    page = visit.page("plain", java_script_enabled=False)
    page.get_by_role("button", name="Read", exact=True).first.click()
    expect(page.get_by_role("status").filter(has_text="marked read")).to_contain_text("1 entry marked read.")
    expect(page.locator("article").first).to_contain_text("Title 1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("article").first).to_contain_text("Title 0")
    page.get_by_role("link", name="Older").click()
    expect(page.locator("article").first).to_contain_text("Title 50")
    page.get_by_role("button", name="Mark these 10 read").click()
    page.get_by_role("link", name="Unread").click()
    page.get_by_role("link", name="Show").first.click()
    expect(page.locator(".content")).to_contain_text("Content 0.")
    visit.unread("plain", *range(50))


def test_what_strangers_wrote_can_run_nothing(visit: Visit) -> None:
    html = (  # as if the sanitiser had let it through
        "<p>Hello</p><img src=x onerror='window.stolen=1'><script>window.stolen=1</script>"
        "<style>body { display: none }</style>"
    )
    visit.site.rows("arrive", name="hostile", titles=["<script>window.stolen=1</script>"], content=html)
    page = visit.page("hostile")
    press(page, "j")
    page.keyboard.press("Enter")
    expect(page.locator(".content")).to_contain_text("Hello")
    expect(page.locator("body")).to_be_visible()
    page.goto(f"{visit.site.url}{page.locator('.more').get_attribute('href')}")
    expect(page.locator(".content")).to_contain_text("Hello")
    assert page.evaluate("window.stolen") is None
    assert any("CSP: script-src" in fault for fault in visit.faults.found)  # the browser refused, and said so
    visit.faults.found.clear()


def test_a_feed_is_renamed_unsubscribed_and_taken_back(visit: Visit) -> None:
    page = visit.page("feeds", "/feeds/")
    page.get_by_role("link", name="Feed of feeds").click()
    page.locator("summary", has_text="Rename").click()
    page.get_by_label("Title, or nothing").fill("Mine")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mine")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.locator("main")).to_contain_text("None yet.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Mine")).to_be_visible()


PAGES = ["/", "/starred/", "/search/?words=title", "/feeds/", "/account/", "/account/password/", "/nowhere"]
COLOURED = ["/", "/feeds/", "/account/", "/login/"]  # what the others are made of is on these
STRANGERS = ["/login/", "/sign-up/", "/reset/", "/reset/sent/", "/reset/x/y/"]


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_every_page_can_be_used_by_everybody_and_fits_a_phone(visit: Visit, colours: str) -> None:
    visit.faults.allowed = {404}
    page = visit.page("looks", color_scheme=colours)
    feed = page.goto(visit.site.url + "/feeds/") and page.locator(".feed a").get_attribute("href")
    entry = page.goto(visit.site.url) and page.locator(".more").first.get_attribute("href")
    stranger = visit.page("", "/login/", color_scheme=colours)
    for visitor, paths in ((page, [*PAGES, str(feed), str(entry)]), (stranger, STRANGERS)):
        for path in paths:
            visitor.goto(visit.site.url + path)
            for size in (PHONE, DESK):
                visitor.set_viewport_size({"width": size[0], "height": size[1]})
                assert sideways(visitor) == [], path
            if colours == "light" or path in COLOURED:
                check_access(visitor, path)
    page.goto(visit.site.url)
    press(page, "j")
    page.keyboard.press("Enter")
    expect(page.locator(".content").first).to_be_visible()
    check_access(page, "an open entry")
    press(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check_access(page, "the keys")


def check_access(page: Page, what: str) -> None:
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == [], what
