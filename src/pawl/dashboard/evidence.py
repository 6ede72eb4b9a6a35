"""How the evidence over a change ran, as a chart with what takes the change back."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from pawl.dashboard.charts.chart import Chart, Limit, Line
from pawl.ledger.observations import Observation, PathPoint
from pawl.observe.course import Course, Point

_MOST_DEPLOYS = 50
_MOST_STEPS = 120


class Courses:
    """How the evidence runs over the changes that are watched just now, as far as there was somebody to look on.

    A verdict has the whole of it; until then it is put together of the looks.

    >>> courses = Courses()
    >>> for at in (5.0, 10.0, 2.0):
    ...     courses.add("d1", Observation(verdict="keep", why="", elapsed_s=at, duration_s=60.0, log_e=at / 10))
    >>> [(point.elapsed_s, point.log_e) for point in courses.of("d1")], courses.of("d2")
    ([(2.0, 0.2)], ())
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Course] = OrderedDict()

    def add(self, deploy: str, seen: Observation) -> None:
        """Take in a look; the evidence is counted anew where the time is, as at the switch after a canary."""
        course = self._kept.setdefault(deploy, Course())
        if course.points and course.points[-1].elapsed_s > seen.elapsed_s:
            course = self._kept[deploy] = Course()
        requests = seen.candidate.requests if seen.candidate else 0
        course.add(Point(seen.elapsed_s, seen.log_e, requests))
        while len(self._kept) > _MOST_DEPLOYS:
            self._kept.popitem(last=False)

    def of(self, deploy: str) -> tuple[PathPoint, ...]:
        """What was seen so far; empty where nothing was."""
        course = self._kept.get(deploy)
        points = course.points if course else ()
        return tuple(PathPoint(elapsed_s=one.elapsed_s, log_e=one.log_e, requests=one.requests) for one in points)


def chart(path: Sequence[PathPoint], *, began: float, duration_s: float, log_threshold: float) -> Chart | None:
    """The evidence as a share of what takes a change back, from when the change began to serve; None without any."""
    if not path or log_threshold <= 0:
        return None
    lasted = max(duration_s, path[-1].elapsed_s)
    step_s = max(1, math.ceil(lasted / _MOST_STEPS))
    values: list[float | None] = [None] * (math.ceil(path[-1].elapsed_s / step_s) or 1)
    for point in path:
        place = min(len(values) - 1, int(point.elapsed_s // step_s))
        share = max(0.0, point.log_e / log_threshold)
        values[place] = max(share, values[place] or 0.0)
    values = [0.0 if value is None and place == 0 else value for place, value in enumerate(values)]
    for place in range(1, len(values)):
        if values[place] is None:
            values[place] = values[place - 1]
    return Chart(
        "evidence-over-time", "Evidence of harm over time", "share", began, began + lasted, step_s,
        (Line("evidence", values, "n0"),), limit=Limit(1.0, "takes the change back"),
    )  # fmt: skip
