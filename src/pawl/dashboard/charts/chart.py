"""What a chart shows, before it is drawn: the same for SVG, the table under it, CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["seconds", "bytes", "share", "per second", "count"]
Shape = Literal["line", "area", "bar", "point"]
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of values, a value a step; None is a gap: nothing is known of that step, which is not zero.

    ``style`` names how it is drawn (a CSS class: ``ok``, ``error``, ``p95``, ``n0`` …), the same on all charts.
    ``low`` and ``high`` are the ends of an interval around each value, where the values are estimates; else empty.
    """

    name: str
    values: Values
    style: str
    low: Values = ()
    high: Values = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A deploy on the time axis; ``at`` in Unix time, ``outcome`` as in the ledger or '' while it is under way."""

    at: float
    title: str
    detail: str
    href: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that matters, drawn as a line across the chart."""

    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one time axis from ``began`` to ``ended`` (Unix time), in steps of ``step_s`` seconds.

    Step ``n`` begins at ``began + n * step_s``; every line has a value (or None) for each step. ``shape``: lines;
    areas on top of one another, for parts of a whole, in their order from below; bars beside one another; points with
    their intervals.
    """

    id: str
    title: str
    unit: Unit
    began: float
    ended: float
    step_s: int
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    shape: Shape = "line"
    limit: Limit | None = None

    @property
    def steps(self) -> int:
        """How many steps the axis has, the last one possibly cut short."""
        return max((len(line.values) for line in self.lines), default=-int(-(self.ended - self.began) // self.step_s))
