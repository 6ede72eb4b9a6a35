"""How the evidence ran over the time of a watch: what a chart of it is drawn from."""

from __future__ import annotations

from dataclasses import dataclass

MOST_POINTS = 120


@dataclass(frozen=True, slots=True)
class Point:
    """The log evidence once ``requests`` had been judged, ``elapsed_s`` after the candidate began to serve."""

    elapsed_s: float
    log_e: float
    requests: int


class Course:
    """The points of a watch, in order of time, never more than twice ``most`` (2 or more) in memory.

    >>> course = Course(most=2)
    >>> for at, log_e in enumerate([0.0, 3.0, 1.0, -1.0, 0.5]):
    ...     course.add(Point(float(at), log_e, at * 10))
    >>> [(point.elapsed_s, point.log_e) for point in course.points]
    [(1.0, 3.0), (4.0, 0.5)]
    """

    def __init__(self, *, most: int = MOST_POINTS) -> None:
        self._most = most
        self._kept: list[Point] = []

    def add(self, point: Point) -> None:
        """Take in the next point."""
        self._kept.append(point)
        if len(self._kept) > 2 * self._most:
            self._kept = _halved(self._kept)

    @property
    def points(self) -> tuple[Point, ...]:
        """At most ``most`` of them: of neighbours the one with more evidence, so that no peak is lost; the last always.

        The same points give the same answer, whenever it is asked for.
        """
        shown = self._kept
        while len(shown) > self._most:
            shown = _halved(shown)
        return tuple(shown)


def _halved(points: list[Point]) -> list[Point]:
    """Of each two the one with more evidence; the last stays as it is."""
    *others, last = points
    return [max(others[at : at + 2], key=lambda point: point.log_e) for at in range(0, len(others), 2)] + [last]
