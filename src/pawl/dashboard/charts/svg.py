"""A chart as inline SVG. No style attribute and no script: classes of ``static/charts.css`` alone, for the page's CSP.

What cannot be seen is said: the drawing is one image with a sentence for a name, its marks are links.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from functools import lru_cache

from pawl.dashboard.charts import paths, scale, times
from pawl.dashboard.charts.chart import Chart, Line, Mark
from pawl.dashboard.charts.paths import Known, Plot
from pawl.dashboard.charts.scale import Scale
from pawl.dashboard.charts.text import escaped

WIDTH, HEIGHT = 3600, 1500
_LEFT, _TOP, _RIGHT, _BOTTOM = 500, 150, 3550, 1300
_MARK_WIDTH = 90
"""Marks that are nearer than this are one."""
_LABEL_WIDTH = 380
_MOST_NAMED = 5
_SHAPES = {
    "kept": "l-40-70h80z",
    "rolled-back": "m-40-70h80l-40 70zm0-30h80",
    "failed": "m-40-80 80 80m0-80-80 80",
    "superseded": "m-40-40h80",
    "under-way": "l-40-40 40-40 40 40z",
    "several": "l-40-80h80z",
}


def svg(chart: Chart, *, zone: tzinfo | None) -> str:
    """The chart as an ``svg`` element; times on its axis are those of ``zone``."""
    lines = [scale.cleaned(line.values) for line in chart.lines]
    stacked = list(_sums(lines)) if chart.shape == "area" else []
    shown = _extremes(chart, lines, stacked)
    ticks = scale.ticks(chart.unit, shown)
    plot = Plot(
        _LEFT, _TOP, _RIGHT, _BOTTOM, ticks[0], ticks[-1], steps=max(chart.ended - chart.began, 1) / chart.step_s
    )
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{escaped(chart.title)}" '
        f'data-began="{chart.began:.0f}" data-ended="{chart.ended:.0f}" data-step="{chart.step_s}" '
        f'data-left="{_LEFT}" data-right="{_RIGHT}">'
        f'<g role="img" aria-label="{escaped(_summary(chart, lines, zone))}">'
    )
    inside = [*_axes(chart, plot, ticks, zone), *_drawn(chart, plot, lines, stacked), *_limit(chart, plot)]
    return "".join([head, *inside, "</g>", _marks(chart.marks, chart.began, chart.ended, zone), "</svg>"])


def _summary(chart: Chart, lines: Sequence[Known], zone: tzinfo | None) -> str:
    """The chart in a sentence: its span, the last and the greatest value of each line, and how many deploys."""
    said = [
        f"{line.name} {scale.shown(chart.unit, known[-1])} at last, {scale.shown(chart.unit, max(known))} at most"
        for line, values in zip(chart.lines, lines, strict=True)
        if (known := [value for value in values if value is not None])
    ]
    if len(said) > _MOST_NAMED:
        said = [*said[:_MOST_NAMED], f"and {len(said) - _MOST_NAMED} more"]
    span = f"{times.named(chart.began, zone)} to {times.named(chart.ended, zone)}"
    number = len([mark for mark in chart.marks if chart.began <= mark.at <= chart.ended])
    deploys = f"; {number} {'deploy' if number == 1 else 'deploys'}" if number else ""
    return f"{chart.title}, {span}: {'; '.join(said) or 'nothing is known'}{deploys}."


def _sums(lines: Sequence[Known]) -> Iterator[list[float]]:
    """For each line, what lies below it; a gap in one is nothing for those above."""
    below = [0.0] * max(map(len, lines), default=0)
    for line in lines:
        yield below
        below = [low + (value or 0.0) for low, value in zip(below, [*line, *[None] * len(below)], strict=False)]
    yield below


def _extremes(chart: Chart, lines: Sequence[Known], stacked: Sequence[Sequence[float]]) -> list[float]:
    values = [value for line in lines for value in line if value is not None]
    values += [value for sums in stacked[-1:] for value in sums]
    ends = scale.cleaned([value for line in chart.lines for value in (*line.low, *line.high)])
    values += [value for value in ends if value is not None]
    if chart.limit is not None:
        values.append(chart.limit.value)
    return values


def _axes(chart: Chart, plot: Plot, ticks: Sequence[float], zone: tzinfo | None) -> Iterator[str]:
    most = max(-ticks[0], ticks[-1])
    unit = Scale.of(chart.unit, most)
    rules = "".join(f"M{plot.left} {plot.y(tick)}H{plot.right}" for tick in ticks)
    yield f'<path class="rule" d="{rules}"/>'
    for tick in ticks:
        yield f'<text class="value" x="{plot.left - 40}" y="{plot.y(tick) + 40}">{escaped(unit.text(tick))}</text>'
    for at in times.ticks(chart.began, chart.ended, zone):
        x = plot.x((at.at - chart.began) / chart.step_s)
        kind = "day" if at.is_day else "time"
        yield f'<path class="{kind}" d="M{x} {plot.top}V{plot.bottom + 30}"/>'
        if x <= WIDTH - _LABEL_WIDTH / 2:
            yield f'<text class="{kind}" x="{x}" y="{plot.bottom + 150}">{at.label}</text>'


def _drawn(chart: Chart, plot: Plot, lines: Sequence[Known], stacked: Sequence[Sequence[float]]) -> Iterator[str]:
    for place, (line, values) in enumerate(zip(chart.lines, lines, strict=True)):
        if chart.shape == "area":
            data = paths.area(plot, stacked[place], values)
        elif chart.shape == "bar":
            data = paths.bars(plot, values, place=place, places=len(lines))
        elif chart.shape == "point":
            data = paths.points(plot, values, place=place, places=len(lines))
            yield from _interval(plot, line, place=place, places=len(lines))
        else:
            data = paths.line(plot, values)
        if data:
            yield f'<path class="{chart.shape} {escaped(line.style)}" d="{data}"/>'


def _interval(plot: Plot, line: Line, *, place: int, places: int) -> Iterator[str]:
    low, high = scale.cleaned(line.low), scale.cleaned(line.high)
    if data := paths.intervals(plot, low, high, place=place, places=places):
        yield f'<path class="interval {escaped(line.style)}" d="{data}"/>'


def _limit(chart: Chart, plot: Plot) -> Iterator[str]:
    if chart.limit is not None:
        y = plot.y(chart.limit.value)
        yield f'<path class="limit" d="M{plot.left} {y}H{plot.right}"/>'
        yield f'<text class="limit" x="{plot.right}" y="{max(y - 30, 100)}">{escaped(chart.limit.name)}</text>'


@lru_cache(8)  # all charts of a page have the same
def _marks(marks: tuple[Mark, ...], began: float, ended: float, zone: tzinfo | None) -> str:
    """The marks within the axis, those that would cover one another as one."""
    found: list[tuple[int, list[Mark]]] = []
    for mark in sorted((one for one in marks if began <= one.at <= ended), key=lambda one: one.at):
        x = round(_LEFT + (mark.at - began) / max(ended - began, 1) * (_RIGHT - _LEFT))
        if found and x - found[-1][0] < _MARK_WIDTH:
            found[-1][1].append(mark)
        else:
            found.append((x, [mark]))
    return "".join(_mark(near, x, zone) for x, near in found)


def _mark(marks: Sequence[Mark], x: int, zone: tzinfo | None) -> str:
    last = marks[-1]
    outcomes = {mark.outcome for mark in marks}
    kind = (last.outcome.replace(" ", "-") or "under-way") if len(outcomes) == 1 else "several"
    said = [_said(mark, zone) for mark in marks[-_MOST_NAMED:]]
    if len(marks) > 1:
        said.insert(0, f"{len(marks)} deploys")
    text = escaped("\n".join(said))
    shape = _SHAPES.get(kind, _SHAPES["several"])
    return (
        f'<a class="mark {escaped(kind)}" href="{escaped(last.href)}" data-at="{last.at:.0f}" aria-label="{text}">'
        f'<title>{text}</title><path class="hit" d="M{x - 60} 0h120V{_BOTTOM}h-120z"/>'
        f'<path d="M{x} {_BOTTOM}V{_TOP}M{x} {_TOP}{shape}"/></a>'
    )


def _said(mark: Mark, zone: tzinfo | None) -> str:
    return f"{times.named(mark.at, zone)} {mark.title}{', ' if mark.detail else ''}{mark.detail}"
