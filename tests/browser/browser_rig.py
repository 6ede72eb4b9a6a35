"""A real Chromium that looks at the dashboard of a real pawld, and takes down everything that is wrong meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, expect, sync_playwright

from tests.support import Pawl, program

expect.set_options(timeout=30_000)  # its own 5 s are few on a busy machine

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI} in ${event.sourceFile}`));
"""
PHONE = (360, 640)
DESK = (1280, 900)

Colours = Literal["light", "dark"]


@contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """One browser, with more arguments of its own.

    Its event loop stays in this thread while it runs, so that asyncio.run cannot be used meanwhile.
    """
    arguments = ["--disable-gpu", "--disable-dev-shm-usage", *more, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    binary = program(*_NAMES, package="chromium fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass  # no slots: Playwright keeps its own beside a handler
class Faults:
    """What must not happen while somebody looks.

    ``allowed`` are statuses that a test asks for on purpose, ``named`` other names of this machine that it uses.
    """

    found: list[str] = field(default_factory=list)
    allowed: set[int] = field(default_factory=set)
    named: set[str] = field(default_factory=set)

    def follow(self, context: BrowserContext) -> None:
        """Take down everything of this context from now on."""
        context.add_init_script(_VIOLATIONS)
        context.on("page", self._follow_page)
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def forget(self, words: str) -> None:
        """Drop what was found and has these words in it: the test meant it."""
        self.found = [fault for fault in self.found if words not in fault]

    def _follow_page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.found.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._said(message.type, message.text))

    def _said(self, kind: str, text: str) -> None:
        is_about_a_status = text.startswith("Failed to load resource") and self.allowed
        if kind in ("error", "warning") and not is_about_a_status:
            self.found.append(f"console {kind}: {text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        name = parts.hostname or ""
        is_here = name in _LOOPBACK or name in self.named or name.endswith(".localhost")
        if parts.scheme in ("http", "https", "ws", "wss") and not is_here:
            self.found.append(f"a request left the machine: {request.url}")

    def _failed(self, request: Request) -> None:
        is_left = request.failure == "net::ERR_ABORTED"  # the page was left while it loaded or followed
        if not is_left:
            self.found.append(f"{request.method} {request.url} failed: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.allowed:
            self.found.append(f"{response.request.method} {response.url} answered {response.status}")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where a dashboard is, and the session of a browser that has come in by ``pawl open``."""

    pawl: Pawl
    base: str
    session: Any

    @classmethod
    def opened(cls, browser: Browser, pawl: Pawl) -> Dashboard:
        """Come in by a one-time link."""
        context = browser.new_context()
        page = context.new_page()
        come_in(page, pawl.ok("open", "--print-url").splitlines()[0])
        session = context.storage_state()
        base = page.url.rstrip("/")
        context.close()
        return cls(pawl, base, session)


def come_in(page: Page, link: str, *, has_script: bool = True) -> None:
    """Go through a one-time link, to the page it leads to."""
    page.goto(link)
    if not has_script:
        page.get_by_role("button", name="Open the dashboard").click()
    page.wait_for_url(lambda url: "/open/" not in url)
    page.wait_for_load_state("load")


@dataclass(slots=True)
class Visitor:
    """Somebody with a browser, and what went wrong in it."""

    browser: Browser
    dashboard: Dashboard
    faults: Faults = field(default_factory=Faults)
    contexts: list[BrowserContext] = field(default_factory=list)

    def stranger(
        self, *, size: tuple[int, int] = DESK, colours: Colours = "light", has_script: bool = True, **more: Any
    ) -> Page:
        """A page of somebody who is not signed in."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=colours, java_script_enabled=has_script,
            locale="en-GB", timezone_id="Europe/Vienna", reduced_motion="reduce", **more,
        )  # fmt: skip
        context.set_default_timeout(60_000)
        self.faults.follow(context)
        self.contexts.append(context)
        return context.new_page()

    def page(self, path: str = "/", *, stands_still: bool = False, **options: Any) -> Page:
        """A page of somebody who is signed in; one that ``stands_still`` is not told what happens."""
        page = self.stranger(storage_state=self.dashboard.session, **options)
        if stands_still:
            page.route("**/live?*", lambda route: route.fulfill(status=204))
        page.goto(f"{self.dashboard.base}{path}")
        return page

    def leave(self) -> None:
        """Close every page; nothing may have gone wrong."""
        for context in self.contexts:
            context.close()
        assert not self.faults.found, self.faults.found


def violations(page: Page) -> list[str]:
    """What axe finds, a line each."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found for node in one["nodes"]]


def sideways(page: Page) -> list[str]:
    """What is wider than the window and does not scroll in a place of its own; empty if the page does not scroll."""
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("body *")]
            .filter((one) => one.getBoundingClientRect().right > width + 1 && !one.closest(".scroll, .log"))
            .map((one) => `${one.tagName}#${one.id}.${one.className}: ${one.getBoundingClientRect().right}`);
        }"""
    )
    return found
