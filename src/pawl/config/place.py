"""Where in a file a value stands, and how a fault there is told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pawl.config.lines import KeyPath, Lines
from pawl.config.names import shown
from pawl.config.problems import Problem, Problems

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LARGE = 10**15


@dataclass(frozen=True, slots=True)
class Place:
    """A key path in one TOML file, and where faults found there go."""

    problems: Problems
    file: str
    lines: Lines
    path: KeyPath = ()

    def at(self, key: str | int) -> Place:
        """The place of what is held under this key or number."""
        return Place(self.problems, self.file, self.lines, (*self.path, key))

    @property
    def name(self) -> str:
        """The path as one writes it: ``processes.web.instances``; an element goes by the name of its list."""
        keys = (key for key in self.path if isinstance(key, str))
        return ".".join(key if _BARE.fullmatch(key) else shown(key) for key in keys)

    def fault(self, what: str, *, why: str = "", next_step: str = "") -> None:
        """Tell a fault at this place."""
        self.problems.add(Problem(self.file, self.lines.nearest(self.path), what, why, next_step))

    def wrong(self, clause: str, *, why: str = "", next_step: str = "") -> None:
        """Tell a fault of the value: the place's name and the clause make the sentence."""
        self.fault(f"{self.name} {clause}", why=why, next_step=next_step)


def shown_value(value: object) -> str:
    """A TOML value as an error message names it.

    >>> shown_value("two"), shown_value(True), shown_value([1])
    ("'two'", 'true', 'a list')
    """
    match value:
        case str():
            return shown(value)
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number that large" if abs(value) > _LARGE else str(value)
        case dict():
            return "a table"
        case list():
            return "a list"
    return "a date or time"
