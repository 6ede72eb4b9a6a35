"""Where a page of a list begins: after the last entry of the page before, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cursor:
    """The time and the id of the last entry of a page."""

    moment: datetime
    entry_id: int

    def __str__(self) -> str:
        return f"{(self.moment - _START) // timedelta(microseconds=1)}-{self.entry_id}"

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """What ``str`` made, or None: an address that was cut off shows the first page."""
        microseconds, _, entry_id = text.rpartition("-")
        digits = microseconds.removeprefix("-")
        if not (digits.isdecimal() and entry_id.isdecimal() and text.isascii() and len(text) < 40):
            return None
        try:
            return cls(_START + timedelta(microseconds=int(microseconds)), min(int(entry_id), 2**62))
        except OverflowError:
            return None
