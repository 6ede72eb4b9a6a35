"""The measures of all places of a team's database together."""

from __future__ import annotations

from datetime import timedelta

from pawl.ledger.dora.report import prepared, report
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.places import everywhere
from tests.ledger_rig import Team
from tests.unit.ledger.test_dora_histories import START, History

SINCE, UNTIL = START - timedelta(days=3), START + timedelta(days=1)


def adas(history: History) -> None:
    history.kept(0, app="blog", committed=(-30,))
    slow = history.kept(100, app="blog", committed=(90,))
    history.incident(slow, 120, app="blog")
    history.kept(200, app="blog", committed=(10, 20), title="Hotfix: not slow any more")


def bobs(history: History) -> None:
    history.taken_back(50)
    history.kept(300, committed=(240,))


def test_two_places_together_are_as_one_ledger_with_the_deploys_of_both() -> None:
    team = Team()
    for name, happened in (("ada", adas), ("bob", bobs)):
        happened(History(team.joined(name)))
    one = History(lambda clock: MemoryLedger(clock=clock))
    for happened in (adas, bobs):
        happened(one)

    ledgers, unread = everywhere(team.ledgers["ada"])
    both = prepared(ledgers, None, SINCE, UNTIL)()
    alone = report(one.ledger, None, SINCE, UNTIL)
    assert (both.places, unread) == (("ada", "bob"), [])
    assert (both.now, both.trends, both.over_time) == (alone.now, alone.trends, alone.over_time)
    assert (both.now.deploys, both.now.hotfixes, both.now.change_fail.count) == (5, 1, 2)
    assert [(one.place, one.deploy, one.how) for one in both.failures] == [
        ("ada", "d2", "incident"),  # newest first
        ("bob", "d1", "taken back"),
    ]


def test_deploys_of_one_name_in_two_places_are_not_taken_for_one() -> None:
    team = Team()
    ada, bob = (History(team.joined(name)) for name in ("ada", "bob"))
    bad = ada.kept(0)
    assert bob.kept(0) == bad
    ada.incident(bad, 10)
    found = prepared(everywhere(team.ledgers["bob"])[0], None, SINCE, UNTIL)()
    assert (found.now.deploys, found.now.change_fail.count) == (2, 1)


def test_a_place_that_another_version_wrote_is_left_out_and_named() -> None:
    team = Team()
    ada = History(team.joined("ada"))
    ada.kept(0)
    team.joined("bob", is_readable=False)(lambda: START)
    ledgers, unread = everywhere(team.ledgers["ada"])
    found = prepared(ledgers, None, SINCE, UNTIL, unread=unread)()
    assert (found.places, found.unread, found.now.deploys) == (("ada",), ("bob",), 1)
