"""Everything that was ever recorded, searched and paged; in a team's database also what other places recorded."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from pawl.dashboard.pages import stories
from pawl.dashboard.visit import Visit
from pawl.errors import UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.records import iso_utc
from pawl.ledger.searching import Wanted

_A_PAGE = 100
_FIELDS = ("of", "q", "app", "kind", "deploy", "from", "to")

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "deploys": ("Deploys", ("deploy_queued", "change_found", "switched", "switched_back", "deploy_ended")),
    "verdicts": ("Verdicts", ("verdict_reached", "keep_asked", "restored_watched")),
    "lessons": ("Incidents, lessons, notes", ("incident_opened", "incident_closed", "learned", "note")),
    "stages": (
        "Stages and tasks", ("stage_began", "stage_ended", "task_began", "task_ended", "migrations_found"),
    ),
    "instances": (
        "Instances", ("instance_crashed", "crash_loop", "memory_exceeded", "instance_replaced", "scaled"),
    ),
    "releases": (
        "Releases and settings",
        ("release_built", "release_pruned", "settings_changed", "app_created", "app_removed"),
    ),
    "pawld": ("pawld and the proxy", ("pawld_started", "pawld_stopped", "proxy_restarted")),
}  # fmt: skip
"""What a person looks for: how it is called, and the kinds of events that are meant."""


async def page(visit: Visit, request: Request) -> Response:
    query = {name: request.query_params.get(name, "").strip() for name in _FIELDS}
    before = request.query_params.get("before", "")
    if query["kind"] and query["kind"] not in KINDS:
        raise UsageError(f"there is no kind '{query['kind'][:40]}'", next_step=f"choose one of {', '.join(KINDS)}")
    here = visit.place.ledger
    ledger = here.at_place(query["of"]) if query["of"] else here
    found = ledger.search(_wanted(visit, query, before))
    kept = {name: value for name, value in query.items() if value}
    older = f"/ledger?{urlencode({**kept, 'before': found.older})}" if found.older is not None else ""
    shown = {
        "query": query, "kinds": KINDS, "apps": _apps(ledger, query["app"]), "older": older, "is_first": not before,
        "first": f"/ledger?{urlencode(kept)}", "is_filtered": bool(kept), "here": "ledger",
        "rows": [(one, stories.sentence(one)) for one in found.events],
        "places": here.places(), "of": ledger.place, "is_here": ledger.place == here.place,
    }  # fmt: skip
    return visit.page(request, "ledger.html", shown)


def _wanted(visit: Visit, query: Mapping[str, str], before: str) -> Wanted:
    return Wanted(
        text=query["q"][:200],
        app=query["app"] or None,
        deploy=query["deploy"] or None,
        kinds=KINDS[query["kind"]][1] if query["kind"] else None,
        since=_midnight(visit, query["from"], days=0),
        until=_midnight(visit, query["to"], days=1),
        before=_place(before),
        limit=_A_PAGE,
    )


def _place(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise UsageError(f"'{text[:40]}' is no place in the ledger", next_step="see: /ledger")
    return int(text)


def _midnight(visit: Visit, text: str, *, days: int) -> str | None:
    """When a day begins in the zone of who looks, or one some days later; None for none."""
    if not text:
        return None
    try:
        begins = datetime.combine(date.fromisoformat(text) + timedelta(days=days), time.min, visit.clock.where)
        return iso_utc(begins.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"'{text[:40]}' is not a day", next_step="write it as 2026-05-09") from error


def _apps(ledger: Ledger, wanted: str) -> list[str]:
    """The apps that are there, and the one that is looked for though it is gone."""
    return sorted({view.name for view in ledger.apps()} | ({wanted} if wanted else set()))
