"""Who wants to hear of each event as it is recorded."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from pawl.ledger.base import Follower
from pawl.ledger.records import Recorded

_logger = logging.getLogger(__name__)


class Followers:
    """Tells each follower of every event in order, also if one of them appends meanwhile."""

    def __init__(self) -> None:
        self._followers: dict[object, Follower] = {}
        self._untold: deque[Recorded] = deque()
        self._is_telling = False

    def add(self, follower: Follower) -> Callable[[], None]:
        """Tell ``follower`` from now on; the same one twice is told twice. Returns what ends it."""
        key = object()
        self._followers[key] = follower

        def end() -> None:
            self._followers.pop(key, None)

        return end

    def tell(self, events: Iterable[Recorded]) -> None:
        """Tell everyone, unless this is called from within a follower: then the call already under way does."""
        if not self._followers:
            return
        self._untold.extend(events)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._untold:
                self._tell_one(self._untold.popleft())
        finally:
            self._is_telling = False

    def _tell_one(self, recorded: Recorded) -> None:
        for key, follower in list(self._followers.items()):
            if key not in self._followers:  # ended by one that was told before it
                continue
            try:
                follower(recorded)
            except Exception:
                _logger.exception("a follower of the ledger failed on event %d (%s)", recorded.seq, recorded.kind)
