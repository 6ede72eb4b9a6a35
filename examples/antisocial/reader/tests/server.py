"""A real HTTP server of feeds, good and bad, for the tests."""

from __future__ import annotations

import gzip
import itertools
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reader.tests.corpus import RSS

# With the one 10000 above, a port is below those that the kernel gives to connections, of which any may be taken before
# a server comes to listen on it.
_PORTS = range(15_000, 22_768)
_NEXT = itertools.count(os.getpid() * 101)


def free_port() -> int:
    """A free port, with the one 10000 above it, for this process alone while it lives: each is given once."""
    for _ in _PORTS:
        port = _PORTS[next(_NEXT) % len(_PORTS)]
        with ExitStack() as sockets, suppress(OSError):
            claims = []
            for number in (port, port + 10_000):
                claims.append(sockets.enter_context(socket.socket(socket.AF_UNIX)))
                claims[-1].bind(f"\0pawl-test-port-{number}")  # a lock that the kernel lifts, however the process ends
                sockets.enter_context(socket.socket()).bind(("", number))
            for claim in claims:
                claim.detach()
            return port
    raise AssertionError("every port is taken")


@dataclass
class Answer:
    """What the server says to a request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def xml(text: str | bytes, **headers: str) -> Answer:
    """A feed, as most servers send one."""
    body = text if isinstance(text, bytes) else text.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body, headers={"Content-Type": "application/xml", **named})


def redirect(status: int, to: str) -> Answer:
    """An answer that sends the client elsewhere."""
    return Answer(status=status, headers={"Location": to})


def bomb(megabytes: int) -> Answer:
    """A few kilobytes that unpack to very many."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(megabytes)) + packer.flush()
    return xml(packed, Content_Encoding="gzip")


def raw_deflate(text: str) -> Answer:
    """Deflate as some servers send it: without the header that the standard asks for."""
    packer = zlib.compressobj(wbits=-15)
    return xml(packer.compress(text.encode()) + packer.flush(), Content_Encoding="deflate")


def gzipped(text: str) -> Answer:
    """A packed feed."""
    return xml(gzip.compress(text.encode()), Content_Encoding="gzip")


class _Handler(BaseHTTPRequestHandler):
    server: FeedServer

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers), time.monotonic()))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self._route()
        except OSError:
            pass  # the fetcher has had enough
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _route(self) -> None:
        match self.path:
            case "/cached":
                marks = {"ETag": '"v1"', "Last-Modified": "Mon, 01 Jan 2024 10:00:00 GMT"}
                is_same = self.headers.get("If-None-Match") == '"v1"'
                self._answer(Answer(status=304, headers=marks) if is_same else xml(RSS, **marks))
            case "/silent":
                self.server.stopping.wait(5)
            case "/drip":
                self._endless(b"<", pause_s=0.05)
            case "/huge":
                self._endless(b" " * 100_000, pause_s=0)
            case path if path in self.server.answers:
                answer = self.server.answers[path]
                self._answer(answer() if callable(answer) else answer)
            case _:
                self._answer(Answer(b"no", status=404))

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if answer.status != 304:
            self.wfile.write(answer.body)

    def _endless(self, piece: bytes, *, pause_s: float) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.stopping.wait(pause_s):
            self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name the base class has)
        """Keep quiet."""


class FeedServer(ThreadingHTTPServer):
    """Serves ``answers`` on a free port until ``stop``; ``requests`` are the paths, headers and times."""

    daemon_threads = True

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        self.lock = threading.Lock()
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.requests: list[tuple[str, dict[str, str], float]] = []
        self.at_once = self.most_at_once = 0
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        """The address of ``path`` on this server."""
        return f"http://{self.server_address[0]}:{self.server_port}{path}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [path for path, *_ in self.requests]

    def stop(self) -> None:
        """Stop and wait for it."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
