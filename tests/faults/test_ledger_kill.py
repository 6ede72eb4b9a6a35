"""SIGKILL in the middle of appends: what was acknowledged is there, and the views are those of the events."""

from __future__ import annotations

from pathlib import Path

from tests.faults.ledger_kill_rig import Kills, views_are_those_of_the_events
from tests.integration.services.services_rig import Database
from tests.ledger_rig import new_place


def test_nothing_acknowledged_is_lost_in_fifteen_kills(tmp_path: Path) -> None:
    check(Kills(path=tmp_path / "ledger.db"), rounds=15)


def test_nothing_acknowledged_is_lost_in_six_kills_of_who_writes_to_postgresql(ledger_database: Database) -> None:
    check(Kills(url=ledger_database.url(tail=f"?place={new_place()}")), rounds=6)


def check(kills: Kills, *, rounds: int) -> None:
    for _ in range(rounds):
        kills.round()
        ledger = kills.opened()
        assert kills.lost(ledger) == 0
        assert views_are_those_of_the_events(
            lambda ledger=ledger: (  # type: ignore[misc]
                ledger.apps(), ledger.deploys(limit=None), ledger.unfinished(), ledger.releases("demo")
            ),
            ledger.rebuild,
        )  # fmt: skip
        kills.ids.append(ledger.next_deploy_id())
        ledger.close()
    assert len(set(kills.ids)) == len(kills.ids), "a deploy id was given out twice"
    assert len(kills.promised) > rounds * 5, "the writers were killed before they did anything"
