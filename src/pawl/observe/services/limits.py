"""Hard limits for services and the machine: a value too high for too long, said once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pawl.observe.gauges import Gauge
from pawl.observe.judge.persistence import Growing, Persistent

CONNECTIONS_SHARE = 0.9
CONNECTIONS_READINGS = 3
QUEUE_STEPS = 12
"""Three minutes of readings every 15 s."""
QUEUE_LEAST = 10.0
MEMORY_SHARE = 0.95
MEMORY_READINGS = 12
"""One minute of readings every 5 s."""

_Key = tuple[str, str, str]


class Limits:
    """Holds gauges against limits, each series (app, name, instance) by itself and across releases.

    Use it for one watch: what it has said once it does not say again. Limits: connections of a database above 90 % in
    3 of 3 readings; a queue longer at each of 12 readings (3 min) and by at least 10 in all; the machine's memory
    above 95 % in 12 of 12 readings (1 min). A reading that is missing is not seen, and condemns nothing.

    >>> limits = Limits()
    >>> full = [Gauge("db_connections_share", 0.97, "demo", instance="news")]
    >>> [limits.add(full) for _ in range(3)][-1]
    ["database 'news' has 97 % of its connections in use, above 90 % in 3 of 3 readings"]
    >>> limits.add(full)
    []
    """

    def __init__(self) -> None:
        self._rules: dict[_Key, Callable[[float], bool]] = {}
        self._said: set[_Key] = set()

    def add(self, gauges: Iterable[Gauge]) -> list[str]:
        """Take in one round of readings, whichever gauges it has; one line for each limit now passed persistently."""
        lines = []
        for gauge in gauges:
            if gauge.name not in _RULES:
                continue
            key = (gauge.app, gauge.name, gauge.instance)
            rule = self._rules.setdefault(key, _RULES[gauge.name]())
            if rule(gauge.value) and key not in self._said:
                self._said.add(key)
                lines.append(_LINES[gauge.name](gauge))
        return lines


_RULES: dict[str, Callable[[], Callable[[float], bool]]] = {
    "db_connections_share": lambda: Persistent(CONNECTIONS_SHARE, k=CONNECTIONS_READINGS, n=CONNECTIONS_READINGS).add,
    "queue_length": lambda: Growing(QUEUE_STEPS, least=QUEUE_LEAST).add,
    "memory_used_share": lambda: Persistent(MEMORY_SHARE, k=MEMORY_READINGS, n=MEMORY_READINGS).add,
}

_LINES: dict[str, Callable[[Gauge], str]] = {
    "db_connections_share": lambda gauge: (
        f"database {gauge.instance!r} has {100 * gauge.value:.0f} % of its connections in use, "
        f"above {100 * CONNECTIONS_SHARE:.0f} % in {CONNECTIONS_READINGS} of {CONNECTIONS_READINGS} readings"
    ),
    "queue_length": lambda gauge: (
        f"queue {gauge.instance!r} holds {gauge.value:.0f} and was longer at each of the last {QUEUE_STEPS} readings"
    ),
    "memory_used_share": lambda gauge: (
        f"the machine has {100 * gauge.value:.0f} % of its memory in use, "
        f"above {100 * MEMORY_SHARE:.0f} % in {MEMORY_READINGS} of {MEMORY_READINGS} readings"
    ),
}
