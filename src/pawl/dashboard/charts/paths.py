"""Values as path data: where a chart has its plot, and lines, areas, bars and points in it as compact SVG paths.

Coordinates are whole numbers of a view box that is wide enough for them to be a tenth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add, sub

Known = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """The rectangle that values are drawn in: ``low`` at its bottom, ``high`` at its top, ``steps`` side by side.

    ``steps`` need not be whole: the last step may be cut short by the end of the axis.
    """

    left: int
    top: int
    right: int
    bottom: int
    low: float
    high: float
    steps: float

    def x(self, step: float) -> int:
        """Where a step begins; what is beyond the ends of the axis is at its ends."""
        share = min(max(step / self.steps, 0.0), 1.0) if self.steps else 0.0
        return round(self.left + share * (self.right - self.left))

    def y(self, value: float) -> int:
        """Where a value is."""
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return round(self.bottom - share * (self.bottom - self.top))


def runs(values: Known) -> Iterator[tuple[int, list[float]]]:
    """The stretches without a gap: the first step and the values of each.

    >>> list(runs([1.0, None, None, 2.0, 3.0]))
    [(0, [1.0]), (3, [2.0, 3.0])]
    """
    run: list[float] = []
    for step, value in enumerate(values):
        if value is not None:
            run.append(value)
        elif run:
            yield step - len(run), run
            run = []
    if run:
        yield len(values) - len(run), run


def line(plot: Plot, values: Known) -> str:
    """A line through the middles of the steps, from the beginning of the first to the end of the last of each run."""
    found = []
    for first, run in runs(values):
        found.append(_moved(_across(plot, first, len(run)), _heights(plot, run)))
    return "".join(found)


def area(plot: Plot, below: Sequence[float], values: Known) -> str:
    """The area from ``below`` up to ``below`` plus the values, run by run."""
    found = []
    for first, run in runs(values):
        under = below[first : first + len(run)]
        across = _across(plot, first, len(run))
        top, bottom = _heights(plot, list(map(add, under, run))), _heights(plot, under)
        found.append(_moved([*across, *reversed(across)], [*top, *reversed(bottom)]) + "z")
    return "".join(found)


def bars(plot: Plot, values: Known, *, place: int, places: int) -> str:
    """A bar a step, the ``place``-th of ``places`` beside one another; together they take four fifths of the step."""
    found = []
    zero = plot.y(0.0)
    for step, value in enumerate(values):
        if value is not None:
            first = plot.x(step + 0.1 + 0.8 * place / places)
            width = max(plot.x(step + 0.1 + 0.8 * (place + 1) / places) - first, 1)
            height = zero - plot.y(value)
            found.append(f"M{first} {zero}v{-height}h{width}v{height}z")
    return "".join(found)


def points(plot: Plot, values: Known, *, place: int, places: int) -> str:
    """A dot a step, the ``place``-th of ``places`` beside one another."""
    dots = ((plot.x(_beside(step, place, places)), value) for step, value in enumerate(values) if value is not None)
    return "".join(f"M{x} {plot.y(value)}h0" for x, value in dots)


def intervals(plot: Plot, low: Known, high: Known, *, place: int, places: int) -> str:
    """A line up and down a step, where the dot of :func:`points` is; none where an end is not known."""
    found = []
    for step, (least, most) in enumerate(zip(low, high, strict=False)):
        if least is not None and most is not None:
            found.append(f"M{plot.x(_beside(step, place, places))} {plot.y(least)}V{plot.y(most)}")
    return "".join(found)


def _beside(step: int, place: int, places: int) -> float:
    return step + (place + 1) / (places + 1)


def _across(plot: Plot, first: int, count: int) -> Sequence[int]:
    """Where a run begins, the middles of its steps, and where it ends."""
    middles = _middles(plot.left, plot.right, plot.steps)[first : first + count]
    return [plot.x(first), *middles, plot.x(first + count)]


def _heights(plot: Plot, run: Sequence[float]) -> list[int]:
    """Where the values of a run are, the first and the last twice."""
    low, scale, bottom = plot.low, (plot.bottom - plot.top) / (plot.high - plot.low), plot.bottom + 0.5
    found = [int(bottom - (value - low) * scale) for value in run]
    return [found[0], *found, found[-1]]


@lru_cache(8)  # all charts of a page have one axis
def _middles(left: int, right: int, steps: float) -> tuple[int, ...]:
    width = (right - left) / steps if steps else 0.0
    return tuple(min(round(left + (step + 0.5) * width), right) for step in range(math.ceil(steps) + 1))


def _moved(xs: Sequence[int], ys: Sequence[int]) -> str:
    """A path through these, each by its distance from the one before: shorter, and alike from chart to chart."""
    across, down = map(sub, xs[1:], xs), map(sub, ys[1:], ys)
    moves = " ".join([f"{x} {y}" for x, y in zip(across, down, strict=True)])
    return f"M{xs[0]} {ys[0]}l{moves.replace(' -', '-')}"
