"""Counting: the tail, the counter and the store together, which is all of it that pawld sees."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pawl.errors import PawlError, StateError
from pawl.observe.paths import Known
from pawl.observe.records import Counted, Counter
from pawl.observe.store import Progress, SignalStore
from pawl.observe.tail import CHUNK_BYTES, Tail

_TROUBLED_S = 10.0
_CHECKPOINT_S = 30.0
_log = logging.getLogger(__name__)


class Counting:
    """Counts the access log at ``log`` into the store, on from where it was left. Used from one thread.

    Killed at any point it neither loses nor doubles a request: the place it has read up to is committed with the
    counts. Known limits: lines that Caddy writes to a log file that was deleted while no pawld runs are not found
    again.
    """

    def __init__(self, store: SignalStore, log: Path, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._store = store
        self._path = log
        self.trouble: PawlError | None = None
        """Why nothing is being counted just now."""
        self.on_counted: Callable[[Counted, Mapping[str, Known], int], None] = lambda *_: None
        """Told of each piece once it is stored: what it came to, the known routes, and all lines by then."""
        self._tail = Tail(log, chunk_bytes=chunk_bytes)
        self._is_ahead = True  # of what is committed
        self._known = store.routes()
        self._counter = Counter(store.attribution, self._known)
        self._begin()

    def step(self) -> bool:
        """Count one piece (up to 900 lines, some 15 ms) or tidy one; whether there may be more to do.

        Raises:
            StateError: the log or the store cannot be used; the next call takes up where the last good one ended.
        """
        if self._is_ahead:
            self._begin()
        try:
            piece = self._tail.read()
            if piece is None:
                return self._store.tidy()
            counted = self._counter.count(piece.data)
            self._store.commit(counted, self._known, piece.position, self._tail.inodes, too_long=piece.too_long)
            self.on_counted(counted, self._known, self.counted().lines)
        except OSError as error:
            self._is_ahead = True
            why = error.strerror or str(error)
            raise StateError(
                f"the access log {self._path} cannot be read", why=why, next_step="pawld tries again"
            ) from error
        except BaseException:
            self._is_ahead = True
            raise
        return True

    def catch_up(self) -> None:
        """Count all there is by now."""
        while self.step():
            pass

    async def follow(self, interval_s: float = 1.0) -> None:
        """Count what comes, until cancelled; other tasks run between two pieces. Trouble is noted and tried again."""
        lines = passes = 0
        while True:
            try:
                while self.step():
                    await asyncio.sleep(0)
                self.trouble = None
                passes += 1
                if passes * interval_s >= _CHECKPOINT_S and lines != (lines := self.counted().lines):
                    passes = 0
                    await asyncio.to_thread(self._store.checkpoint)
                await asyncio.sleep(interval_s)
            except PawlError as error:
                if self.trouble is None:
                    _log.error("requests are not counted: %s", error)
                self.trouble = error
                await asyncio.sleep(_TROUBLED_S)

    def instances_changed(self) -> None:
        """Look up releases anew; to be called after the store was told of an instance."""
        self._counter.forget()

    def counted(self) -> Progress:
        """What was counted ever."""
        return self._store.progress()

    def close(self) -> None:
        """Let go of the log's files. Idempotent; the store stays open."""
        self._tail.close()

    def _begin(self) -> None:
        """Go back to what is committed."""
        self._known = self._store.routes()
        self._counter = Counter(self._store.attribution, self._known)
        self._tail.rewind(self._store.positions())
        self._is_ahead = False
