"""One app: how it does, its graphs, its instances, and what was deployed."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pawl.dashboard.pages import graphed
from pawl.dashboard.pages.rows import deploy_rows, health_of, ordered
from pawl.dashboard.visit import Visit
from pawl.ledger.records import AppView

_LAST_DEPLOYS = 10
_RELEASES = 10


async def page(visit: Visit, request: Request) -> Response:
    view = visit.app(request.path_params["app"])
    shown = await values(visit, view) | await graphed.values(visit, view, request)
    return visit.page(request, "app.html", {**shown, "live": f"app:{view.name}", "here": "apps"})


async def values(visit: Visit, view: AppView) -> dict[str, Any]:
    """What the page shows, without the graphs."""
    place = visit.place
    pulse = (await visit.pulses.of([view.name]))[view.name]
    instances = ordered(place.instances(view.name))
    live = place.ledger.deploy(view.live.deploy) if view.live else None
    unfinished = [one for one in place.ledger.unfinished() if one.app == view.name]
    return {
        "app": view,
        "url": place.url(view.name),
        "live_deploy": live,
        "now": pulse.now,
        "trouble": pulse.trouble,
        "incidents": [one for one in place.ledger.incidents(view.name, limit=200) if one.closed_at is None],
        "instances": instances,
        "health": health_of(place, view.name, instances),
        "running": deploy_rows(place.ledger, unfinished, app=view.name),
        "deploys": deploy_rows(place.ledger, place.ledger.deploys(view.name, limit=_LAST_DEPLOYS), app=view.name),
        "releases": place.ledger.releases(view.name)[:_RELEASES],
    }


def fragments(visit: Visit, shown: dict[str, Any]) -> dict[str, str]:
    """The parts of the page that move, by the id they have in it."""
    return {
        "part-now": visit.text("parts/app_now.html", shown),
        "part-instances": visit.text("parts/instances.html", shown),
        "part-deploys": visit.text("parts/app_deploys.html", shown),
    }
