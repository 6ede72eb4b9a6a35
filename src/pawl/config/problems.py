"""The faults found in the files of one app, gathered so that one run tells all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from pawl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault. ``line`` counts from 1; None is known to nobody."""

    file: str
    line: int | None
    what: str
    why: str = ""
    next_step: str = ""

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}: " if self.line else f"{self.file}: "

    def __str__(self) -> str:
        hint = self.why or self.next_step
        return f"{self.place}{self.what} ({hint})" if hint else f"{self.place}{self.what}"


@dataclass(slots=True)
class Problems:
    """The faults found so far."""

    found: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        if problem not in self.found:
            self.found.append(problem)

    def raise_if_any(self) -> None:
        """
        Raises:
            ConfigError: there are faults. The first by line is its ``what``, the others its ``detail``.
        """
        if not self.found:
            return
        # A fault without a line is one of the whole file, so it comes last: the others may explain it.
        first, *rest = sorted(self.found, key=lambda one: (one.line is None, one.file != "pawl.toml", one.line or 0))
        raise ConfigError(
            f"{first.place}{first.what}",
            why=first.why,
            next_step=first.next_step,
            detail="\n".join(map(str, rest)),
        )


def fail(problem: Problem) -> NoReturn:
    """
    Raises:
        ConfigError: always; this fault alone, for nothing after it can be read.
    """
    raise ConfigError(f"{problem.place}{problem.what}", why=problem.why, next_step=problem.next_step)
