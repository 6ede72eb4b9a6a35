"""A way to PostgreSQL that loses what it is told to lose."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import Enum, auto

_COMMIT = b"COMMIT"


class Loss(Enum):
    NOTHING = auto()
    COMMITS = auto()
    """The next COMMIT does not arrive, and the connection is gone."""
    ANSWERS = auto()
    """The next COMMIT is done; its answer does not arrive, and the connection is gone."""


class Way:
    """A port that leads to another. ``is_down``: nobody gets through any more, and who tries is turned away."""

    def __init__(self, target: int) -> None:
        self.loses = Loss.NOTHING
        self.is_down = False
        self.is_down_after_loss = False
        self._target = target
        self._lines: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection."""
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self.cut()
        for line in self._lines:
            line.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            if self.is_down:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target))
            self._lines += [near, far]
            lost = threading.Event()
            threading.Thread(target=self._questions, args=(near, far, lost), daemon=True).start()
            threading.Thread(target=self._answers, args=(near, far, lost), daemon=True).start()

    def _questions(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while part := near.recv(65536):
                if _COMMIT in part and self.loses is not Loss.NOTHING:
                    loses, self.loses = self.loses, Loss.NOTHING
                    self.is_down = self.is_down_after_loss
                    if loses is Loss.COMMITS:
                        break
                    lost.set()
                far.sendall(part)
        _end(near, far)

    def _answers(self, near: socket.socket, far: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while part := far.recv(65536):
                if lost.is_set():
                    break
                near.sendall(part)
        _end(near, far)


def _end(*lines: socket.socket) -> None:
    for line in lines:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
