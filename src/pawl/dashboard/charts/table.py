"""A chart as a table, as CSV and as JSON: the same numbers, for whoever cannot or would rather not look."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import Any

from pawl.dashboard.charts import scale, times
from pawl.dashboard.charts.chart import Chart, Mark, Values
from pawl.dashboard.charts.scale import Scale
from pawl.dashboard.charts.text import escaped

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
NOTHING = "–"


def table(chart: Chart, *, zone: tzinfo | None) -> str:
    """The chart as an HTML table in a ``details`` element: a row a step, a column a line, units in the headings."""
    columns = list(_columns(chart))
    found = [value for _, values in columns for value in values if value is not None]
    unit = Scale.of(chart.unit, max(max(found, default=0.0), -min(found, default=0.0)))
    suffix = f" ({unit.name})" if unit.name else ""
    heads = "".join(f"<th scope=col>{escaped(name + suffix)}" for name, _ in columns)
    cells = [unit.numbers(values, nothing=NOTHING) for _, values in columns]
    steps = times.rows(chart.began, chart.step_s, chart.steps, zone)
    rows = "".join(f"<tr><th scope=row>{at}<td>{'<td>'.join(found)}" for at, *found in zip(steps, *cells, strict=False))
    return (
        f'<details class="table"><summary>Figures</summary><table><caption>{escaped(chart.title)}, '
        f"each from the time in its row on</caption><thead><tr><th scope=col>Time{heads}</thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )


def csv_text(chart: Chart) -> str:
    """The chart as CSV: when each step begins (ISO 8601 UTC), and a column a line with its unit in the heading."""
    unit = scale.base(chart.unit)
    suffix = f" ({unit})" if unit else ""
    columns = [(name, [_six(value) for value in values]) for name, values in _columns(chart)]
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\r\n")
    rows.writerow(["time", *(_cell(name + suffix) for name, _ in columns)])
    for step in range(chart.steps):
        rows.writerow([_iso(chart.began + step * chart.step_s), *(_number(values[step]) for _, values in columns)])
    return written.getvalue()


def as_json(chart: Chart) -> dict[str, Any]:
    """The chart as JSON; null is a gap, values are in the unit that ``unit`` names."""
    return {
        "id": chart.id,
        "title": chart.title,
        "unit": chart.unit,
        "began": _iso(chart.began),
        "ended": _iso(chart.ended),
        "step_s": chart.step_s,
        "lines": [{"name": name, "values": [_six(value) for value in values]} for name, values in _columns(chart)],
        "marks": [_mark(mark) for mark in chart.marks],
        "limit": None if chart.limit is None else {"name": chart.limit.name, "value": _six(chart.limit.value)},
    }


def _columns(chart: Chart) -> Iterator[tuple[str, list[float | None]]]:
    """Every line under its name, and the ends of its intervals; as many values as there are steps."""
    for line in chart.lines:
        yield line.name, _padded(line.values, chart.steps)
        if line.low or line.high:
            yield f"{line.name}, low", _padded(line.low, chart.steps)
            yield f"{line.name}, high", _padded(line.high, chart.steps)


def _padded(values: Values, steps: int) -> list[float | None]:
    found = scale.cleaned(values)
    return found if len(found) == steps else [*found, *[None] * (steps - len(found))]


def _six(value: float | None) -> float | None:
    """As exact as anything here is measured, and no longer than that."""
    return None if value is None else float(f"{value:.6g}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _cell(text: str) -> str:
    """A heading that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _mark(mark: Mark) -> dict[str, str]:
    return {
        "at": _iso(mark.at), "title": mark.title, "detail": mark.detail, "href": mark.href, "outcome": mark.outcome,
    }  # fmt: skip
