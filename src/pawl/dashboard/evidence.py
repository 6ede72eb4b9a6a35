"""How the evidence over a change ran, as a chart with what takes the change back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pawl.dashboard.charts.chart import Chart, Limit, Line
from pawl.ledger.observations import PathPoint

_MOST_STEPS = 120


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
