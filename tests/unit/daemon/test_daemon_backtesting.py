"""Which times a backtest leaves out, and what of the ledger it goes by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pawl.daemon.backtesting import BacktestQuery, bad_releases, left_out, shape
from pawl.ledger.events import DeployOptions
from pawl.ledger.records import DeployView, iso_utc
from pawl.model import DeployKind, Outcome
from pawl.observe.backtest import Alarm, Backtest
from pawl.observe.injection import Injection

NOW = 1_770_000_000.0


def at(seconds: float) -> str:
    return iso_utc(datetime.fromtimestamp(NOW + seconds, UTC))


def deploy(
    release: str, *, outcome: Outcome | None, began_at: str | None = None, switched_at: str | None = None,
    ended_at: str | None = None,
) -> DeployView:  # fmt: skip
    return DeployView(
        id="d1", app="demo", kind=DeployKind.DEPLOY, commit=None, release=release, settings=0, previous_release=None,
        commits=(), authors=(), options=DeployOptions(), asked_by="", from_live=None, path="", status="ended",
        outcome=outcome, reason="", detail="", failed_stage=None, duration_s=None, stages=(), tasks=(),
        queued_at=at(0), began_at=began_at, switched_at=switched_at, ended_at=ended_at,
    )  # fmt: skip


def test_a_deploy_and_a_watch_after_its_switch_are_left_out() -> None:
    kept = deploy("a", outcome=Outcome.KEPT, began_at=at(10), switched_at=at(60), ended_at=at(90))
    assert left_out([kept], [], duration_s=300, now=NOW) == [(NOW + 10, NOW + 90), (NOW + 60, NOW + 360)]


def test_a_deploy_that_goes_on_is_left_out_until_now() -> None:
    waiting = deploy("a", outcome=None)
    assert left_out([waiting], [], duration_s=300, now=NOW + 50) == [(NOW, NOW + 50)]


def test_a_watch_after_a_release_was_restored_is_left_out() -> None:
    assert left_out([], [NOW], duration_s=300, now=NOW + 1000) == [(NOW, NOW + 300)]


def test_releases_that_were_only_ever_taken_back_are_bad() -> None:
    fates = [("a", Outcome.KEPT), ("b", Outcome.ROLLED_BACK), ("c", Outcome.ROLLED_BACK), ("c", Outcome.KEPT)]
    fates += [("d", Outcome.FAILED)]
    assert bad_releases([deploy(release, outcome=outcome) for release, outcome in fates]) == {"b"}


def found(**changed: Any) -> Backtest:
    whole = {
        "began": NOW, "ended": NOW + 86_400, "step_s": 60, "watch_s": 300, "watches": 4,
        "alarms": (Alarm(NOW + 600, 180.0, "errors"),), "skipped_deploys": 1, "skipped_no_traffic": 2,
        "skipped_too_little": 3, "alpha": 0.01, "max_log_es": (0.0, 1.0, 5.0, 2.0), "injection": Injection(errors=0.05),
        "caught": 2, "delays_s": (180.0, 300.0), "delays_requests": (900, 1500),
    }  # fmt: skip
    return Backtest(**{**whole, **changed})


def test_the_answer_has_shares_and_delays() -> None:
    answer = shape("demo", BacktestQuery(days=1, inject="errors=5%", seed=3), found())
    assert (answer["taken_back"], answer["share"], answer["max_log_e"]) == (1, 0.25, 5.0)
    assert answer["share_least"] < 0.25 < answer["share_most"]
    assert answer["suggested_log_threshold"] == 5.0 > answer["log_threshold"]
    assert answer["skipped"] == {"deploys": 1, "no_traffic": 2, "too_little": 3}
    assert answer["injected"] == {
        "inject": "errors=5%", "seed": 3, "watches": 3, "caught": 2, "share": 2 / 3, "median_delay_s": 180.0,
        "p90_delay_s": 300.0, "median_delay_requests": 900, "p90_delay_requests": 1500,
    }  # fmt: skip


def test_without_a_watch_shares_are_null() -> None:
    none = found(watches=0, alarms=(), max_log_es=(), caught=0, delays_s=(), delays_requests=())
    answer = shape("demo", BacktestQuery(inject="errors=5%"), none)
    assert (answer["share"], answer["share_least"], answer["share_most"], answer["max_log_e"]) == (None,) * 4
    assert answer["injected"]["share"] is answer["injected"]["median_delay_s"] is None
