"""As much HTTP/1.1 as pawld's API needs, over its unix socket.

``http.client`` brings TLS and e-mail with it: importing it takes longer than most commands' whole conversation.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import IO


class Response:
    """An answer whose head has been read. Every way of reading raises ConnectionError when it ends too early."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read the head."""
        self._stream = stream
        words = self._line().split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
            raise ConnectionError("the answer is not HTTP")
        self.status = int(words[1])
        self._headers: dict[bytes, bytes] = {}
        while line := self._line().strip():
            name, _, value = line.partition(b":")
            self._headers[name.strip().lower()] = value.strip()

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self._pieces())

    def lines(self) -> Iterator[bytes]:
        """The body's lines, each as soon as it has come."""
        rest = b""
        for piece in self._pieces():
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        with self._stream:
            if self._headers.get(b"transfer-encoding", b"").lower() != b"chunked":
                yield self._exactly(_size(self._headers.get(b"content-length", b"0"), base=10))
                return
            while size := _size(self._line().partition(b";")[0], base=16):
                yield self._exactly(size + 2)[:-2]

    def _exactly(self, size: int) -> bytes:
        found = self._stream.read(size)
        if len(found) < size:
            raise ConnectionError("the answer was cut off")
        return found

    def _line(self) -> bytes:
        line = self._stream.readline(65_536)
        if not line.endswith(b"\n"):
            raise ConnectionError("the answer was cut off")
        return line


def _size(digits: bytes, *, base: int) -> int:
    try:
        return int(digits, base)
    except ValueError as error:
        raise ConnectionError("the answer is not HTTP") from error


def request(path: str, method: str, target: str, *, body: bytes | None, timeout_s: float | None) -> Response:
    """Send one request to the socket at ``path``; ``timeout_s`` bounds each wait for more of the answer.

    Raises:
        OSError: nobody listens there, or what came is not an answer.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_s)
        client.connect(path)
        length = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\nHost: pawld\r\nConnection: close\r\n{length}\r\n"
        client.sendall(head.encode("ascii") + (body or b""))
        stream = client.makefile("rb")  # which keeps the socket open
        try:
            return Response(stream)
        except OSError:
            stream.close()
            raise
