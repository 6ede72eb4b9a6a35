"""Live updates: each page that moves is rendered once for all who look at it, and sent to them as it changes.

Server-sent events. One message is a JSON object with ``fragments``, the HTML of the parts that changed by their id.
Whoever connects gets all parts first. Nobody is waited for: who does not take what is sent is dropped, and a browser
that was dropped comes again by itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)

MOST_WAITING = 8
"""Messages that a client may be behind."""
HEARTBEAT_S = 20.0
_PAUSE_S = 0.4
_RETRY_MS = 2000
STALE, FRESH = b"event: stale\ndata:\n\n", b"event: fresh\ndata:\n\n"
"""What is shown is not what is: it cannot be rendered; and it is again."""

Fragments = Mapping[str, str]
Render = Callable[[], Awaitable[Fragments]]


class Subscriber:
    """One open page."""

    def __init__(self, *, most_waiting: int = MOST_WAITING) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(most_waiting)
        self.on_end: Callable[[], object] = lambda: None
        self.is_over = False

    def put(self, message: bytes) -> None:
        """Have it sent; ends the subscriber when it is too far behind."""
        if self.is_over:
            return
        if self._queue.full():
            self.end()
        else:
            self._queue.put_nowait(message)

    def end(self) -> None:
        """Send nothing more, not even what waits. Idempotent."""
        if not self.is_over:
            self.is_over = True
            self.on_end()

    async def next(self) -> bytes | None:
        """The next message, or None when there was none for long enough that a sign of life is due."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                return await self._queue.get()
        except TimeoutError:
            return None


class _Topic:
    def __init__(self, render: Render, every_s: float) -> None:
        self.render = render
        self.every_s = every_s
        self.subscribers: set[Subscriber] = set()
        self.woken = asyncio.Event()
        self.last: dict[str, str] = {}
        self.is_stale = False
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        while self.subscribers:
            self.woken.clear()
            try:
                self._send(dict(await self.render()))
                self._tell(is_stale=False)
            except LookupError:
                for subscriber in list(self.subscribers):
                    subscriber.end()
                return
            except Exception:
                if not self.is_stale:
                    log.exception("a live page cannot be rendered; it is tried again, and not told again")
                self._tell(is_stale=True)
            await asyncio.sleep(_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every_s):
                    await self.woken.wait()

    def _tell(self, *, is_stale: bool) -> None:
        if is_stale != self.is_stale:
            self.is_stale = is_stale
            for subscriber in list(self.subscribers):
                subscriber.put(STALE if is_stale else FRESH)

    def _send(self, fragments: dict[str, str]) -> None:
        changed = {name: text for name, text in fragments.items() if self.last.get(name) != text}
        self.last = fragments
        if changed:
            message = encoded(changed)
            for subscriber in list(self.subscribers):
                subscriber.put(message)


class Hub:
    """All pages that somebody looks at, by topic."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._is_closed = False

    def join(self, key: str, render: Render, *, every_s: float) -> Subscriber:
        """Follow a topic, which is rendered as its first subscriber says; it ends when nobody follows any more.

        ``render`` raises LookupError when there is nothing to show any more: then all who follow are let go.
        """
        subscriber = Subscriber()
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = _Topic(render, every_s)
        if topic.last:
            subscriber.put(encoded(topic.last))
        if topic.is_stale:
            subscriber.put(STALE)
        topic.subscribers.add(subscriber)
        if topic.task is None or topic.task.done():
            topic.task = asyncio.ensure_future(topic.run())
        return subscriber

    def leave(self, key: str, subscriber: Subscriber) -> None:
        """The page was closed."""
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.subscribers.discard(subscriber)
        if not topic.subscribers:
            del self._topics[key]
            if topic.task is not None:
                topic.task.cancel()

    def wake(self, *subjects: str) -> None:
        """Something happened to these: render what shows them now. A topic is ``SUBJECT|anything else``."""
        for key, topic in self._topics.items():
            if key.partition("|")[0] in subjects:
                topic.woken.set()

    @property
    def subscribers(self) -> int:
        """How many pages are open."""
        return sum(len(topic.subscribers) for topic in self._topics.values())

    def close(self) -> None:
        """Let everybody go; they come again if they may."""
        for topic in list(self._topics.values()):
            for subscriber in list(topic.subscribers):
                subscriber.end()


def encoded(fragments: Fragments) -> bytes:
    """A message for a browser."""
    return b"data: " + json.dumps({"fragments": dict(fragments)}, ensure_ascii=False).encode() + b"\n\n"


class Stream:
    """The answer to a browser that follows a topic. Ends when either side has enough."""

    def __init__(self, hub: Hub, key: str, render: Render, *, every_s: float, build: str) -> None:
        self._hub = hub
        self._key = key
        self._render = render
        self._every_s = every_s
        self._build = build

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        subscriber = self._hub.join(self._key, self._render, every_s=self._every_s)
        sending = asyncio.ensure_future(self._send(subscriber, send))
        leaving = asyncio.ensure_future(_gone(receive))
        subscriber.on_end = sending.cancel
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._key, subscriber)
            for task in (sending, leaving):
                task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await sending
        if not leaving.done() or leaving.cancelled():
            await _finish(send)

    async def _send(self, subscriber: Subscriber, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        hello = f"retry: {_RETRY_MS}\nevent: hello\ndata: {json.dumps({'build': self._build})}\n\n".encode()
        await send({"type": "http.response.body", "body": hello, "more_body": True})
        while not subscriber.is_over:
            message = await subscriber.next()
            await send({"type": "http.response.body", "body": message or b": still here\n\n", "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _finish(send: Send) -> None:
    """Close what was begun; a client that takes nothing is not waited for."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(0.5):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
