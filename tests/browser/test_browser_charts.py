"""Charts in a real Chromium: values by keyboard, pointer and finger, a span by dragging, under a strict policy."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from pawl.dashboard.charts import figure
from pawl.dashboard.charts.chart import Chart, Line
from tests.browser.browser_rig import PHONE, Faults, sideways
from tests.unit.dashboard.charts_rig import T0, chart, mark

_ADDRESS = "http://localhost/charts"  # answered within the browser
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'"
_STEPS = 60


def charts() -> list[Chart]:
    marks = (mark(T0 + 3000, title="<script>alert(1)</script>"),)
    ok, error = (
        [10.0 + place for place in range(_STEPS)],
        [None if 20 <= place < 25 else 1.0 for place in range(_STEPS)],
    )
    requests = chart(ok, error, id="requests", title="Requests", unit="per second", shape="area", marks=marks)
    times = (Line("p95", [0.1 + place / 1000 for place in range(_STEPS)], "p95"),)
    return [requests, chart(id="times", title="Times", lines=times, marks=marks, ended=requests.ended)]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    faults = Faults()
    faults.follow(context)
    page = context.new_page()
    page.route("**/*", answer)
    page.goto(f"{_ADDRESS}?span=24h")
    yield page
    context.close()
    assert not faults.found


def answer(route: Route) -> None:
    path = urlsplit(route.request.url).path
    static = files("pawl.dashboard").joinpath("static")
    if path == "/favicon.ico":
        route.fulfill(status=204)
        return
    kinds = {"/charts.css": "text/css", "/charts.js": "text/javascript"}
    if path in kinds:
        route.fulfill(content_type=kinds[path], body=static.joinpath(path[1:]).read_text())
        return
    shown = "".join(figure(one, zone=None) for one in charts())
    route.fulfill(
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY},
        body="<!doctype html><html lang=en><meta name=viewport content='width=device-width'><title>Charts</title>"
        "<link rel=stylesheet href=/charts.css><script src=/charts.js defer></script>"
        f"<main><h1>Charts</h1><div class=charts>{shown}</div></main>",
    )


def test_arrow_keys_tell_the_values_of_one_moment_on_all_charts(page: Page) -> None:
    page.locator("#requests > svg").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")

    readings = page.locator(".reading")
    expect(readings.nth(0)).to_contain_text("line 0 68 /s, line 1 1 /s")
    expect(readings.nth(1)).to_contain_text("p95 158 ms")
    expect(readings.nth(0)).to_have_attribute("aria-live", "polite")
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    expect(readings.nth(0)).to_contain_text("line 0 30 /s, line 1 –")
    page.keyboard.press("Escape")
    expect(readings.nth(0)).to_be_empty()


def test_the_pointer_tells_the_values_under_it(page: Page) -> None:
    box = page.locator("#times > svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.14, box["y"] + box["height"] / 2)

    expect(page.locator("#requests .reading")).to_contain_text("line 0 1")
    expect(page.locator("#times .reading")).to_contain_text("p95 1")


def test_a_span_that_is_dragged_is_gone_to(page: Page) -> None:
    box = page.locator("#requests > svg").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()

    page.wait_for_url("**from=*")
    asked = parse_qs(urlsplit(page.url).query)
    assert set(asked) == {"from", "to"}, "the usual span is not asked for any more"
    began, ended = int(asked["from"][0]), int(asked["to"][0])
    assert T0 < began < T0 + _STEPS * 150 < ended < T0 + _STEPS * 300


def test_a_click_is_no_span(page: Page) -> None:
    page.locator("#requests > svg").click(position={"x": 200, "y": 60})

    assert page.url.endswith("?span=24h")


def test_a_mark_is_reached_by_tab_and_named(page: Page) -> None:
    page.locator("#requests > svg").focus()
    page.keyboard.press("Tab")

    expect(page.locator("#requests a.mark")).to_be_focused()
    assert "<script>alert(1)</script>" in (page.locator("#requests a.mark").get_attribute("aria-label") or "")


def test_colours_come_from_the_style_sheet_light_and_dark(page: Page) -> None:
    area = page.locator("#requests .chart path.area.n1")
    fill = "element => getComputedStyle(element).fill"
    light = area.evaluate(fill)
    page.emulate_media(color_scheme="dark")

    assert (light, area.evaluate(fill)) == ("rgb(166, 94, 0)", "rgb(230, 162, 60)")
    assert page.locator("#times .chart path.line").evaluate(fill) == "none"


def test_charts_fit_a_phone_and_axe_has_nothing_to_say(page: Page) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})

    assert not sideways(page)
    size = page.locator("#requests text.value").first.evaluate("element => element.getBoundingClientRect().height")
    assert size >= 9, "the axis can be read"
    assert not Axe().run(page).response["violations"]
