"""Values as path data: where a chart has its plot, and lines, areas, bars and points in it as compact SVG paths.

Coordinates are whole numbers of a view box that is wide enough for them to be a tenth of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    return "".join(_moved(_edge(plot, first, run)) for first, run in runs(values))


def area(plot: Plot, below: Sequence[float], values: Known) -> str:
    """The area from ``below`` up to ``below`` plus the values, run by run."""
    found = []
    for first, run in runs(values):
        under = below[first : first + len(run)]
        top = _edge(plot, first, [low + value for low, value in zip(under, run, strict=True)])
        found.append(_moved([*top, *reversed(_edge(plot, first, under))]) + "z")
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


def _edge(plot: Plot, first: int, run: Sequence[float]) -> list[tuple[int, int]]:
    middles = [(plot.x(first + place + 0.5), plot.y(value)) for place, value in enumerate(run)]
    return [(plot.x(first), middles[0][1]), *middles, (plot.x(first + len(run)), middles[-1][1])]


def _moved(corners: Sequence[tuple[int, int]]) -> str:
    """A path through these, each by its distance from the one before: shorter, and alike from chart to chart."""
    x, y = corners[0]
    found = [f"M{x} {y}l"]
    for to_x, to_y in corners[1:]:
        found.append(f"{to_x - x} {to_y - y} ")
        x, y = to_x, to_y
    return "".join(found).replace(" -", "-").rstrip()
