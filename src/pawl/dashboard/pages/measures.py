"""The measures of DORA over time, of an app or of all, with their intervals and definitions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from pawl.dashboard import charts
from pawl.dashboard.charts.chart import Chart, Line, Shape
from pawl.dashboard.visit import Visit
from pawl.errors import UsageError
from pawl.ledger.dora.measures import Durations, Frequency, Measures, Share
from pawl.ledger.dora.report import OverTime, Report, Row, prepared
from pawl.ledger.places import everywhere
from pawl.words import duration, share

SPANS = {"30d": 30, "90d": 90, "365d": 365}
_USUAL = "90d"
_NONE = "–"
_CHARTS: tuple[tuple[str, str, Shape, str], ...] = (
    ("deploys", "Deploys that were kept", "bar", "ok"),
    ("lead_time", "Change lead time, median", "point", "p50"),
    ("change_fail", "Change fail rate", "bar", "error"),
    ("recovery", "Failed deployment recovery time, median", "point", "p95"),
    ("rework", "Rework rate", "bar", "refused"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A measure in a row: its value, the interval, the same of the span before, and in what it differs for certain."""

    name: str
    value: str
    interval: str = ""
    before: str = ""
    trend: str = ""
    note: str = ""
    is_part: bool = False


async def page(visit: Visit, request: Request) -> Response:
    app = request.query_params.get("app") or None
    span = request.query_params.get("span") or _USUAL
    if span not in SPANS:
        raise UsageError(f"there is no span '{span[:40]}'", next_step=f"choose one of {', '.join(SPANS)}")
    here = visit.place.ledger
    is_team = len(here.places()) > 1
    is_everywhere = is_team and request.query_params.get("of") == "everywhere"
    ledgers, unread = everywhere(here) if is_everywhere else ([here], [])
    apps = {view.name for one in ledgers for view in one.apps()}
    if app is not None and app not in apps and not any(one.deploys(app, limit=1) for one in ledgers):
        visit.app(app)
    now = datetime.fromtimestamp(visit.clock.now, UTC)
    since = now - timedelta(days=SPANS[span])
    found = await asyncio.to_thread(prepared(ledgers, app, since, now, unread=unread))
    shown = {
        "found": found, "app": app, "apps": sorted({*apps, *([app] if app else [])}), "span": span, "spans": SPANS,
        "is_team": is_team, "is_everywhere": is_everywhere, "place": here.place, "rows": list(_rows(found)),
        "here": "measures", "graphs": _graphs(found.over_time),
        "step": "day" if found.over_time.step_s == 86_400 else "week",
    }  # fmt: skip
    return visit.page(request, "measures.html", shown)


def _rows(found: Report) -> Iterator[Shown]:
    now, trends = found.now, found.trends
    earlier = {row.name: row.value for row in _measured(found.before)} if found.before else {}
    words = {
        "Change lead time": _trend(trends.lead_time, "longer", "shorter"),
        "Failed deployment recovery time": _trend(trends.recovery, "longer", "shorter"),
        "Change fail rate": _trend(trends.change_fail, "higher", "lower"),
        "Rework rate": _trend(trends.rework, "higher", "lower"),
    }
    for row in _measured(now):
        yield Shown(
            row.name, row.value, row.interval, earlier.get(row.name, ""), words.get(row.name, ""), row.note, row.is_part
        )


def _measured(now: Measures) -> Iterator[Shown]:
    lead, mend, batch = now.lead_time, now.recovery, now.batches
    few = "" if lead.is_enough else "too few deploys to say"
    yield Shown("Change lead time", *_times(lead.total), note=f"median, p90 {_seconds(lead.total.p90_s)}{_and(few)}")
    yield Shown("waiting to be deployed", *_times(lead.waiting), is_part=True)
    yield Shown("building and starting", *_times(lead.building), is_part=True)
    yield Shown("observing, once live", *_times(lead.observing), is_part=True)
    yield Shown("Deployment frequency", _often(now.frequency), note=_days(now.frequency))
    still = f", {mend.open} of {mend.failures} not over" if mend.open else ""
    few = "" if mend.is_enough else "too few deploys to say"
    yield Shown("Failed deployment recovery time", *_times(mend.times), note=f"median{still}{_and(few)}")
    yield Shown("Change fail rate", *_share(now.change_fail), note=_of(now.change_fail))
    yield Shown("Rework rate", *_share(now.rework), note=_of(now.rework))
    yield Shown("Commits a deploy", _mean(batch.commits_mean), note=f"mean, at most {batch.commits_most}")
    yield Shown("authors a deploy", _mean(batch.authors_mean), note="mean", is_part=True)
    yield Shown("deploys of one commit", *_share(batch.single), is_part=True)


def _times(times: Durations) -> tuple[str, str]:
    if times.median_s is None:
        return _NONE, ""
    has_ends = times.low_s is not None and times.high_s is not None
    return duration(times.median_s), f"{duration(times.low_s)} to {duration(times.high_s)}" if has_ends else ""


def _share(one: Share) -> tuple[str, str]:
    return (_NONE, "") if one.share is None else (share(one.share), f"{share(one.low)} to {share(one.high)}")


def _of(one: Share) -> str:
    return f"{one.count} of {one.of}" + _and("" if one.is_enough else "too few deploys to say")


def _and(text: str) -> str:
    return f"; {text}" if text else ""


def _seconds(value: float | None) -> str:
    return duration(value) or _NONE


def _often(often: Frequency) -> str:
    if not often.deploys:
        return _NONE
    return f"{often.per_day:.2g} a day" if often.per_day >= 1 else f"{often.per_week:.2g} a week"


def _days(often: Frequency) -> str:
    days = f", on {often.days_a_week:g} days a week" if often.days_a_week is not None else ""
    return f"{often.deploys:,} kept{days}"


def _mean(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3g}"


def _trend(trend: str, more: str, less: str) -> str:
    return {"more": more, "less": less}.get(trend, "")


def _graphs(over: OverTime) -> Markup:
    """The measures over time; the ledger counts days in UTC, and so do the axes."""
    found = [
        charts.figure(_chart(over, getattr(over, name), name, title, shape, style), zone=UTC)
        for name, title, shape, style in _CHARTS
        if any(value is not None for value in getattr(over, name).values)
    ]
    return Markup("\n".join(found))  # noqa: S704 - charts escapes every text


def _chart(over: OverTime, row: Row, name: str, title: str, shape: Shape, style: str) -> Chart:
    unit: Any = row.unit
    lines = (Line(row.name, row.values, style),)
    return Chart(f"measure-{name}", title, unit, over.began, over.ended, over.step_s, lines, shape=shape)
