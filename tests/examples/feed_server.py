"""Many feeds, each on an address of its own in 127.0.1.0/24: real HTTP, which can be held back and remembers all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support import free_port

MOST = 100


class FeedServer:
    """Feeds 1 to :data:`MOST`. In round n each has n entries, of which one is new.

    ``requests`` are the feed and the round of each request. While the server is held back, answers wait.
    """

    def __init__(self) -> None:
        self.round = 1
        self.waiting = 0
        self.requests: list[tuple[int, int]] = []
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._thread.start()
        assert self._started.wait(10)

    def url(self, feed: int) -> str:
        return f"http://{self.host(feed)}:{self._port}/feed.xml"

    @staticmethod
    def host(feed: int) -> str:
        return f"127.0.1.{feed}"

    @staticmethod
    def guids(feed: int, rounds: int) -> list[str]:
        """The ids of the entries that a feed has after so many rounds."""
        return [f"{feed}-{number}" for number in range(1, rounds + 1)]

    def hold(self) -> None:
        self._loop.call_soon_threadsafe(self._open.clear)

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        hosts = [self.host(feed) for feed in range(1, MOST + 1)]
        server = await asyncio.start_server(self._answer, host=hosts, port=self._port)
        self._started.set()
        await self._stop.wait()
        self._open.set()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        feed = int(writer.get_extra_info("sockname")[0].rpartition(".")[2])
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.requests.append((feed, self.round))
            body = self._document(feed, self.round)
            self.waiting += 1
            await self._open.wait()
            self.waiting -= 1
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
        writer.close()

    def _document(self, feed: int, rounds: int) -> bytes:
        items = "".join(
            f"<item><title>News {guid}</title><link>http://example.org/{guid}</link><guid>{guid}</guid></item>"
            for guid in reversed(self.guids(feed, rounds))
        )
        return (
            f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed {feed}</title>'
            f"<link>http://example.org/</link><description>d</description>{items}</channel></rss>"
        ).encode()


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    server = FeedServer()
    try:
        yield server
    finally:
        server.stop()
