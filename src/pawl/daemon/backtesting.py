"""What ``GET /v1/apps/APP/backtest`` answers: the judge over an app's own history, at times without a deploy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from pawl.config.schema import Observe
from pawl.daemon.pawld import Pawld
from pawl.daemon.shapes import iso
from pawl.errors import PawlError
from pawl.ledger.base import Ledger
from pawl.ledger.records import AppView, DeployView
from pawl.model import Outcome
from pawl.observe.backtest import Backtest, Replay, Span, quantile
from pawl.observe.injection import Injection
from pawl.observe.judge.threshold import log_threshold
from pawl.observe.store.schema import DAY_S

Json = dict[str, Any]

MOST_DAYS = 30
"""Minutes are kept so long."""
_MOST_DEPLOYS = 5000


class BacktestQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Over how many days until now, with which fault (``errors=5%``, ``slow=2x``), drawn with which seed."""

    days: Annotated[int, msgspec.Meta(ge=1, le=MOST_DAYS)] = 7
    inject: str | None = None
    seed: int = 1


async def backtest(pawld: Pawld, app: AppView, query: BacktestQuery, *, now: float) -> Json:
    """The answer for one app. Takes seconds, in steps of a tenth of a second or two on the reading thread.

    Raises:
        UsageError: no such fault.
        StateError: the store cannot be read.
    """
    injection = None if query.inject is None else Injection.of(query.inject)
    duration_s = _duration_s(pawld, app)
    deploys = pawld.ledger.deploys(app.name, limit=_MOST_DEPLOYS)
    replay = Replay(
        app.name, began=now - query.days * DAY_S, ended=now, duration_s=duration_s,
        left_out=left_out(deploys, _taken_back_at(pawld.ledger, app.name), duration_s=duration_s, now=now),
        bad_releases=bad_releases(deploys), injection=injection, seed=query.seed,
    )  # fmt: skip
    while await pawld.signals.ask(replay.go_on):
        pass
    return shape(app.name, query, replay.result())


def left_out(
    deploys: Iterable[DeployView], taken_back_at: Iterable[float], *, duration_s: float, now: float
) -> list[Span]:
    """The spans of deploys, from their first stage to their end, and of a watch after each switch there or back."""
    spans = [(at, at + duration_s) for at in taken_back_at]
    for one in deploys:
        spans.append((_unix(one.began_at or one.queued_at), _unix(one.ended_at) if one.ended_at else now))
        if one.switched_at:
            spans.append((_unix(one.switched_at), _unix(one.switched_at) + duration_s))
    return spans


def bad_releases(deploys: Iterable[DeployView]) -> set[str]:
    """The releases that were taken back and never kept."""
    outcomes = [(one.release, one.outcome) for one in deploys]
    kept = {release for release, outcome in outcomes if outcome is Outcome.KEPT}
    return {release for release, outcome in outcomes if outcome is Outcome.ROLLED_BACK} - kept


def shape(app: str, query: BacktestQuery, found: Backtest) -> Json:
    """The answer as JSON: shares are 0..1, null without a watch."""
    least, most = found.interval
    has_any = found.watches > 0
    return {
        "app": app,
        "days": query.days,
        "began": iso(found.began),
        "ended": iso(found.ended),
        "step_s": found.step_s,
        "watch_s": found.watch_s,
        "watches": found.watches,
        "taken_back": found.taken_back,
        "share": found.taken_back / found.watches if has_any else None,
        "share_least": least if has_any else None,
        "share_most": most if has_any else None,
        "alarms": [{"began": iso(one.began), "after_s": one.after_s, "why": one.why} for one in found.alarms],
        "skipped": {
            "deploys": found.skipped_deploys,
            "no_traffic": found.skipped_no_traffic,
            "too_little": found.skipped_too_little,
        },
        "max_log_e": max(found.max_log_es, default=None),
        "log_threshold": log_threshold(found.alpha),
        "suggested_log_threshold": found.suggested_log_threshold,
        "injected": _injected(query, found),
    }


def _injected(query: BacktestQuery, found: Backtest) -> Json | None:
    if found.injection is None:
        return None
    return {
        "inject": query.inject,
        "seed": query.seed,
        "watches": found.injected,
        "caught": found.caught,
        "share": found.caught / found.injected if found.injected else None,
        "median_delay_s": quantile(found.delays_s, 0.5),
        "p90_delay_s": quantile(found.delays_s, 0.9),
        "median_delay_requests": quantile(found.delays_requests, 0.5),
        "p90_delay_requests": quantile(found.delays_requests, 0.9),
    }


def _duration_s(pawld: Pawld, app: AppView) -> float:
    """How long the live release asks to be watched; the usual time where that cannot be said."""
    if app.live is not None:
        try:
            return pawld.engine.observe(app.name, app.live.release).duration_s
        except PawlError:
            pass  # its files are gone
    return Observe().duration_s


def _taken_back_at(ledger: Ledger, app: str) -> list[float]:
    found = ledger.events(app=app, kinds={"switched_back"}, newest_first=True, limit=_MOST_DEPLOYS)
    return [_unix(one.at) for one in found]


def _unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
