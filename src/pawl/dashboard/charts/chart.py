"""What a chart shows, before it is drawn: the same for SVG, the table under it, CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["seconds", "bytes", "share", "per second", "count"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of values, a value a step; None is a gap: nothing is known of that step, which is not zero.

    ``style`` names how it is drawn (a CSS class: ``ok``, ``error``, ``p95``, ``n0`` …), the same on all charts.
    """

    name: str
    values: Sequence[float | None]
    style: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A deploy on the time axis; ``at`` in Unix time, ``outcome`` as in the ledger or '' while it is under way."""

    at: float
    title: str
    detail: str
    href: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one time axis from ``began`` to ``ended`` (Unix time), in steps of ``step_s`` seconds.

    Step ``n`` begins at ``began + n * step_s``; every line has a value (or None) for each step. ``is_stacked``: the
    lines are parts of a whole and drawn as areas on top of one another, in their order from below.
    """

    id: str
    title: str
    unit: Unit
    began: float
    ended: float
    step_s: int
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    is_stacked: bool = False
