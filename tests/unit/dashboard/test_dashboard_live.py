"""Live updates: rendered once for all, sent as they change, and nobody is waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pawl.dashboard.live import MOST_WAITING, Hub, Stream, Subscriber
from pawl.ledger.events import MigrationsFound, StageBegan, Switched
from pawl.model import Outcome, Stage
from tests.unit.dashboard.dashboard_rig import Browser, Rig


class Page:
    """A topic whose fragments a test sets; counts how often it was rendered."""

    def __init__(self) -> None:
        self.fragments = {"a": "1", "b": "1"}
        self.rendered = 0
        self.is_gone = False

    async def render(self) -> dict[str, str]:
        self.rendered += 1
        if self.is_gone:
            raise LookupError
        return dict(self.fragments)


class Follower:
    """A browser at the other end of a stream: what it was sent, and whether it takes it."""

    def __init__(self, app: Any, scope: dict[str, Any] | None = None) -> None:
        self.sent = b""
        self.status = 0
        self.takes = asyncio.Event()
        self.takes.set()
        self.leaves = asyncio.Event()
        self.is_complete = False
        self.task = asyncio.ensure_future(app(scope or {"type": "http"}, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.takes.wait()
        self.status = message.get("status", self.status)
        self.sent += message.get("body", b"")
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body")

    @property
    def fragments(self) -> list[dict[str, str]]:
        lines = [line for line in self.sent.decode().splitlines() if line.startswith('data: {"fragments"')]
        return [json.loads(line.removeprefix("data: "))["fragments"] for line in lines]


async def until(question: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not question():
            await asyncio.sleep(0.01)


def follow(hub: Hub, page: Page) -> Follower:
    return Follower(Stream(hub, "home|", page.render, every_s=3600, build="b1"))


def test_who_connects_gets_everything_and_then_what_changed() -> None:
    async def scene() -> None:
        hub, page = Hub(), Page()
        one = follow(hub, page)
        await until(lambda: one.fragments)
        page.fragments["b"] = "2"
        hub.wake("home")
        await until(lambda: len(one.fragments) == 2)
        assert one.fragments == [{"a": "1", "b": "1"}, {"b": "2"}]
        late = follow(hub, page)
        await until(lambda: late.fragments)
        assert late.fragments[0] == {"a": "1", "b": "2"}
        assert late.sent.startswith(b"retry: ")
        assert b'"build": "b1"' in late.sent
        for follower in (one, late):
            follower.leaves.set()
            await follower.task
        assert hub.subscribers == 0

    asyncio.run(scene())


def test_a_topic_is_rendered_once_however_many_look() -> None:
    async def scene() -> None:
        hub, page = Hub(), Page()
        followers = [follow(hub, page) for _ in range(50)]
        await until(lambda: all(one.fragments for one in followers))
        page.fragments["a"] = "2"
        hub.wake("home")
        await until(lambda: all(len(one.fragments) == 2 for one in followers))
        assert page.rendered == 2
        for one in followers:
            one.leaves.set()
        await asyncio.gather(*(one.task for one in followers))

    asyncio.run(scene())


def test_nothing_is_sent_where_nothing_changed() -> None:
    async def scene() -> None:
        hub, page = Hub(), Page()
        one = follow(hub, page)
        await until(lambda: page.rendered == 1)
        hub.wake("home")
        await until(lambda: page.rendered == 2)
        hub.wake("app:shop", "deploy:d1")  # of which nobody sees anything
        assert one.fragments == [{"a": "1", "b": "1"}]
        one.leaves.set()
        await one.task

    asyncio.run(scene())


def test_a_slow_client_is_dropped_and_the_others_go_on() -> None:
    async def scene() -> None:
        hub, page = Hub(), Page()
        slow, quick = follow(hub, page), follow(hub, page)
        await until(lambda: quick.fragments and slow.fragments)
        slow.takes.clear()
        topic = hub._topics["home|"]
        for number in range(MOST_WAITING + 3):  # as fast as they come
            page.fragments["a"] = str(number + 10)
            topic._send(dict(page.fragments))
            await until(lambda number=number: quick.fragments[-1] == {"a": str(number + 10)})  # type: ignore[misc]
        await until(lambda: hub.subscribers == 1)
        await until(slow.task.done)
        assert not slow.is_complete
        quick.leaves.set()
        await quick.task

    asyncio.run(scene())


def test_what_is_not_there_any_more_lets_everybody_go() -> None:
    async def scene() -> None:
        hub, page = Hub(), Page()
        one = follow(hub, page)
        await until(lambda: one.fragments)
        page.is_gone = True
        hub.wake("home")
        await until(one.task.done)
        assert one.is_complete
        assert hub.subscribers == 0

    asyncio.run(scene())


def test_a_page_that_cannot_be_rendered_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Page):
        async def render(self) -> dict[str, str]:
            fragments = await super().render()
            if self.rendered <= 2:
                raise RuntimeError("the store is locked")
            return fragments

    async def scene() -> None:
        hub, page = Hub(), Broken()
        one = follow(hub, page)
        await until(lambda: b"event: stale" in one.sent)
        late = follow(hub, page)
        await until(lambda: b"event: stale" in late.sent)
        hub.wake("home")
        await until(lambda: page.rendered == 2)
        hub.wake("home")
        await until(lambda: one.fragments and b"event: fresh" in one.sent and b"event: fresh" in late.sent)
        assert one.sent.count(b"event: stale") == 1
        late.leaves.set()
        await late.task
        one.leaves.set()
        await one.task

    asyncio.run(scene())
    assert caplog.text.count("cannot be rendered") == 1


def test_a_subscriber_that_ended_takes_nothing_more() -> None:
    async def scene() -> None:
        subscriber = Subscriber(most_waiting=2)
        for _ in range(3):
            subscriber.put(b"x")
        assert subscriber.is_over
        subscriber.put(b"y")
        subscriber.end()

    asyncio.run(scene())


def test_an_event_of_the_ledger_moves_the_pages_that_show_it(place: Path) -> None:
    async def scene() -> None:
        rig = Rig(place)
        deploy = rig.deployed(outcome=None)
        browser = Browser(rig.dashboard.application())
        browser.cookies["pawl_8090"] = rig.sessions.cookie()
        scopes = [
            browser.scope("GET", f"/live?page={page}", {"host": browser.host})
            for page in ("home", "app:shop", f"deploy:{deploy}")
        ]
        followers = [Follower(browser.app, scope) for scope in scopes]
        await until(lambda: all(one.fragments for one in followers))
        rig.deployed(title="<b>The next</b>", outcome=Outcome.KEPT)
        home, app, one = followers
        await until(lambda: any("The next" in text for sent in home.fragments for text in sent.values()))
        await until(lambda: any("The next" in text for sent in app.fragments for text in sent.values()))
        assert "<b>The next" not in json.dumps(home.fragments + app.fragments)
        parts = ("state", "actions", "change", "stages", "seen", "after", "logs")
        assert set(one.fragments[0]) == {f"part-{name}" for name in parts}
        rig.dashboard.revoke()  # which ends the streams too
        await asyncio.wait_for(asyncio.gather(*(follower.task for follower in followers)), 20)

    asyncio.run(scene())


def test_what_is_about_to_be_migrated_and_the_logs_around_the_switch_come_while_one_looks(place: Path) -> None:
    async def scene() -> None:
        rig = Rig(place)
        rig.deployed()
        deploy = rig.queued("The next", StageBegan(stage=Stage.BUILT))
        browser = Browser(rig.dashboard.application())
        browser.cookies["pawl_8090"] = rig.sessions.cookie()
        one = Follower(browser.app, browser.scope("GET", f"/live?page=deploy:{deploy}", {"host": browser.host}))

        def shown(part: str, text: str) -> bool:
            return any(text in sent.get(part, "") for sent in one.fragments)

        await until(lambda: shown("part-logs", "It does not serve all requests yet"))
        rig.place.lines = [(rig.clock.now, "web.1", "up <b>")]
        for event in (MigrationsFound(pending=("feeds.0002",)), Switched(release="r2", settings=0, commit="")):
            rig.place.ledger.append(event, app="shop", deploy=deploy)
        await until(lambda: shown("part-logs", "up &lt;b&gt;") and shown("part-change", "feeds.0002"))
        rig.clock.now += 3600
        rig.place.lines = [(rig.clock.now, "web.1", "long after")]
        sent = len(one.fragments)
        rig.place.ledger.append(StageBegan(stage=Stage.OBSERVED), app="shop", deploy=deploy)
        await until(lambda: len(one.fragments) > sent)
        assert not shown("part-logs", "long after"), "the logs around a switch do not change any more"
        rig.dashboard.revoke()
        await asyncio.wait_for(one.task, 20)

    asyncio.run(scene())


@pytest.mark.parametrize("page", ["", "nothing", "app", "measures", "home%00", "x" * 500])
def test_what_does_not_move_is_not_followed(place: Path, page: str) -> None:
    rig = Rig(place)
    answer = rig.browser().get(f"/live?page={page}")
    assert answer.status == 404 or page == "app"
