"""A steady load on one HTTP address: keep-alive connections, no retries, every failure counted with its reason."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    """One request: when it was due (monotonic seconds), how long until its last byte, and who served it."""

    due: float
    latency_s: float
    status: int
    release: str


@dataclass(slots=True)
class Tally:
    """What happened since the load began. A request is good when it was answered with a status below 500.

    ``reopened`` counts connections that the server closed between two requests.
    """

    answers: list[Answer] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    reopened: int = 0

    @property
    def served(self) -> int:
        return len(self.answers)

    @property
    def failed(self) -> int:
        return self.failures.total()


class Load:
    """``rate`` requests a second over ``connections`` keep-alive connections, in a thread of its own.

    Each connection has its own timetable, so a slow answer delays only its own connection's next requests, and
    latency counts from when a request was due. A connection that broke is opened again for the next request, and so is
    one that the server is seen to have closed before a request was sent on it, as HTTP lets it.
    """

    CONNECTIONS = 8

    def __init__(self, url: str, *, rate: float, connections: int = CONNECTIONS, paths: Sequence[str] = ("/",)) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or 80
        self._address = "127.0.0.1" if self._host.endswith("localhost") else self._host
        self._rate = rate
        self._connections = connections
        self._paths = paths
        self._is_stopping = False
        self.tally = Tally()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Tally:
        """Let requests under way finish; the tally."""
        self._is_stopping = True
        self._thread.join(30)
        return self.tally

    async def _run(self) -> None:
        began = time.monotonic() + 0.05
        await asyncio.gather(*(self._client(number, began) for number in range(self._connections)))

    async def _client(self, number: int, began: float) -> None:
        gap = self._connections / self._rate
        due = began + gap * number / self._connections
        connection: _Connection | None = None
        turn = number
        while not self._is_stopping:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                async with asyncio.timeout(30):
                    if connection is not None and connection.was_closed_idle:
                        self.tally.reopened += 1
                        connection.close()
                        connection = None
                    if connection is None:
                        connection = await _Connection.open(self._address, self._port)
                    status, release = await connection.get(self._paths[turn % len(self._paths)], self._host, self._port)
                latency_s = time.monotonic() - due
                if status >= 500:
                    self.tally.failures[f"HTTP {status}"] += 1
                else:
                    self.tally.answers.append(Answer(due, latency_s, status, release))
                if connection.is_closed:
                    connection = None
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.tally.failures[type(error).__name__] += 1
                if connection is not None:
                    connection.close()
                connection = None
            turn += 1
            due += gap
        if connection is not None:
            connection.close()


class _Connection:
    """One HTTP/1.1 connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_closed = False

    @classmethod
    async def open(cls, address: str, port: int) -> _Connection:
        return cls(*await asyncio.open_connection(address, port))

    @property
    def was_closed_idle(self) -> bool:
        """Whether the server is known to have closed it."""
        return self._reader.at_eof()

    def close(self) -> None:
        self._writer.close()

    async def get(self, path: str, host: str, port: int) -> tuple[int, str]:
        """Status and ``X-Release`` (or the first word of the body that looks like one) of one GET."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: pawl-load\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = {}
        first, *rest = head.split("\r\n")
        for line in rest:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        await self._body(headers)
        if headers.get("connection", "").lower() == "close":
            self.is_closed = True
            self._writer.close()
        return int(first.split()[1]), headers.get("x-release", "")

    async def _body(self, headers: dict[str, str]) -> None:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            await self._reader.readexactly(int(headers.get("content-length", "0")))
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            await self._reader.readexactly(size + 2)
        await self._reader.readexactly(2)
