"""Figures as short texts for a terminal: cells of a table, rows of bars; ``output.aligned`` puts them into columns."""

from __future__ import annotations

from collections.abc import Sequence

from pawl.cli import output

_BARS = "▁▂▃▄▅▆▇█"
_LEVEL = _BARS[3]
_NONE = "-"


def seconds(value: float | None) -> str:
    """A time in seconds as a cell of a table; None is one that nobody knows.

    >>> seconds(0.081), seconds(1.23), seconds(None)
    ('81 ms', '1.2 s', '-')
    """
    return _NONE if value is None else output.duration(value)


def share(value: float | None) -> str:
    """A share (0..1) as a cell of a table; None is one of nothing.

    >>> share(0.0012), share(0.12), share(None)
    ('0.12 %', '12 %', '-')
    """
    return _NONE if value is None else output.share(value)


def spark(values: Sequence[float | None]) -> str:
    """A bar for each value, in their order, and a blank for None; values are finite, in any one unit.

    The lowest bar is the least of the values and not zero, the highest the greatest; values that are all equal get the
    lower of the two bars in the middle.

    >>> spark([0, 1, None, 7]), spark([3.0, 3.0])
    ('▁▂ █', '▄▄')
    """
    known = [value for value in values if value is not None]
    least, greatest = min(known, default=0.0), max(known, default=0.0)

    def bar(value: float) -> str:
        if least == greatest:
            return _LEVEL
        part = (value - least) / (greatest - least)
        return _BARS[min(int(part * len(_BARS)), len(_BARS) - 1)]

    return "".join(" " if value is None else bar(value) for value in values)
