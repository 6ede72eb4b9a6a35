"""What happens is seen without a reload, and what a button offers is done: in a real Chromium, during real deploys."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.browser_rig import PHONE, Dashboard, Visitor, chromium, come_in, sideways, violations
from tests.browser.lively import SHOP, Lively
from tests.support import eventually, repository, running

LONG = 120_000  # ms, on a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for which a stranger's name leads to this machine."""
    with chromium("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        yield browser


@pytest.fixture(scope="module")
def home() -> Iterator[Lively]:
    """A home with one app that was deployed twice."""
    path = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    try:
        with running(path / "home") as pawl:
            home = Lively(pawl, repository(path / "shop", SHOP), {})
            for title in ("Open the shop", "Paint it"):
                home.change(title)
                home.deploy()
            yield home
    finally:
        shutil.rmtree(path, ignore_errors=True)


def mark(page: Page) -> None:
    """Leave a sign that a reload would wipe out."""
    page.evaluate("() => { window.wasNotReloaded = true; }")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("() => window.wasNotReloaded === true"))


def test_a_deploy_shows_up_and_moves_through_its_stages_without_a_reload(home: Lively, visitor: Visitor) -> None:
    apps, app = visitor.page("/"), visitor.page("/apps/shop")
    for page in (apps, app):
        expect(page.locator("#live-state")).to_have_text("live")
        mark(page)
    is_seen = home.shop.path.with_name("is-seen")
    waits = f'[build]\ntest = "while [ ! -e {is_seen} ]; do sleep 0.1; done"'
    home.change("Greet people", observe="duration_s = 10", top=waits)
    process = home.pawl.spawn("deploy", home.shop.path)
    try:
        expect(app.locator(".running")).to_contain_text("Greet people", timeout=LONG)
        expect(apps.locator(".running")).to_contain_text("Greet people", timeout=LONG)
        address = app.locator(".running a").first.get_attribute("href")
        deploy = visitor.page(str(address))
        mark(deploy)
        state = deploy.locator("#part-state .badge")
        expect(state).to_have_text("tested", timeout=LONG)
        is_seen.touch()
        seen = ["tested"]
        while seen[-1] != "kept" and len(seen) < 20:
            expect(state).not_to_have_text(seen[-1], timeout=LONG)
            seen.append(state.inner_text())
        assert seen[-1] == "kept"
        rows = deploy.locator("#part-stages tbody th").all_inner_texts()
        assert {"tested", "switched", "observed"} <= set(rows)
        expect(app.locator("#part-deploys tbody tr").first).to_contain_text("kept", timeout=LONG)
        expect(apps.locator("#part-deploys tbody tr").first).to_contain_text("kept", timeout=LONG)
        expect(app.locator("#part-now")).to_contain_text("Greet people")
        assert [is_marked(page) for page in (apps, app, deploy)] == [True] * 3
    finally:
        process.communicate(timeout=120)


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_the_button_rolls_back(has_script: bool, home: Lively, visitor: Visitor) -> None:
    home.change("Paint it black")
    deploy = home.deploy()
    before = home.pawl.status("shop")["live"]["release"]
    to = home.pawl.json("deploys", "shop")["deploys"][1]["release"]
    page = visitor.page(f"/deploys/{deploy}", has_script=has_script)
    page.get_by_role("link", name="Roll back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Roll back?")
    assert home.pawl.status("shop")["live"]["release"] == before, "it is asked for once more"
    page.get_by_role("button", name="Roll back").click()
    page.wait_for_url("**/deploys/d*")
    live = eventually(lambda: _release_other_than(home, before), within_s=60)
    assert live != before
    made = home.pawl.json("deploys", "shop")["deploys"][0]
    assert (made["kind"], made["asked_by"], made["release"]) == ("rollback", "dashboard", live)
    assert page.url.endswith(f"/deploys/{made['deploy']}")
    if has_script:
        expect(page.locator("#part-state .badge")).to_have_text("kept", timeout=LONG)
    assert to


def _release_other_than(home: Lively, release: str) -> str | None:
    live = str(home.pawl.status("shop")["live"]["release"])
    return live if live != release else None


def test_the_button_keeps_a_change_that_is_watched(home: Lively, visitor: Visitor) -> None:
    with home.load() as load:
        eventually(lambda: load.tally.served >= 400, within_s=120)  # without traffic there is nothing to watch
        home.change("Paint it blue", observe="duration_s = 900")
        process = home.pawl.spawn("deploy", home.shop.path, "--json")
        try:
            app = visitor.page("/apps/shop")
            running = app.locator(".running", has_text="Paint it blue").get_by_role("link").first
            page = visitor.page(str(running.get_attribute("href", timeout=LONG)))
            page.get_by_role("link", name="Keep", exact=True).click(timeout=LONG)
            expect(page.get_by_role("heading", level=1)).to_have_text("Keep this change?")
            page.get_by_role("button", name="Keep it").click()
            expect(page.locator("#part-state .badge")).to_have_text("kept", timeout=LONG)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.communicate()


def test_what_was_learned_is_written_down_and_shown(home: Lively, visitor: Visitor) -> None:
    deploy = home.pawl.json("deploys", "shop")["deploys"][0]["deploy"]
    page = visitor.page(f"/deploys/{deploy}")
    page.locator("#learn > summary").click()
    page.get_by_label("What the next one should know").fill("<b>Ask</b> before painting")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Keep it in the ledger").click()
    expect(page.locator("main")).to_contain_text("<b>Ask</b> before painting", timeout=LONG)
    assert "<b>Ask</b> before painting" in home.pawl.ok("ledger", "list")


def test_who_has_no_session_sees_how_to_get_one(visitor: Visitor) -> None:
    visitor.faults.allowed.add(401)
    page = visitor.stranger(size=PHONE)
    for path in ("/", "/apps/shop", "/ledger", "/measures"):
        answer = page.goto(f"{visitor.dashboard.base}{path}")
        assert answer is not None
        assert answer.status == 401
    assert "Paint" not in page.content()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who is there?")
    assert violations(page) == []
    assert sideways(page) == []


def test_a_link_is_good_once(home: Lively, visitor: Visitor) -> None:
    visitor.faults.allowed.add(401)
    link = home.pawl.ok("open", "shop", "--print-url").splitlines()[0]
    first, second = visitor.stranger(), visitor.stranger()
    come_in(first, link)
    expect(first.get_by_role("heading", level=1)).to_have_text("shop")
    answer = second.goto(link)
    assert answer is not None
    assert answer.status == 401
    expect(second.get_by_role("heading", level=1)).to_have_text("This link is not good any more")


def test_another_name_for_this_machine_is_refused(visitor: Visitor) -> None:
    """DNS rebinding: a name of the attacker's that leads to loopback has no page, and a session is not sent to it."""
    visitor.faults.named.add("evil.example")
    visitor.faults.allowed.add(421)  # also for the mark in its tab, which a browser asks for when it likes
    page = visitor.page()
    port = visitor.dashboard.base.rpartition(":")[2]
    answer = page.goto(f"http://evil.example:{port}/")
    assert answer is not None
    assert answer.status == 421
    assert "shop" not in page.locator("main").inner_text()
    page.close()
    visitor.faults.forget("evil.example")
    visitor.faults.forget("Cross-Origin-Opener-Policy")  # which is for names that a browser trusts


def test_a_page_of_another_site_cannot_press_a_button(home: Lively, visitor: Visitor) -> None:
    visitor.faults.allowed.add(403)
    before = home.pawl.json("deploys", "shop")["deploys"]
    page = visitor.page()
    page.goto(f"http://shop.localhost:{home.pawl.port}/")
    with page.expect_response(lambda answer: "/roll-back" in answer.url) as caught:
        page.evaluate(
            """([base, deploy]) => {
              const form = document.createElement("form");
              form.method = "post";
              form.action = `${base}/deploys/${deploy}/roll-back`;
              document.body.append(form);
              form.submit();
            }""",
            [visitor.dashboard.base, before[0]["deploy"]],
        )
    answer: Response = caught.value
    assert answer.status == 403
    assert len(home.pawl.json("deploys", "shop")["deploys"]) == len(before)


def test_every_session_ends_when_it_is_said_so(browser: Browser, place: Path) -> None:
    with running(place / "home") as pawl:
        _session_ends(Visitor(browser, Dashboard.opened(browser, pawl)))


def _session_ends(visitor: Visitor) -> None:
    visitor.faults.allowed.add(401)
    page = visitor.page("/", stands_still=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Apps")
    visitor.dashboard.pawl.ok("open", "--revoke")
    answer = page.reload()
    assert answer is not None
    assert answer.status == 401
    visitor.leave()
