"""Hard limits for what is measured rather than counted: memory, queues, restarts."""

from __future__ import annotations

from collections import deque
from itertools import pairwise


class Persistent:
    """Whether a value was above its limit in k of the last n looks.

    Use it for gauges: one look is nearly the next, so they carry no evidence to multiply; a limit and patience do. A
    look without a value (None) counts as one that was not above: a source that is down condemns nothing.

    >>> memory = Persistent(0.9, k=2, n=3)
    >>> [memory.add(value) for value in (0.95, 0.5, 0.92, None, 0.91)]
    [False, False, True, False, True]

    ``k=1, n=1`` is a limit that may not be passed once. Raises ValueError unless 1 <= k <= n.
    """

    def __init__(self, limit: float, *, k: int, n: int) -> None:
        if not 1 <= k <= n:
            raise ValueError(f"k of n looks needs 1 <= k <= n, not {k} of {n}")
        self.limit = limit
        self.k = k
        self._looks: deque[bool] = deque(maxlen=n)

    def add(self, value: float | None) -> bool:
        """Take in one look; whether the limit is passed persistently by now."""
        self._looks.append(value is not None and value > self.limit)
        return self.is_passed

    @property
    def is_passed(self) -> bool:
        return sum(self._looks) >= self.k


class Growing:
    """Whether a value has grown at every one of the last k steps, by at least ``least`` in all.

    Use it for what should swing and not climb: the length of a queue, a leak. A missing look starts anew.

    >>> queue = Growing(3, least=10)
    >>> [queue.add(value) for value in (0, 4, 8, 12, 12)]
    [False, False, False, True, False]

    Raises ValueError unless k >= 1.
    """

    def __init__(self, k: int, *, least: float = 0.0) -> None:
        if k < 1:
            raise ValueError(f"growth needs at least one step, not {k}")
        self.least = least
        self._values: deque[float] = deque(maxlen=k + 1)

    def add(self, value: float | None) -> bool:
        """Take in one look; whether the value has grown persistently by now."""
        if value is None:
            self._values.clear()
        else:
            self._values.append(value)
        return self.is_growing

    @property
    def is_growing(self) -> bool:
        values = list(self._values)
        is_full = len(values) == self._values.maxlen
        return is_full and all(a < b for a, b in pairwise(values)) and (values[-1] - values[0] >= self.least)
