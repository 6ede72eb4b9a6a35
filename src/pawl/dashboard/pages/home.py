"""The first page: every app, how it does, and what happened last."""

from __future__ import annotations

from typing import Any

from pawl.dashboard.pages.rows import deploy_row, deploy_rows, health_of
from pawl.dashboard.sparkline import sparkline
from pawl.dashboard.visit import Visit
from pawl.ledger.base import Ledger
from pawl.ledger.places import everywhere
from pawl.ledger.records import AppView
from pawl.words import duration, share

_LAST_DEPLOYS = 12


async def values(visit: Visit) -> dict[str, Any]:
    """What the page shows."""
    ledger = visit.place.ledger
    views = ledger.apps()
    pulses = await visit.pulses.of([view.name for view in views])
    unfinished = ledger.unfinished()
    last = ledger.deploys(limit=_LAST_DEPLOYS)
    return {
        "apps": [_row(visit, view, pulses[view.name]) for view in views],
        "running": [deploy_row(deploy) for deploy in unfinished],
        "deploys": deploy_rows(ledger, last),
        "troubles": sorted({pulse.trouble for pulse in pulses.values() if pulse.trouble}),
    }


def fragments(visit: Visit, shown: dict[str, Any]) -> dict[str, str]:
    """The parts of the page that move, by the id they have in it."""
    return {
        "part-apps": visit.text("parts/apps.html", shown),
        "part-deploys": visit.text("parts/last_deploys.html", shown),
    }


def elsewhere(visit: Visit) -> dict[str, Any]:
    """What a team's other places have live, as the ledger has it; how it does is counted there."""
    (_, *others), unread = everywhere(visit.place.ledger)
    return {"others": [(one.place, _other(one, view)) for one in others for view in one.apps()], "unread": unread}


def _other(ledger: Ledger, view: AppView) -> dict[str, Any]:
    last = ledger.deploys(view.name, limit=1)
    return {**_live(ledger, view), "last": deploy_row(last[0]) if last else None}


def _live(ledger: Ledger, view: AppView) -> dict[str, Any]:
    live = ledger.deploy(view.live.deploy) if view.live else None
    return {
        "name": view.name,
        "live": view.live,
        "title": live.commit.title if live and live.commit else "",
        "author": live.commit.author if live and live.commit else "",
    }


def _row(visit: Visit, view: AppView, pulse: Any) -> dict[str, Any]:
    now = pulse.now
    return {
        **_live(visit.place.ledger, view),
        "url": visit.place.url(view.name),
        "health": health_of(visit.place, view.name, visit.place.instances(view.name)),
        "rate": now.rate_per_s if now else None,
        "errors": now.error_share if now else None,
        "p95": now.p95 if now else None,
        "sparks": _sparks(pulse),
    }


def _sparks(pulse: Any) -> dict[str, Any]:
    if not pulse.hour:
        return {"rate": "", "errors": "", "p95": ""}
    p95s = [value for value in pulse.p95s if value is not None]
    shares = [value for value in pulse.error_shares if value is not None]
    return {
        "rate": sparkline(
            pulse.rates, css="rate",
            label=f"requests in the last hour, at most {max(pulse.rates, default=0):.3g} a second",
        ),
        "errors": sparkline(
            [value or 0.0 for value in pulse.error_shares], css="errors",
            label=f"share of errors in the last hour, at most {share(max(shares, default=0.0))}",
        ),
        "p95": sparkline(
            pulse.p95s, css="p95", label=f"p95 in the last hour, at most {duration(max(p95s, default=None))}"
        ),
    }  # fmt: skip
