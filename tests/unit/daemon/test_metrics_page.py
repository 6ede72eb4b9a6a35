"""The whole page of one pawld that is wired but not started, and what is counted from its ledger."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pawl.daemon.metrics import happenings
from pawl.daemon.metrics.catalogue import FAMILIES
from pawl.daemon.metrics.exposition import Page
from pawl.daemon.metrics.happenings import LedgerTotals
from pawl.daemon.pawld import Pawld
from pawl.ledger.events import (
    AppCreated,
    CrashLoop,
    DeployEnded,
    DeployQueued,
    InstanceCrashed,
    MemoryExceeded,
    PawldStarted,
    ProxyRestarted,
    StageBegan,
    VerdictReached,
)
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.observations import Observation
from pawl.model import DeployKind, Outcome, Stage
from tests.unit.daemon.daemon_rig import COMMIT, call, play, put_live, raw_call

NOW = datetime(2026, 5, 9, 7, 35, tzinfo=UTC)


def samples(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def told(totals: LedgerTotals, *apps: str) -> dict[str, str]:
    page = Page(FAMILIES)
    totals.show(page, [(app, "web") for app in apps], apps)
    return samples(page.text())


def deployed(ledger: MemoryLedger, outcome: Outcome, kind: DeployKind = DeployKind.DEPLOY, app: str = "shop") -> str:
    deploy = ledger.next_deploy_id()
    ledger.append(DeployQueued(deploy_kind=kind, release="r1", asked_by="ada"), app=app, deploy=deploy)
    ledger.append(DeployEnded(outcome=outcome, duration_s=1.0), app=app, deploy=deploy)
    return deploy


def test_deploys_verdicts_and_crashes_are_counted_from_the_ledgers_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(happenings, "_AT_ONCE", 3)
    ledger = MemoryLedger(clock=lambda: NOW)
    ledger.append(PawldStarted(version="1", pid=1))
    for _ in range(4):
        deploy = deployed(ledger, Outcome.KEPT)
    deployed(ledger, Outcome.ROLLED_BACK)
    deployed(ledger, Outcome.KEPT, DeployKind.ROLLBACK, app="blog")
    ledger.append(DeployEnded(outcome=Outcome.FAILED, duration_s=1.0), app="shop", deploy=deploy)  # a second end
    seen = Observation(verdict="keep", why="", elapsed_s=1, duration_s=1)
    ledger.append(VerdictReached(observation=seen, acts=False), app="shop", deploy=deploy)
    for event in (
        InstanceCrashed(process="web", instance="web.1", release="r1", pid=1, exit="", restarts=1, uptime_s=1),
        InstanceCrashed(process="web", instance="web.1", release="r1", pid=1, exit="", restarts=2, uptime_s=1),
        CrashLoop(process="web", instance="web.1", release="r1", restarts=5, within_s=3),
        MemoryExceeded(process="web", instance="web.1", release="r1", rss_bytes=2, limit_bytes=1),
    ):
        ledger.append(event, app="shop")
    ledger.append(ProxyRestarted(reason="it died"))

    totals = LedgerTotals(ledger)
    asyncio.run(totals.read())
    found = told(totals, "shop", "empty")
    assert found['pawl_deploys_total{app="shop",kind="deploy",outcome="kept"}'] == "4"
    assert found['pawl_deploys_total{app="shop",kind="deploy",outcome="rolled back"}'] == "1"
    assert found['pawl_deploys_total{app="shop",kind="deploy",outcome="failed"}'] == "0"
    assert found['pawl_deploys_total{app="blog",kind="rollback",outcome="kept"}'] == "1"
    assert found['pawl_deploys_total{app="empty",kind="deploy",outcome="kept"}'] == "0"
    assert found['pawl_verdicts_total{app="shop",verdict="keep"}'] == "1"
    assert found['pawl_verdicts_total{app="shop",verdict="roll back"}'] == "0"
    assert found['pawl_instance_crashes_total{app="shop",process="web"}'] == "2"
    assert found['pawl_crash_loops_total{app="shop",process="web"}'] == "1"
    assert found['pawl_memory_exceeded_total{app="shop",process="web"}'] == "1"
    assert found['pawl_memory_exceeded_total{app="empty",process="web"}'] == "0"
    assert found["pawl_proxy_restarts_total"] == "1"
    assert found["pawl_ledger_events_total"] == str(ledger.events(newest_first=True, limit=1)[0].seq)

    deployed(ledger, Outcome.FAILED)
    asyncio.run(totals.read())
    asyncio.run(totals.read())
    assert told(totals, "shop")['pawl_deploys_total{app="shop",kind="deploy",outcome="failed"}'] == "1"


def test_an_empty_ledger_is_told() -> None:
    totals = LedgerTotals(MemoryLedger(clock=lambda: NOW))
    asyncio.run(totals.read())
    assert told(totals)["pawl_ledger_events_total"] == "0"


def test_the_api_answers_with_every_metric_of_pawld_itself(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        status, body = await raw_call(pawld, "GET", "/metrics")
        found = samples(body.decode())
        assert status == 200
        assert found["pawl_proxy_up"] == "0"
        assert found["pawl_access_log_counting"] == "1"
        assert found["pawl_ledger_events_total"] == "0"
        own = {family.name for family in FAMILIES if family.name.startswith("process_")}
        assert own <= found.keys()
        assert all(float(found[name]) > 0 for name in own)

    play(tmp_path, scene)


def test_what_is_live_under_way_and_under_watch_is_told(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        put_live(pawld)
        queued = DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r2", commit=COMMIT, asked_by="ada")
        pawld.ledger.append(queued, app="hello", deploy="d7")
        pawld.ledger.append(StageBegan(stage=Stage.OBSERVED), app="hello", deploy="d7")
        seen = Observation(verdict="inconclusive", why="", elapsed_s=12.5, duration_s=300, log_e=1.5, log_threshold=6.0)
        pawld.board.post("d7", seen)
        found = samples((await raw_call(pawld, "GET", "/metrics"))[1].decode())
        assert found[f'pawl_app_live_info{{app="hello",release="r1",commit="{COMMIT.sha}"}}'] == "1"
        assert found['pawl_deploys_unfinished{app="hello"}'] == "1"
        stage = 'app="hello",deploy="d7",kind="deploy",release="r2",stage="observed"'
        assert found[f"pawl_deploy_stage_info{{{stage}}}"] == "1"
        assert found['pawl_watch_evidence_ratio{app="hello",deploy="d7"}'] == "0.25"
        assert found['pawl_watch_elapsed_seconds{app="hello",deploy="d7"}'] == "12.5"
        assert found['pawl_watch_duration_seconds{app="hello",deploy="d7"}'] == "300"

    play(tmp_path, scene)


def test_an_app_that_never_was_live_is_told_without_a_release(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        pawld.ledger.append(AppCreated(), app="hello")
        text = (await raw_call(pawld, "GET", "/metrics"))[1].decode()
        assert 'pawl_deploys_unfinished{app="hello"} 0' in text
        assert "pawl_app_live_info{" not in text

    play(tmp_path, scene)


def test_a_ledger_that_cannot_be_read_is_said_and_is_no_page(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        pawld.ledger.close()
        status, body = await raw_call(pawld, "GET", "/metrics")
        assert status == 503
        assert b"closed" in body

    play(tmp_path, scene)


def test_there_is_nothing_to_post(tmp_path: Path) -> None:
    async def scene(pawld: Pawld) -> None:
        assert (await call(pawld, "POST", "/metrics"))[0] in (404, 405)

    play(tmp_path, scene)
