"""Queue lengths from Redis, where Celery keeps each queue as a list.

The few commands of RESP that it takes are spoken here: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pawl.address import Address, Lost, opened, reason, wrapped
from pawl.errors import StateError, UsageError
from pawl.observe.gauges import Gauge
from pawl.observe.services.service import Kept

SCHEMES = ("redis", "rediss")

_PORT = 6379
# kombu's transport keeps one list for each step of priority: https://docs.celeryq.dev/en/stable/userguide/routing.html
_STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")


class Redis:
    """The lengths of queues of Celery in a Redis: ``redis://``, ``rediss://`` or ``redis+socket://``."""

    def __init__(self, url: str, queues: Sequence[str], *, variable: str) -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: the URL cannot be read.
        """
        self._address = address = Address.parse(url, variable=variable)
        self._queues = queues
        self._is_local = address.scheme == "redis+socket"
        self._host, self._port = address.host or "127.0.0.1", address.port or _PORT
        number = address.options.get("virtual_host") if self._is_local else address.path
        self._number = (number or "0").strip("/")
        if not self._number.isdecimal():
            raise UsageError(f"{variable} names a Redis database that is no number")
        self._kept = Kept(self._dial)

    def read(self) -> list[Gauge]:
        """``queue_length`` of each queue; a queue that is not there is empty, for Redis has no empty lists.

        Raises:
            StateError: Redis cannot be asked.
        """
        try:
            return self._kept.ask(lambda line: [self._length(line, queue) for queue in self._queues])
        except StateError as error:
            raise StateError(f"Redis at {self._place} cannot be asked", why=error.why) from error

    def close(self) -> None:
        self._kept.close()

    @property
    def _place(self) -> str:
        return f"/{self._address.path}" if self._is_local else f"{self._host}:{self._port}"

    def _length(self, line: _Line, queue: str) -> Gauge:
        return Gauge("queue_length", float(sum(line.number("LLEN", queue + step) for step in _STEPS)), instance=queue)

    def _dial(self) -> _Line:
        address = self._address
        line = _Line(self._place if self._is_local else (self._host, self._port))
        try:
            if address.scheme == "rediss":
                line.wrap(self._host, address)
            password = address.options.get("password") if address.password is None else address.password
            if password:
                line.ask("AUTH", *([address.user] if address.user else []), password)
            if self._number != "0":
                line.ask("SELECT", self._number)
        except BaseException:
            line.close()
            raise
        return line


class _Line:
    """One connection."""

    def __init__(self, where: str | tuple[str, int]) -> None:
        self._socket = opened(where)
        self._replies = self._socket.makefile("rb")

    def wrap(self, host: str, address: Address) -> None:
        self._replies.close()
        try:
            self._socket = wrapped(self._socket, host, address.options)
        except OSError as error:
            raise Lost("no connection", why=reason(error)) from error
        self._replies = self._socket.makefile("rb")

    def number(self, *words: str) -> int:
        reply = self.ask(*words)
        if reply[0] != ":" or not reply[1:].isdecimal():
            raise StateError("Redis answered otherwise", why="what answers there is no Redis")
        return int(reply[1:])

    def ask(self, *words: str) -> str:
        """The reply's one line, with its type as the first sign. An error reply is raised; it repeats no argument."""
        parts = [word.encode() for word in words]
        request = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self._socket.sendall(request)
            reply = self._replies.readline(4096).decode(errors="replace")
        except OSError as error:
            raise Lost("no connection", why=reason(error)) from error
        if not reply.endswith("\n"):
            raise Lost("no connection", why="the connection was closed")
        if reply.startswith("-"):
            raise StateError("Redis refused", why=reason(reply[1:]))
        if reply[0] not in "+:":
            raise StateError("Redis answered otherwise", why="what answers there is no Redis")
        return reply.strip()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._replies.close()
        self._socket.close()
