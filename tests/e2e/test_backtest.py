"""``pawl backtest`` over a history that counting left behind, through the public door."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pawl.ledger.events import AppCreated, DeployEnded, DeployQueued, StageBegan
from pawl.ledger.store import SqliteLedger
from pawl.model import DeployKind, Outcome, Stage
from tests.e2e.e2e_rig import ISO_UTC, error_lines
from tests.support import HELLO, Pawl, repository
from tests.unit.observe.history_rig import HEALTHY, Traffic, fill

HOUR = 3600
OUTAGE_S = 360


@pytest.fixture(scope="module")
def outages() -> tuple[int, ...]:
    """When much went wrong for six minutes in the past of the app 'hello'.

    Watches begin every six minutes, and one sees an outage if it begins with it or up to two minutes later: most of
    its baseline is without. The first three begin two minutes apart in these six, so that it is true of one of them
    whenever the question is asked. With many more errors a minute of them would blind the baseline. The last was during
    a deploy.
    """
    now = int(time.time() // 60) * 60
    return now - 14 * HOUR, now - 9 * HOUR + 120, now - 4 * HOUR + 240, now - 12 * HOUR


@pytest.fixture(scope="module")
def used(outages: tuple[int, ...]) -> Iterator[Pawl]:
    """A home whose app has twenty-two hours of history with outages, then a deploy; and one that is just live."""
    with tempfile.TemporaryDirectory(prefix="pt-", dir="/tmp") as folder:
        pawl = Pawl(Path(folder) / "home")
        repo = repository(Path(folder) / "hello", HELLO)
        release = repo.git("rev-parse", "HEAD")[:12]
        other = repository(Path(folder) / "other", HELLO)
        other.commit("Another name", pawl__toml=(HELLO / "pawl.toml").read_text().replace("hello", "other"))
        pawl.path.mkdir(mode=0o700)
        now = int(time.time() // 60) * 60

        def story(at: int) -> tuple[str, Traffic]:
            return release, Traffic(errors=0.1) if any(0 <= at - one < OUTAGE_S for one in outages) else HEALTHY

        _deploy_that_failed(pawl, began=outages[-1] - 60, ended=outages[-1] + OUTAGE_S)
        fill(pawl.home.signals, "hello", story, began=now - 22 * HOUR, ended=now)
        try:
            pawl.up()
            pawl.ok("deploy", repo.path)
            pawl.ok("deploy", other.path)
            yield pawl
        finally:
            pawl.destroy()


def _deploy_that_failed(pawl: Pawl, *, began: float, ended: float) -> None:
    """Write a deploy into the ledger, as pawld would have then."""
    now = began
    ledger = SqliteLedger(pawl.home.ledger, clock=lambda: datetime.fromtimestamp(now, UTC))
    ledger.append(AppCreated(), app="hello")
    ledger.append(
        DeployQueued(deploy_kind=DeployKind.DEPLOY, release="0" * 12, asked_by="ada"),
        app="hello", deploy=(deploy := ledger.next_deploy_id()),
    )  # fmt: skip
    ledger.append(StageBegan(stage=Stage.FETCHED), app="hello", deploy=deploy)
    now = ended
    ledger.append(DeployEnded(outcome=Outcome.FAILED, duration_s=ended - began), app="hello", deploy=deploy)
    ledger.close()


def refused(done: subprocess.CompletedProcess[str], *, status: int = 2) -> list[str]:
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return error_lines(done.stderr)


def was_bad_from(at: float, outages: tuple[int, ...]) -> bool:
    """Whether a watch of five minutes that began then saw an outage, and no deploy."""
    return any(one - 300 < at < one + OUTAGE_S for one in outages[:-1])


def unix(at: str) -> float:
    assert ISO_UTC.fullmatch(at)
    return datetime.fromisoformat(at).timestamp()


def test_an_outage_is_found_and_nothing_else(used: Pawl, outages: tuple[int, ...]) -> None:
    answer: dict[str, Any] = used.json("backtest", "hello", "--days", "1")
    assert set(answer) == {
        "app", "days", "began", "ended", "step_s", "watch_s", "watches", "taken_back", "share", "share_least",
        "share_most", "alarms", "skipped", "max_log_e", "log_threshold", "suggested_log_threshold", "injected",
    }  # fmt: skip
    assert (answer["app"], answer["days"], answer["step_s"], answer["watch_s"]) == ("hello", 1, 60, 300)
    assert unix(answer["ended"]) - unix(answer["began"]) == pytest.approx(86_400, abs=120)
    assert 1 <= answer["taken_back"] == len(answer["alarms"]) <= 6
    for one in answer["alarms"]:
        assert was_bad_from(unix(one["began"]), outages)
        assert "errors" in one["why"]
    # 220 times with requests; for a while after each outage the baseline has it and little can be seen.
    # The span ends now, so all of it moves with the minute the question is asked in.
    assert 195 <= answer["watches"] <= 220
    assert 190 <= answer["watches"] + answer["skipped"]["too_little"] <= 225
    assert answer["skipped"]["no_traffic"] == pytest.approx(20, abs=10)
    assert 1 <= answer["skipped"]["deploys"] <= 6  # seven minutes, and perhaps the deploy just now
    assert answer["watches"] + sum(answer["skipped"].values()) == pytest.approx(240, abs=2)
    assert 0 < answer["share_least"] < answer["share"] < answer["share_most"] < 0.08
    assert answer["max_log_e"] > answer["log_threshold"]
    assert answer["injected"] is None


def test_it_is_told_in_words_with_the_time_and_what_cannot_be_known(used: Pawl, outages: tuple[int, ...]) -> None:
    lines = used.ok("backtest", "hello", "--days", "1").splitlines()
    assert lines[0].startswith("hello: would have taken back ")
    assert " %) from 20" in lines[0]
    assert "by the minute" in lines[1]
    assert lines[2].startswith("left out: ")
    (table,) = [number for number, line in enumerate(lines) if line.startswith("WATCHED FROM")]
    began = datetime.fromisoformat(lines[table + 1][:20].replace(" ", "T", 1)).timestamp()
    assert was_bad_from(began, outages)
    assert "outage" in lines[-1]


def test_a_fault_is_caught_in_most_watches_and_a_tiny_one_is_not(used: Pawl) -> None:
    gross = used.json("backtest", "hello", "--days", "1", "--inject", "errors=20%")["injected"]
    assert gross["inject"] == "errors=20%"
    assert gross["watches"] > 80
    assert gross["share"] > 0.75
    assert 180 <= gross["median_delay_s"] <= 240
    assert gross["median_delay_requests"] == 5 * gross["median_delay_s"]
    assert gross["p90_delay_s"] <= 300
    tiny = used.json("backtest", "hello", "--days", "1", "--inject", "errors=0.1%")["injected"]
    assert abs(tiny["watches"] - gross["watches"]) <= 8  # asked for later, so of other minutes
    assert tiny["share"] < 0.1
    slow = used.json("backtest", "hello", "--days", "1", "--inject", "slow=2x")["injected"]
    assert slow["share"] > 0.75
    assert slow["median_delay_s"] <= 300
    assert "with slow=2x: would have caught " in used.ok("backtest", "hello", "--days", "1", "--inject", "slow=2x")


def test_the_same_seed_draws_the_same_errors(used: Pawl) -> None:
    one, again = (
        used.json("backtest", "hello", "--days", "1", "--inject", "errors=1.2%", "--seed", "7")["injected"]
        for _ in range(2)
    )
    # The span ends now, so the second may be of other minutes.
    assert one["seed"] == again["seed"] == 7
    assert abs(one["watches"] - again["watches"]) <= 8
    assert 0 < one["caught"] < one["watches"]


def test_an_app_that_was_never_asked_for_anything_has_nothing_to_go_by(used: Pawl) -> None:
    lines = refused(used.run("backtest", "other"), status=1)
    assert "no time of the last 7 days could be judged" in lines[0]
    assert "without a request" in lines[1]
    assert "pawl signals other --since 7d" in lines[-1]
    done = used.run("backtest", "other", "--json")
    assert done.returncode == 1
    assert '"watches": 0' in done.stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("hello", "--inject", "foo"), "'foo'"), (("hello", "--inject", "errors=0%"), "0 %"),
        (("hello", "--inject", "slow=1x"), "1 times"), (("hello", "--inject", "errors=5"), "'errors=5'"),
        (("hello", "--days", "0"), "--days"), (("hello", "--days", "31"), "--days"),
        (("hello", "--days", "many"), "--days"), (("nothere",), "nothere"), ((), "app"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused_with_what_to_write(words: tuple[str, ...], named: str, used: Pawl) -> None:
    lines = refused(used.run("backtest", *words))
    assert named in lines[0].lower()
    assert lines[-1].strip().startswith(("next:", "see:"))


def test_a_backtest_does_nothing_to_the_app(used: Pawl) -> None:
    before = (used.live(), used.instances(), used.json("deploys", "hello"))
    used.ok("backtest", "hello", "--days", "1", "--inject", "errors=100%")
    after = (used.live(), used.instances(), used.json("deploys", "hello"))
    assert [item["pid"] for item in before[1]] == [item["pid"] for item in after[1]]
    assert (before[0], before[2]) == (after[0], after[2])
