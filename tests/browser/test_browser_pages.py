"""Every page in a real Chromium: readable in light and dark, on a phone, by keyboard, without JavaScript, by axe."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_rig import PHONE, Visitor, sideways, violations
from tests.browser.lively import EVIL, Lively

Where = Callable[[Lively], str]
PAGES: dict[str, Where] = {
    "apps": lambda _: "/",
    "an app": lambda _: "/apps/shop",
    "an app without traffic": lambda _: "/apps/hello",
    "a deploy that was kept": lambda home: f"/deploys/{home.deploys['evil']}",
    "a deploy that was taken back": lambda home: f"/deploys/{home.deploys['taken back']}",
    "a deploy that failed": lambda home: f"/deploys/{home.deploys['failed']}",
    "roll back?": lambda home: f"/deploys/{home.deploys['evil']}/roll-back",
    "measures": lambda _: "/measures",
    "the ledger": lambda _: "/ledger?app=hello",
}


@pytest.fixture(params=list(PAGES))
def where(request: pytest.FixtureRequest, home: Lively) -> str:
    """The path of each page in turn."""
    return PAGES[str(request.param)](home)


def test_a_page_is_usable_by_everybody(where: str, visitor: Visitor) -> None:
    page = visitor.page(where, stands_still=True)
    assert violations(page) == []
    walk_by_keyboard(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    for element in page.locator("details > summary").all():
        element.click()
    assert violations(page) == []
    assert sideways(page) == []


def walk_by_keyboard(page: Page) -> None:
    """Tab through the whole page: every control is reached once, and each shows that it has the focus."""
    wanted: int = page.evaluate(f"() => [...document.querySelectorAll({_CONTROLS!r})].filter({_IS_SHOWN}).length")
    seen: list[dict[str, Any]] = []
    for _ in range(2 * wanted + 20):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None or any(focused["key"] == one["key"] for one in seen[:-1]):
            break
        if not seen or focused["key"] != seen[-1]["key"]:  # a date has several stops of its own
            seen.append(focused)
    assert seen[0]["text"] == "Skip to the content"
    assert len(seen) == wanted, [one["text"] for one in seen]
    assert [one["text"] for one in seen if not one["ring"]] == []


_CONTROLS = "a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex='0']"
_IS_SHOWN = "(one) => one.checkVisibility()"
_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body || one === document.documentElement) return null;
  window.walkedOver = window.walkedOver || new Map();
  if (!window.walkedOver.has(one)) window.walkedOver.set(one, window.walkedOver.size);
  const style = getComputedStyle(one);
  const ring = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  return { key: window.walkedOver.get(one), text: one.textContent.trim().slice(0, 60), ring };
}"""


def test_without_javascript_the_page_says_the_same_and_that_it_stands_still(where: str, visitor: Visitor) -> None:
    moving, still = visitor.page(where), visitor.page(where, has_script=False)
    assert still.title() == moving.title()
    for name in ("h1", "h2", "th", "button", "a"):
        assert still.locator(f"main {name}").count() == moving.locator(f"main {name}").count(), name
    if moving.locator("html[data-live]").count():
        assert "Without JavaScript this page stands still" in still.locator("main").inner_text()


def test_the_skip_link_leads_past_the_head(visitor: Visitor) -> None:
    page = visitor.page()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("() => !!document.activeElement.closest('main')")


def test_one_walks_from_the_apps_to_a_deploy_by_keyboard_alone(home: Lively, visitor: Visitor) -> None:
    page = visitor.page()
    page.get_by_role("link", name="shop", exact=True).first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("shop")
    page.get_by_role("link", name=home.deploys["taken back"], exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Pay with a card")


def test_what_a_commit_is_called_is_text_and_no_script(home: Lively, visitor: Visitor) -> None:
    page = visitor.page()
    page.on("dialog", lambda dialog: visitor.faults.found.append(f"a dialog: {dialog.message}"))
    for path in ("/", "/apps/shop", f"/deploys/{home.deploys['evil']}", f"/deploys/{home.deploys['evil']}/roll-back"):
        page.goto(f"{visitor.dashboard.base}{path}")
        assert EVIL in page.locator("main").inner_text(), path
        assert page.locator("main script").count() == 0


def test_a_deploy_that_was_taken_back_says_why(home: Lively, visitor: Visitor) -> None:
    page = visitor.page(f"/deploys/{home.deploys['taken back']}")
    expect(page.locator("#part-state")).to_contain_text("rolled back")
    expect(page.locator("#part-seen")).to_contain_text("errors")
    row = page.locator("#part-seen tr", has_text="GET /search")
    expect(row.first).to_contain_text("errors")
    stages = page.locator("#part-stages tbody th").all_inner_texts()
    assert stages[0] == "queued"
    assert {"built", "healthy", "switched", "observed"} <= set(stages)


def test_a_deploy_that_failed_says_why(home: Lively, visitor: Visitor) -> None:
    page = visitor.page(f"/deploys/{home.deploys['failed']}")
    expect(page.locator("#part-state")).to_contain_text("failed")
    expect(page.locator("#part-seen")).to_contain_text("It was not watched.")


def test_each_graph_can_be_had_as_csv_and_as_json(visitor: Visitor) -> None:
    page = visitor.page("/apps/shop?span=1h", stands_still=True)
    figure = page.locator("figure.chart").first
    for kind, first in (("CSV", "text/csv"), ("JSON", "application/json")):
        address = figure.get_by_role("link", name=kind).get_attribute("href")
        answer = page.request.get(f"{visitor.dashboard.base}{address}")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(first)
    assert answer.json()


def test_a_deploys_mark_leads_to_it_and_says_what_it_was(home: Lively, visitor: Visitor) -> None:
    page = visitor.page("/apps/shop?span=1h", stands_still=True)
    mark = page.locator("svg.chart a.mark").last
    assert mark.get_attribute("aria-label")
    mark.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/deploys/d*")


def test_times_are_those_of_the_browsers_zone(visitor: Visitor) -> None:
    page = visitor.page()
    expect(page.locator("footer")).to_have_text(re.compile("times in CES?T"))


def test_the_numbers_are_those_of_pawl_signals(home: Lively, visitor: Visitor) -> None:
    answer = home.pawl.json("signals", "shop", "--since", "1h")
    page = visitor.page(f"/deploys/{home.deploys['taken back']}")
    text = page.locator("#part-seen").inner_text()
    shown = [int(number.replace(",", "")) for number in re.findall(r"candidate \w+\s+([\d,]+)", text)]
    assert shown
    assert 0 < shown[0] <= answer["requests"]
