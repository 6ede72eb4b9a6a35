"""What the proxy's tests stand on: a real Caddy in a home of its own, apps to put behind it, a client to ask."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pawl.home import Home
from pawl.proxy.caddy import Caddy
from pawl.proxy.process import ProcessId
from pawl.proxy.routes import Machine, Route
from pawl.proxy.slots import Slots
from tests.support import free_port

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Message:
    """A request as an app saw it, or a response as a client did; ``first`` is the first line."""

    first: str
    headers: Headers
    body: bytes = b""

    @property
    def method(self) -> str:
        return self.first.split()[0]

    @property
    def path(self) -> str:
        return self.first.split()[1]

    @property
    def status(self) -> int:
        return int(self.first.split()[1])

    @property
    def text(self) -> str:
        return self.body.decode()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def names(self) -> set[str]:
        return {key.lower() for key, _ in self.headers}


async def read_head(reader: asyncio.StreamReader) -> Message:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.partition(": ") for line in lines[1:] if line]
    return Message(lines[0], [(name, value) for name, _, value in pairs])


async def read_body(reader: asyncio.StreamReader, head: Message) -> bytes:
    if "chunked" in head.all("Transfer-Encoding"):
        return b"".join([chunk async for chunk in chunks(reader)])
    return await reader.readexactly(int(([*head.all("Content-Length"), "0"])[0]))


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


Answer = Callable[[Message, asyncio.StreamWriter], Awaitable[None]]


class App:
    """An HTTP server that keeps what it was asked and answers with its name, or as a test wants it to."""

    def __init__(self, name: str, answer: Answer | None = None) -> None:
        self.name = name
        self.asked: list[Message] = []
        self.arrived = asyncio.Event()
        self._answer = answer or self._say_name
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    async def listen(self, at: Path | int = 0) -> str:
        """Serve on a unix socket or, with a number, a TCP port (0: any); the address for a slot."""
        if isinstance(at, Path):
            self._server = await asyncio.start_unix_server(self._serve, str(at), backlog=1000)
            return f"unix/{at}"
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", at, backlog=1000)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and end what is under way."""
        if self._server:
            self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._serving.add(task)
        try:
            head = await read_head(reader)
            request = Message(head.first, head.headers, await read_body(reader, head))
            self.asked.append(request)
            self.arrived.set()
            await self._answer(request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _say_name(self, request: Message, writer: asyncio.StreamWriter) -> None:
        reply(writer, self.name)


def reply(writer: asyncio.StreamWriter, text: str, *headers: str) -> None:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(text.encode())}", *headers, "", text]
    writer.write("\r\n".join(lines).encode())


async def hang_up(request: Message, writer: asyncio.StreamWriter) -> None:
    """Take the request and break off without a word, as a worker that dies does."""
    writer.close()


class Client:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self.reader, self.writer, self.host = reader, writer, host

    @classmethod
    async def connect(cls, port: int, host: str, tls: ssl.SSLContext | None = None) -> Client:
        name = host if tls else None
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name), host)

    def send(self, method: str, path: str, headers: Sequence[str] = (), body: bytes = b"") -> None:
        length = [f"Content-Length: {len(body)}"] if body or method == "POST" else []
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", *length, *headers, "", ""]
        self.writer.write("\r\n".join(lines).encode() + body)

    async def ask(self, method: str, path: str, headers: Sequence[str] = (), body: bytes = b"") -> Message:
        self.send(method, path, headers, body)
        head = await read_head(self.reader)
        return Message(head.first, head.headers, b"" if method == "HEAD" else await read_body(self.reader, head))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()


def a_machine() -> Machine:
    return Machine(port=free_port(), bind=("127.0.0.1",), http_port=free_port(), https_port=free_port())


@dataclass
class Rig:
    """A home with a running Caddy."""

    home: Home
    machine: Machine
    caddy: Caddy
    slots: Slots
    events: asyncio.Queue[tuple[str, dict[str, Any]]]
    apps: list[App] = field(default_factory=list)

    async def serve(self, app: App, *, is_tcp: bool = False) -> str:
        """Have the app listen, on a unix socket of its name or on a TCP port, until the test ends; its address."""
        self.apps.append(app)
        return await app.listen(0 if is_tcp else self.socket(app.name))

    def socket(self, name: str) -> Path:
        return self.home.path / f"{name}.sock"

    async def event(self, name: str) -> dict[str, Any]:
        """The details of the next event of this name; those before it are dropped."""
        async with asyncio.timeout(20):
            while True:
                found, details = await self.events.get()
                if found == name:
                    return details

    async def client(self, app: str = "hello") -> Client:
        return await Client.connect(self.machine.port, f"{app}.localhost")

    async def ask(
        self, method: str = "GET", path: str = "/", headers: Sequence[str] = (), body: bytes = b"", app: str = "hello"
    ) -> Message:
        async with await self.client(app) as client:
            return await client.ask(method, path, headers, body)

    async def logged(self, number: int) -> list[dict[str, Any]]:
        """The first ``number`` lines of the access log, once they are there."""
        path = self.home.log / "access.log"
        async with asyncio.timeout(10):
            # The line follows the answer, and a file has no event to wait for.
            while len(lines := path.read_text().splitlines()) < number:
                await asyncio.sleep(0.01)
        return [json.loads(line) for line in lines]


def a_home(path: Path) -> Home:
    home = Home(path)
    home.create()
    return home


@asynccontextmanager
async def a_proxy(
    path: Path, *routes: Route, machine: Machine | None = None, binary: str | None = None, detach: bool = False
) -> AsyncIterator[Rig]:
    """A Caddy that serves these routes (default: the app hello), stopped at the end; or left running."""
    home, machine = a_home(path), machine or a_machine()
    events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
    caddy = Caddy(
        home=home,
        machine=machine,
        binary=binary,
        mark="test",
        on_event=lambda name, details: events.put_nowait((name, details)),
    )
    rig = Rig(home, machine, caddy, Slots(home.slots), events)
    try:
        await caddy.start(routes or (Route("hello"),))
        yield rig
    finally:
        for app in rig.apps:
            await app.close()
        pid = caddy.status()["pid"]
        await (caddy.detach() if detach else caddy.stop(2.0))
        assert not pid or bool(ProcessId.of(pid)) == detach, "none is left behind unasked"
