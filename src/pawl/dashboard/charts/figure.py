"""A chart with all that belongs to it on a page: its title, what its colours mean, the drawing, its figures."""

from __future__ import annotations

from datetime import tzinfo

from pawl.dashboard.charts import scale
from pawl.dashboard.charts.chart import Chart
from pawl.dashboard.charts.svg import svg
from pawl.dashboard.charts.table import table
from pawl.dashboard.charts.text import escaped


def figure(chart: Chart, *, zone: tzinfo | None, csv_href: str = "", json_href: str = "") -> str:
    """The chart as a ``figure`` element; the links to its CSV and JSON are there if they are named."""
    links = "".join(
        f'<a href="{escaped(href)}" download>{name}</a>'
        for name, href in (("CSV", csv_href), ("JSON", json_href))
        if href
    )
    return (
        f'<figure class="chart" id="{escaped(chart.id)}"><figcaption><b>{escaped(chart.title)}</b>{legend(chart)}'
        f"</figcaption>{svg(chart, zone=zone)}"
        f'<div class="below">{table(chart, zone=zone)}<span class="links">{links}</span></div></figure>'
    )


def legend(chart: Chart) -> str:
    """What each line is called and how it is drawn, with its last value; what is on top in the chart comes first."""
    lines = reversed(chart.lines) if chart.shape == "area" else chart.lines
    found = []
    for line in lines:
        last = next((known for value in reversed(line.values) if (known := scale.known(value)) is not None), None)
        value = "" if last is None else f" <data>{escaped(scale.shown(chart.unit, last))}</data>"
        found.append(
            f'<li><svg class="key" viewBox="0 0 30 12" aria-hidden="true"><path class="{chart.shape} '
            f'{escaped(line.style)}" d="{_KEYS[chart.shape]}"/></svg>{escaped(line.name)}{value}'
        )
    return f'<ul class="legend">{"".join(found)}</ul>' if found else ""


_KEYS = {"line": "M0 6h30", "area": "M0 0h30v12h-30z", "bar": "M8 0h14v12h-14z", "point": "M15 6h0"}
