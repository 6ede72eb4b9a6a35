"""The graphs of an app as a part of its page, as CSV and as JSON."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pawl.dashboard import charts, spans
from pawl.dashboard.graphs import app_graphs
from pawl.dashboard.rendering import packed
from pawl.dashboard.spans import Span
from pawl.dashboard.visit import Visit
from pawl.errors import StateError
from pawl.ledger.records import AppView
from pawl.observe.store.schema import HOUR_S

_SAME_FOR_S = 5.0
_MOST_KEPT = 24
_EVERY_S = {"1h": 15, "24h": 60, "7d": 300, "30d": 900}


class Drawn:
    """What was drawn last of the usual spans, for who asks again within seconds."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str, str], tuple[float, Markup]] = OrderedDict()

    async def of(self, visit: Visit, app: str, span: Span) -> Markup:
        """All graphs of an app.

        Raises:
            StateError: what was counted cannot be read.
        """
        key = (app, span.name, str(visit.clock.where))
        kept = self._kept.get(key)
        if span.name and kept and 0 <= visit.clock.now - kept[0] < _SAME_FOR_S:
            return kept[1]
        address = f"/apps/{quote(app)}/graphs"
        figures = [
            charts.figure(
                chart, zone=visit.clock.where, csv_href=f"{address}/{chart.id}.csv?{span.query}",
                json_href=f"{address}/{chart.id}.json?{span.query}",
            )
            for chart in await app_graphs(visit.place, app, span)
        ]  # fmt: skip
        drawn = Markup("\n".join(figures))  # noqa: S704 - charts escapes every text
        self._kept[key] = (visit.clock.now, drawn)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return drawn


async def values(visit: Visit, view: AppView, request: Request) -> dict[str, Any]:
    """What the part of the page shows, in the span that the address asks for.

    Raises:
        UsageError: there is no such span.
    """
    span = Span.of(request.query_params, visit.clock.now, zone=visit.clock.where, usual=_usual(view, visit.clock.now))
    try:
        drawn, trouble = await visit.drawn.of(visit, view.name, span), ""
    except StateError as error:
        drawn, trouble = Markup(""), error.what
    return {
        "app": view, "span": span, "usual": list(spans.USUAL), "graphs": drawn, "graphs_trouble": trouble,
        "every_s": _EVERY_S.get(span.name, 0),
        "from_": visit.clock.local(span.began), "to": visit.clock.local(span.ended),
    }  # fmt: skip


def _usual(view: AppView, now: float) -> str:
    """A day; of an app that is younger than two hours the last one, for the rest would be empty."""
    return "1h" if now - datetime.fromisoformat(view.created_at).timestamp() < 2 * HOUR_S else "24h"


async def part(visit: Visit, request: Request) -> Response:
    """The part by itself, for a page that is shown and wants to go on."""
    shown = await values(visit, visit.app(request.path_params["app"]), request)
    return packed(request, visit.text("parts/graphs.html", shown))


async def file(visit: Visit, request: Request) -> Response:
    """One graph as CSV or JSON."""
    view = visit.app(request.path_params["app"])
    name, _, kind = request.path_params["file"].rpartition(".")
    span = Span.of(request.query_params, visit.clock.now, zone=visit.clock.where)
    chart = next((one for one in await app_graphs(visit.place, view.name, span) if one.id == name), None)
    if chart is None or kind not in ("csv", "json"):
        raise HTTPException(404, "There is no such graph.")
    if kind == "csv":
        answer: Response = packed(request, charts.csv_text(chart), media_type="text/csv")
    else:
        answer = packed(request, msgspec.json.encode(charts.as_json(chart)).decode(), media_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{view.name}-{chart.id}.{kind}"'
    return answer
