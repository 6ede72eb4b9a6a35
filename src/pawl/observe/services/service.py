"""What every service offers, and the connection that it keeps from one reading to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from pawl.address import Lost
from pawl.observe.gauges import Gauge


class Service(Protocol):
    """A service an app stands on."""

    def read(self) -> list[Gauge]:
        """Its gauges now, with neither app nor release. Blocks, for some seconds at most.

        Raises:
            StateError: it cannot be asked; ``what`` and ``why`` are one line each and hold no secret.
        """

    def close(self) -> None:
        """Give up the connection; the next reading would open another."""


class Line(Protocol):
    """An open connection. Closing raises nothing and may be done twice."""

    def close(self) -> None: ...


L = TypeVar("L", bound=Line)
T = TypeVar("T")


class Kept(Generic[L]):
    """Dials when first asked, and again after whatever went wrong: a connection is not used after an error."""

    def __init__(self, dial: Callable[[], L]) -> None:
        self._dial = dial
        self._line: L | None = None

    def ask(self, question: Callable[[L], T]) -> T:
        """The answer. What the service did to a connection that was idle until now is no answer: it is asked once more.

        Raises:
            StateError: what ``dial`` or ``question`` raised.
        """
        is_idle = self._line is not None
        try:
            return self._once(question)
        except Lost:
            if not is_idle:
                raise
            return self._once(question)

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _once(self, question: Callable[[L], T]) -> T:
        if self._line is None:
            self._line = self._dial()
        try:
            return question(self._line)
        except BaseException:
            self.close()
            raise
