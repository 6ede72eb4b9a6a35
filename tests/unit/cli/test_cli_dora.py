"""What ``pawl dora`` says of an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pawl.cli import dora
from pawl.ledger.dora.report import report
from pawl.ledger.events import DeployEnded, DeployQueued, StageBegan, Switched
from pawl.ledger.memory import MemoryLedger
from pawl.model import Commit, DeployKind, Outcome, Stage

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
Json = dict[str, Any]


def answer(*deploys: tuple[float, float], app: str | None = "demo", days: float = 7, until: float = 0) -> Json:
    """The answer of a pawld whose deploys went live so many days after START, each with a lead time in minutes."""
    now = START
    ledger = MemoryLedger(clock=lambda: now)
    for number, (at, lead) in enumerate(deploys, 1):
        now = START + timedelta(days=at)
        commit = Commit("a" * 40, "A change", "Ada", "a@example.org", (now - timedelta(minutes=lead)).isoformat())
        asked = DeployQueued(
            deploy_kind=DeployKind.DEPLOY, release=f"r{number}", asked_by="ada", commits=(commit,), authors=("Ada",)
        )
        for event in (
            asked,
            StageBegan(stage=Stage.BUILT),
            Switched(release=f"r{number}", settings=1, commit=""),
            DeployEnded(outcome=Outcome.KEPT, duration_s=1),
        ):
            ledger.append(event, app="demo", deploy=f"d{number}")
    end = START + timedelta(days=until)
    found: Json = msgspec.to_builtins(report(ledger, app, end - timedelta(days=days), end))
    return found


def row(texts: list[str], name: str) -> str:
    return next(text for text in texts if text.startswith(name))


def test_an_empty_ledger_is_told_in_a_line() -> None:
    assert dora.report(answer(app=None)) == ["all apps: nothing was deployed yet"]


def test_a_span_without_a_deploy_is_told_in_a_line() -> None:
    assert dora.report(answer((0, 5), until=40)) == ["demo: nothing went live from 2026-06-06 to 2026-06-13"]


def test_few_deploys_are_shown_with_their_numbers_and_a_caution() -> None:
    texts = dora.report(answer((0, 10), (0.01, 20), until=1))
    assert texts[0] == "demo: 2 changes went live from 2026-05-04 to 2026-05-05; too few deploys to say, below 20"
    assert row(texts, "change lead time, median").split("median")[1].split() == ["15", "min", "0", "s"]
    assert row(texts, "change fail rate").split("rate")[1].split("  ")[-1] == "0 of 2"
    assert "nothing to compare with: the first deploy was on 2026-05-04" in texts


def test_a_trend_is_told_beside_the_span_before() -> None:
    deploys = [(number / 5, 10 if number < 60 else 60) for number in range(100)]
    texts = dora.report(answer(*deploys, days=6, until=19.9))
    assert "too few" not in texts[0]
    assert "1 h 0 min" in row(texts, "change lead time, median")
    assert "10 min 0 s" in row(texts, "change lead time, median")
    assert row(texts, "change lead time, median").endswith("longer")
    assert not row(texts, "change fail rate").endswith("higher")
    assert row(texts, "change lead time by the day").endswith("  ▄▄▄▄▄▄▄")  # all the same


@pytest.mark.parametrize("name", ["change lead time", "rework rate", "batches"])
def test_definitions_are_told_with_their_version(name: str) -> None:
    texts = dora._explained(answer()["definitions"])
    assert f"{name} (definition 1)" in texts
    assert max(map(len, texts)) <= 100
