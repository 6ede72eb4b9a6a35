"""What every ledger keeps to: one suite over SQLite, PostgreSQL and the fake in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import StateError, UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.dora.facts import Named
from pawl.ledger.dora.span import Span
from pawl.ledger.events import (
    AppCreated,
    AppRemoved,
    DeployEnded,
    DeployOptions,
    DeployQueued,
    IncidentClosed,
    IncidentOpened,
    InstanceCrashed,
    Learned,
    Note,
    PawldStarted,
    ReleaseBuilt,
    ReleasePruned,
    Scaled,
    SettingsChanged,
    StageBegan,
    StageEnded,
    Switched,
    SwitchedBack,
    TaskBegan,
    TaskEnded,
    VerdictReached,
)
from pawl.ledger.observations import Observation
from pawl.ledger.records import AppView, DeployView, Entry, Recorded
from pawl.ledger.searching import Wanted
from pawl.model import Commit, DeployKind, Live, Outcome, Stage
from tests.ledger_rig import KEEPERS, START, opener

COMMIT = Commit("a" * 40, "Quicker feeds", "Ada", "ada@example.org", "2026-05-09T07:00:00Z")


def at(tick: int) -> str:
    return f"2026-05-09T07:{30 + tick // 60:02}:{tick % 60:02}.000000Z"


@pytest.fixture(params=KEEPERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made = opener(request.param, request, tmp_path)()
    yield made
    made.close()


def queue(ledger: Ledger, *, app: str = "demo", release: str = "r1", kind: DeployKind = DeployKind.DEPLOY) -> str:
    deploy = ledger.next_deploy_id()
    ledger.append(DeployQueued(deploy_kind=kind, release=release, asked_by="ada"), app=app, deploy=deploy)
    return deploy


def switch(
    ledger: Ledger, release: str, settings: int = 1, *, app: str = "demo", kind: DeployKind = DeployKind.DEPLOY
) -> str:
    """A deploy that goes live; it has not ended yet."""
    deploy = queue(ledger, app=app, release=release, kind=kind)
    ledger.append(Switched(release=release, settings=settings, commit=release * 20), app=app, deploy=deploy)
    return deploy


def keep(
    ledger: Ledger, release: str, settings: int = 1, *, app: str = "demo", kind: DeployKind = DeployKind.DEPLOY
) -> str:
    deploy = switch(ledger, release, settings, app=app, kind=kind)
    ledger.append(DeployEnded(outcome=Outcome.KEPT, duration_s=1), app=app, deploy=deploy)
    return deploy


def take_back(ledger: Ledger, deploy: str, *, to: tuple[str, int] | None) -> None:
    release, settings = to or (None, None)
    back = SwitchedBack(release=release, settings=settings, commit=release and release * 20, reason="errors rose")
    ledger.append(back, app="demo", deploy=deploy)
    ledger.append(DeployEnded(outcome=Outcome.ROLLED_BACK, duration_s=2), app="demo", deploy=deploy)


def shown(ledger: Ledger, deploy: str) -> DeployView:
    view = ledger.deploy(deploy)
    assert view is not None
    return view


def demo(ledger: Ledger) -> AppView:
    view = ledger.app("demo")
    assert view is not None
    return view


def live(ledger: Ledger) -> Live:
    pointer = demo(ledger).live
    assert pointer is not None
    return pointer


def previous(ledger: Ledger) -> list[tuple[str, int]]:
    return [(place.release, place.settings) for place in demo(ledger).previous]


# Events


def test_an_appended_event_is_read_back_with_its_place_time_app_and_deploy(ledger: Ledger) -> None:
    event = StageBegan(stage=Stage.TASKS_DONE)
    recorded = ledger.append(event, app="demo", deploy="d7")
    assert recorded == Recorded(seq=1, at=at(0), app="demo", deploy="d7", event=event)
    assert recorded.kind == "stage_began"
    assert ledger.events() == [recorded]


def test_events_are_filtered_by_app_deploy_kind_and_place(ledger: Ledger) -> None:
    ledger.append(PawldStarted(version="1", pid=7))
    ledger.append(AppCreated(), app="demo")
    ledger.append(AppCreated(), app="blog")
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="d1")
    ledger.append(StageBegan(stage=Stage.BUILT), app="blog", deploy="d2")

    def seqs(events: list[Recorded]) -> list[int]:
        return [event.seq for event in events]

    assert seqs(ledger.events(app="demo")) == [2, 4]
    assert seqs(ledger.events(deploy="d2")) == [5]
    assert seqs(ledger.events(kinds=["app_created", "pawld_started"])) == [1, 2, 3]
    assert seqs(ledger.events(kinds={"unheard_of"})) == []
    assert seqs(ledger.events(kinds=())) == []
    assert seqs(ledger.events(after=3)) == [4, 5]
    assert seqs(ledger.events(after=1, limit=2)) == [2, 3]
    assert seqs(ledger.events(after=1, limit=2, newest_first=True)) == [5, 4]
    assert seqs(ledger.events(app="blog", kinds=["stage_began"], newest_first=True)) == [5]
    assert seqs(ledger.events(limit=0)) == seqs(ledger.events(limit=-1)) == []


def test_events_appended_together_share_their_time_and_follow_one_another(ledger: Ledger) -> None:
    recorded = ledger.append_many([Entry(AppCreated(), "demo"), Entry(Scaled(processes={"web": 2}), "demo")])
    assert [(one.seq, one.at) for one in recorded] == [(1, at(0)), (2, at(0))]
    assert ledger.append_many([]) == []
    assert ledger.events() == recorded


@pytest.mark.parametrize(
    ("event", "app", "deploy"),
    [
        (AppCreated(), None, None),
        (AppCreated(), "", None),
        (StageBegan(stage=Stage.BUILT), "demo", None),
        (StageBegan(stage=Stage.BUILT), None, "d1"),
        (StageBegan(stage="nonsense"), "demo", "d1"),  # type: ignore[arg-type]
        (Scaled(processes={"web": -1}), "demo", None),
        (SettingsChanged(version=2**63, what="env", by="ada"), "demo", None),
        (TaskEnded(index=0, exit_status=0, duration_s=float("nan")), "demo", "d1"),
        (IncidentOpened(incident="i1", title="Down", began_at=START.replace(tzinfo=None), by="ada"), "demo", None),
        (Learned(text="Feeds are slow", by="ada"), "demo", None),
        ({"kind": "note"}, None, None),
    ],
)
def test_an_event_that_could_not_be_read_back_is_refused_and_nothing_recorded(
    ledger: Ledger, event: Note, app: str | None, deploy: str | None
) -> None:
    with pytest.raises(ValueError, match=r".+"):
        ledger.append_many([Entry(Note(text="before it", by="ada")), Entry(event, app, deploy)])
    assert ledger.events() == []
    assert ledger.append(Note(text="after it", by="ada")).seq == 1


def test_what_utf_8_cannot_hold_is_recorded_as_a_question_mark(ledger: Ledger) -> None:
    event = SettingsChanged(version=1, what="env", set_names=("A", "caf\udce9"), by="Ad\udce4")
    recorded = ledger.append(event, app="demo").event
    assert recorded == SettingsChanged(version=1, what="env", set_names=("A", "caf?"), by="Ad?")
    assert [one.event for one in ledger.events()] == [recorded]


def test_values_are_recorded_in_the_type_they_are_declared_with(ledger: Ledger) -> None:
    names = ["A", "B"]
    event = SettingsChanged(version=1, what="env", set_names=names, by="ada")  # type: ignore[arg-type]
    recorded = ledger.append(event, app="demo").event
    assert isinstance(recorded, SettingsChanged)
    assert recorded.set_names == ("A", "B")
    assert [one.event for one in ledger.events()] == [recorded]


# Looking for events


def found(ledger: Ledger, **wanted: Any) -> list[int]:
    """The places of all that is found, page by page."""
    places: list[int] = []
    page = ledger.search(Wanted(**wanted))
    while True:
        assert [one.seq for one in page.events] == sorted((one.seq for one in page.events), reverse=True)
        places += [one.seq for one in page.events]
        if page.older is None or "after" in wanted:
            return places
        page = ledger.search(Wanted(**(wanted | {"before": page.older})))


@pytest.fixture
def searched(ledger: Ledger) -> Ledger:
    ledger.append(AppCreated(), app="demo")
    ledger.append(Note(text='Straße 50% "gone"\nthe \\ end_', by="Ädä"), app="demo")
    for number in range(3, 9):
        ledger.append(Note(text=f"number {number}", by="ada"), app="blog" if number % 2 else "demo")
    ledger.append(StageEnded(stage=Stage.BUILT, duration_s=1, detail="Number 9"), app="demo", deploy="d77")
    return ledger


def test_the_newest_events_come_first_and_pages_follow_one_another(searched: Ledger) -> None:
    assert found(searched) == found(searched, limit=2) == found(searched, limit=1) == list(range(9, 0, -1))
    page = searched.search(Wanted(limit=4))
    assert ([one.seq for one in page.events], page.older) == ([9, 8, 7, 6], 6)
    assert found(searched, before=4) == [3, 2, 1]
    assert found(searched, after=3, limit=2) == [5, 4]
    assert found(searched, after=7, limit=5) == [9, 8]
    assert searched.search(Wanted(after=9)).events == ()
    assert found(searched, before=6, after=3) == [5, 4]


def test_events_are_looked_for_by_app_deploy_kind_and_time(searched: Ledger) -> None:
    assert found(searched, app="blog") == [7, 5, 3]
    assert found(searched, app="blog", limit=2) == [7, 5, 3]
    assert found(searched, deploy="d77") == [9]
    assert found(searched, kinds=["app_created", "stage_ended", "app_created"]) == [9, 1]
    assert found(searched, kinds=["note", "stage_ended"], limit=2) == list(range(9, 1, -1))
    assert found(searched, kinds=[]) == found(searched, kinds=["unheard_of"]) == found(searched, app="x") == []
    assert found(searched, since=at(3), until=at(6)) == [6, 5, 4]
    assert found(searched, since=at(3), app="demo") == [9, 8, 6, 4]
    assert found(searched, since=at(99)) == found(searched, until=at(0)) == []


def test_each_word_is_somewhere_in_the_event_in_any_case(searched: Ledger) -> None:
    assert found(searched, text="NUMBER") == list(range(9, 2, -1))
    assert found(searched, text="number ada blog") == [7, 5, 3]
    assert found(searched, text="number ada blog " * 500) == [7, 5, 3]
    assert found(searched, text="x" * 60_000) == []
    assert found(searched, text="number", limit=2) == list(range(9, 2, -1))
    assert found(searched, text="number", after=4, limit=2) == [6, 5]
    assert found(searched, text="number", app="demo", kinds=["note"]) == [8, 6, 4]
    for word in ("straße", "STRAßE", "50%", '"gone"', "\\", "end_", "ädä", "ÄDÄ", "Ädä 50%", "demo gone"):
        assert found(searched, text=word) == [2], word
    for word in ("5%", "en_d", "duration_s", "schema", "text", "number gone", "!"):
        assert found(searched, text=word) == [], word
    assert found(searched, text="d77") == found(searched, text="built") == found(searched, text="stage_ended") == [9]


# Deploy ids


def test_deploy_ids_are_counted_and_no_id_in_use_is_given_out(ledger: Ledger) -> None:
    assert [ledger.next_deploy_id(), ledger.next_deploy_id()] == ["d1", "d2"]
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="d9")
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="nightly")
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="d3")
    assert ledger.next_deploy_id() == "d10"
    ledger.rebuild()
    assert ledger.next_deploy_id() == "d11"


# Deploys


def test_a_deploy_is_followed_from_the_queue_to_its_end(ledger: Ledger) -> None:
    before = Live("r0", 3, "0" * 40, "d0", at(0))
    asked = DeployQueued(
        deploy_kind=DeployKind.DEPLOY,
        release="r1",
        commit=COMMIT,
        settings=4,
        previous_release="r0",
        commits=(COMMIT,),
        authors=("Ada",),
        options=DeployOptions(observe=False, expect=("p95(/feeds/) < 80ms",)),
        asked_by="ada",
        from_live=before,
    )
    deploy = ledger.next_deploy_id()
    ledger.append(asked, app="demo", deploy=deploy)
    view = shown(ledger, deploy)
    assert (view.id, view.app, view.kind, view.commit) == (deploy, "demo", DeployKind.DEPLOY, COMMIT)
    assert (view.release, view.settings, view.previous_release, view.from_live) == ("r1", 4, "r0", before)
    assert (view.commits, view.authors, view.options) == ((COMMIT,), ("Ada",), asked.options)
    assert (view.status, view.queued_at, view.began_at, view.outcome) == ("queued", at(0), None, None)

    ledger.append(StageBegan(stage=Stage.FETCHED), app="demo", deploy=deploy)
    ledger.append(StageEnded(stage=Stage.FETCHED, duration_s=0.5, detail="3 objects"), app="demo", deploy=deploy)
    ledger.append(StageBegan(stage=Stage.TASKS_DONE), app="demo", deploy=deploy)
    ledger.append(TaskBegan(index=0, command="migrate"), app="demo", deploy=deploy)
    ledger.append(TaskBegan(index=1, command="compress"), app="demo", deploy=deploy)
    ledger.append(TaskEnded(index=0, exit_status=-9, duration_s=2), app="demo", deploy=deploy)
    view = shown(ledger, deploy)
    assert (view.status, view.began_at, view.switched_at) == ("tasks done", at(1), None)
    assert [(s.stage, s.began_at, s.ended_at, s.duration_s, s.detail) for s in view.stages] == [
        (Stage.FETCHED, at(1), at(2), 0.5, "3 objects"),
        (Stage.TASKS_DONE, at(3), None, None, ""),
    ]
    assert [(t.index, t.command, t.began_at, t.ended_at, t.exit_status, t.duration_s) for t in view.tasks] == [
        (0, "migrate", at(4), at(6), -9, 2.0),
        (1, "compress", at(5), None, None, None),
    ]

    ended = DeployEnded(
        outcome=Outcome.FAILED,
        reason="migrate was killed",
        detail="Killed\n",
        failed_stage=Stage.TASKS_DONE,
        duration_s=7,
    )
    ledger.append(ended, app="demo", deploy=deploy)
    view = shown(ledger, deploy)
    assert (view.status, view.outcome, view.reason) == ("ended", Outcome.FAILED, "migrate was killed")
    assert (view.detail, view.failed_stage) == ("Killed\n", Stage.TASKS_DONE)
    assert (view.ended_at, view.duration_s) == (at(7), 7.0)


def test_a_stage_begun_again_after_a_crash_is_shown_with_its_last_try(ledger: Ledger) -> None:
    deploy = queue(ledger)
    for event in (
        StageBegan(stage=Stage.FETCHED),
        StageBegan(stage=Stage.BUILT),
        StageBegan(stage=Stage.FETCHED),
        StageEnded(stage=Stage.FETCHED, duration_s=1),
        StageEnded(stage=Stage.FETCHED, duration_s=2, detail="late"),
        StageEnded(stage=Stage.BUILT, duration_s=3),
        StageBegan(stage=Stage.BUILT),
    ):
        ledger.append(event, app="demo", deploy=deploy)
    view = shown(ledger, deploy)
    assert [(s.stage, s.began_at, s.ended_at, s.duration_s) for s in view.stages] == [
        (Stage.FETCHED, at(3), at(4), 1.0),
        (Stage.BUILT, at(7), None, None),
    ]
    assert (view.status, view.began_at) == ("built", at(1))


def test_deploys_are_listed_newest_first_and_unfinished_ones_oldest_first(ledger: Ledger) -> None:
    first = queue(ledger)
    second = keep(ledger, "r2")
    third = queue(ledger, app="blog")
    ledger.append(StageBegan(stage=Stage.BUILT), app="blog", deploy=third)
    fourth = queue(ledger)
    assert [one.id for one in ledger.deploys()] == [fourth, third, second, first]
    assert [one.id for one in ledger.deploys("demo")] == [fourth, second, first]
    assert [one.id for one in ledger.deploys("demo", limit=2)] == [fourth, second]
    assert [one.id for one in ledger.deploys(limit=None)] == [fourth, third, second, first]
    assert ledger.deploys("unknown") == ledger.deploys(limit=0) == []
    assert [one.id for one in ledger.unfinished()] == [first, third, fourth]
    assert [one.stages for one in ledger.deploys("blog")] == [one.stages for one in ledger.unfinished()[1:2]]
    assert ledger.deploy("d99") is None


def test_a_deploy_ends_once_and_is_queued_once(ledger: Ledger) -> None:
    deploy = keep(ledger, "r1")
    before = ledger.deploys()
    ledger.append(DeployEnded(outcome=Outcome.FAILED, duration_s=9), app="demo", deploy=deploy)
    again = DeployQueued(deploy_kind=DeployKind.RESTART, release="r9", asked_by="eve")
    ledger.append(again, app="blog", deploy=deploy)
    assert ledger.deploys() == before


def test_events_of_a_deploy_never_queued_are_recorded_and_not_shown(ledger: Ledger) -> None:
    ledger.append(StageBegan(stage=Stage.BUILT), app="demo", deploy="d1")
    ledger.append(TaskBegan(index=0, command="migrate"), app="demo", deploy="d1")
    ledger.append(DeployEnded(outcome=Outcome.KEPT, duration_s=1), app="demo", deploy="d1")
    ledger.append(DeployQueued(deploy_kind=DeployKind.DEPLOY, release="r", asked_by="a"), app="demo", deploy="d1")
    assert [(one.status, one.stages, one.tasks) for one in ledger.deploys()] == [("queued", (), ())]
    assert len(ledger.events(deploy="d1")) == 4


# What is live


def test_an_app_that_was_created_has_nothing_live(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    ledger.append(AppCreated(), app="blog")
    ledger.append(AppCreated(), app="demo")
    assert [(one.name, one.created_at, one.live, one.previous) for one in ledger.apps()] == [
        ("blog", at(1), None, ()),
        ("demo", at(0), None, ()),
    ]
    assert ledger.app("unknown") is None


def test_a_switch_moves_the_pointer_and_remembers_where_it_was(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1")
    deploy = switch(ledger, "r2")
    assert live(ledger) == Live("r2", 1, "r2" * 20, deploy, at(5))
    assert shown(ledger, deploy).switched_at == at(5)
    keep(ledger, "r2", 2)
    assert previous(ledger) == [("r2", 1), ("r1", 1)]


def test_each_pair_is_offered_once_without_the_one_that_is_live(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    for release in ("r1", "r2", "r1", "r3", "r3", "r2"):
        keep(ledger, release)
    assert previous(ledger) == [("r3", 1), ("r1", 1)]


def test_at_least_the_last_ten_places_are_offered(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    for number in range(30):
        keep(ledger, f"r{number}")
    assert previous(ledger) == [(f"r{number}", 1) for number in range(28, 8, -1)]


def test_what_was_taken_back_is_neither_live_nor_offered(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    first = keep(ledger, "r1")
    take_back(ledger, switch(ledger, "r2"), to=("r1", 1))
    assert live(ledger) == Live("r1", 1, "r1" * 20, first, at(6))
    keep(ledger, "r3")
    assert previous(ledger) == [("r1", 1)]


def test_a_first_deploy_taken_back_leaves_nothing_live(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    take_back(ledger, switch(ledger, "r1"), to=None)
    assert demo(ledger).live is None
    assert previous(ledger) == []


def test_settings_taken_back_do_not_discredit_their_release(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1", 1)
    take_back(ledger, switch(ledger, "r1", 2, kind=DeployKind.SETTINGS), to=("r1", 1))
    keep(ledger, "r2", 1)
    assert previous(ledger) == [("r1", 1)]


def test_a_restart_taken_back_restores_the_deploy_that_had_made_the_pair_live(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    first = keep(ledger, "r1")
    take_back(ledger, switch(ledger, "r1", kind=DeployKind.RESTART), to=("r1", 1))
    assert live(ledger).deploy == first
    keep(ledger, "r2")
    assert previous(ledger) == [("r1", 1)]


def test_a_rollback_taken_back_restores_what_it_had_left(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1")
    second = keep(ledger, "r2")
    take_back(ledger, switch(ledger, "r1", kind=DeployKind.ROLLBACK), to=("r2", 1))
    assert (live(ledger).release, live(ledger).deploy) == ("r2", second)
    assert previous(ledger) == []
    keep(ledger, "r3")
    assert previous(ledger) == [("r2", 1)]


def test_going_back_without_having_switched_changes_nothing(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1")
    before = live(ledger)
    take_back(ledger, queue(ledger, release="r2"), to=("r1", 1))
    assert live(ledger) == before
    assert previous(ledger) == []


def test_a_switch_recorded_twice_counts_once(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    deploy = switch(ledger, "r1")
    before = live(ledger)
    ledger.append(Switched(release="r1", settings=1, commit="r1" * 20), app="demo", deploy=deploy)
    assert live(ledger) == before


def test_a_deploy_that_failed_after_its_switch_is_not_offered(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1")
    deploy = switch(ledger, "r2")
    ledger.append(DeployEnded(outcome=Outcome.FAILED, duration_s=1), app="demo", deploy=deploy)
    assert live(ledger).release == "r2"
    keep(ledger, "r3")
    assert previous(ledger) == [("r1", 1)]


def test_rolling_back_twice_goes_further_back_each_time(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    for release in ("r1", "r2", "r3"):
        keep(ledger, release)
    keep(ledger, "r2", kind=DeployKind.ROLLBACK)
    assert previous(ledger) == [("r1", 1)]
    keep(ledger, "r1", kind=DeployKind.ROLLBACK)
    assert previous(ledger) == []
    keep(ledger, "r3")
    assert previous(ledger) == [("r1", 1)]


# Releases, settings, scale, removal


def test_releases_are_listed_newest_first_with_what_became_of_them(ledger: Ledger) -> None:
    def built(release: str, size_bytes: int | None = None, environment: str = "e1") -> ReleaseBuilt:
        return ReleaseBuilt(
            release=release, commit=COMMIT, environment=environment, duration_s=3, size_bytes=size_bytes
        )

    ledger.append(AppCreated(), app="demo")
    ledger.append(built("r1", 1000), app="demo")
    ledger.append(built("r2"), app="demo")
    keep(ledger, "r1")
    keep(ledger, "r2")
    ledger.append(ReleasePruned(release="r1"), app="demo")
    ledger.append(ReleasePruned(release="r1"), app="demo")
    assert [
        (one.release, one.commit, one.environment, one.built_at, one.pruned_at, one.size_bytes, one.last_live_at)
        for one in ledger.releases("demo")
    ] == [("r2", COMMIT, "e1", at(2), None, None, at(7)), ("r1", COMMIT, "e1", at(1), at(9), 1000, at(7))]

    ledger.append(built("r1", 2000, "e2"), app="demo")
    assert [(one.release, one.environment, one.pruned_at, one.size_bytes) for one in ledger.releases("demo")] == [
        ("r1", "e2", None, 2000),
        ("r2", "e1", None, None),
    ]
    assert ledger.releases("blog") == []


def test_settings_and_scale_are_those_recorded_last(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    assert ledger.settings_version("demo") == ledger.settings_version("unknown") == 0
    ledger.append(SettingsChanged(version=1, what="env", set_names=("A",), by="ada"), app="demo")
    ledger.append(SettingsChanged(version=2, what="secrets", unset_names=("B",), by="ada"), app="demo")
    assert ledger.settings_version("demo") == 2
    ledger.append(Scaled(processes={"web": 2, "worker": 1}), app="demo")
    ledger.append(Scaled(processes={"web": 4}), app="demo")
    assert demo(ledger).scale == {"web": 4, "worker": 1}


def test_a_removed_app_is_gone_but_for_its_events_and_deploys(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    ledger.append(ReleaseBuilt(release="r1", commit=COMMIT, environment="e", duration_s=1), app="demo")
    ledger.append(SettingsChanged(version=5, what="env", by="ada"), app="demo")
    ledger.append(Scaled(processes={"web": 2}), app="demo")
    deploy = keep(ledger, "r1")
    ledger.append(AppRemoved(), app="demo")
    assert ledger.apps() == []
    assert ledger.app("demo") is None
    assert [one.id for one in ledger.deploys("demo")] == [deploy]
    assert len(ledger.events(app="demo")) == 8

    ledger.append(AppCreated(), app="demo")
    view = demo(ledger)
    assert (view.created_at, view.live, view.previous, view.scale) == (at(8), None, (), {})
    assert (ledger.releases("demo"), ledger.settings_version("demo")) == ([], 0)


def test_events_of_an_app_never_created_change_no_view(ledger: Ledger) -> None:
    keep(ledger, "r1")
    ledger.append(ReleaseBuilt(release="r1", commit=COMMIT, environment="e", duration_s=1), app="demo")
    ledger.append(Scaled(processes={"web": 2}), app="demo")
    ledger.append(AppRemoved(), app="demo")
    assert (ledger.apps(), ledger.releases("demo"), ledger.settings_version("demo")) == ([], [], 0)


def test_rebuilt_views_are_the_same(ledger: Ledger) -> None:
    ledger.append(AppCreated(), app="demo")
    keep(ledger, "r1")
    take_back(ledger, switch(ledger, "r2"), to=("r1", 1))
    before = (ledger.apps(), ledger.deploys(), ledger.releases("demo"))
    ledger.rebuild()
    ledger.rebuild()
    assert (ledger.apps(), ledger.deploys(), ledger.releases("demo")) == before


# Incidents


def moment(tick: float) -> datetime:
    return START + timedelta(seconds=tick)


def open_incident(ledger: Ledger, began: float, *, app: str = "demo", caused_by: str | None = None) -> str:
    incident = ledger.next_incident_id()
    ledger.append(
        IncidentOpened(
            incident=incident, title="Feeds are down", began_at=moment(began), by="ada", caused_by=caused_by
        ),
        app=app,
    )
    return incident


def close_incident(ledger: Ledger, incident: str, ended: float, *, app: str = "demo") -> None:
    ledger.append(IncidentClosed(incident=incident, ended_at=moment(ended), by="bob", note="More workers"), app=app)


def test_an_incident_is_kept_from_its_beginning_to_its_end(ledger: Ledger) -> None:
    deploy = queue(ledger)
    incident = open_incident(ledger, -60.5, caused_by=deploy)
    view = ledger.incident(incident)
    assert view is not None
    assert (view.id, view.app, view.title, view.opened_by) == ("i1", "demo", "Feeds are down", "ada")
    assert (view.began_at, view.opened_at) == ("2026-05-09T07:28:59.500000Z", at(1))
    assert (view.caused_by, view.is_external, view.ended_at, view.closed_at) == (deploy, False, None, None)

    closing = IncidentClosed(incident=incident, ended_at=moment(30), by="bob", fixed_by="d2", note="More workers")
    ledger.append(closing, app="demo")
    view = ledger.incident(incident)
    assert view is not None
    assert (view.ended_at, view.closed_at, view.closed_by) == (at(30), at(2), "bob")
    assert (view.fixed_by, view.note) == ("d2", "More workers")


def test_an_incident_is_closed_once_and_in_its_own_app(ledger: Ledger) -> None:
    incident = open_incident(ledger, 0)
    open_incident(ledger, 0)
    close_incident(ledger, incident, 5, app="blog")
    close_incident(ledger, "i9", 5)
    assert [one.ended_at for one in ledger.incidents()] == [None, None]
    close_incident(ledger, incident, 7)
    close_incident(ledger, incident, 9)
    again = IncidentOpened(incident=incident, title="Another", began_at=moment(3), by="eve")
    ledger.append(again, app="demo")
    view = ledger.incident(incident)
    assert view is not None
    assert (view.title, view.ended_at, view.closed_at) == ("Feeds are down", at(7), at(4))


def test_incidents_are_listed_newest_first(ledger: Ledger) -> None:
    for app in ("demo", "blog", "demo"):
        open_incident(ledger, 0, app=app)
    assert [one.id for one in ledger.incidents()] == ["i3", "i2", "i1"]
    assert [one.id for one in ledger.incidents("demo")] == ["i3", "i1"]
    assert [one.id for one in ledger.incidents(limit=1)] == ["i3"]
    assert (ledger.incidents("none"), ledger.incidents(limit=0), ledger.incident("i9")) == ([], [], None)


def test_an_incident_knows_the_deploys_that_happened_meanwhile(ledger: Ledger) -> None:
    keep(ledger, "r1")  # over before it began
    before = switch(ledger, "r2")  # still watched when it began
    keep(ledger, "r3", app="blog")
    incident = open_incident(ledger, 5)
    ledger.append(DeployEnded(outcome=Outcome.KEPT, duration_s=1), app="demo", deploy=before)
    within = keep(ledger, "r4")
    view = ledger.incident(incident)
    assert view is not None
    assert view.deploys == (before, within)

    close_incident(ledger, incident, 60)
    while ledger.append(Note(text="later", by="ada")).at <= at(60):
        pass
    queue(ledger)
    (view,) = ledger.incidents()
    assert view.deploys == (before, within)


def test_incident_ids_are_counted_and_no_id_in_use_is_given_out(ledger: Ledger) -> None:
    assert [ledger.next_incident_id(), ledger.next_incident_id()] == ["i1", "i2"]
    ledger.append(IncidentOpened(incident="i7", title="Down", began_at=START, by="ada"), app="demo")
    ledger.append(IncidentOpened(incident="outage", title="Down", began_at=START, by="ada"), app="demo")
    assert (ledger.next_incident_id(), ledger.next_deploy_id()) == ("i8", "d1")
    ledger.rebuild()
    assert ledger.next_incident_id() == "i9"


def test_what_was_learned_is_found_with_its_deploy(ledger: Ledger) -> None:
    deploy = keep(ledger, "r1")
    for text in ("Feeds are slow at noon", "Warm the cache first"):
        ledger.append(Learned(text=text, by="ada"), app="demo", deploy=deploy)
    found = [one.event for one in ledger.events(deploy=deploy, kinds={"learned"})]
    assert [one.text for one in found if isinstance(one, Learned)] == ["Feeds are slow at noon", "Warm the cache first"]


# What is measured


def test_the_deploys_that_ended_are_summed_up_by_day_of_an_app_or_of_all(ledger: Ledger) -> None:
    assert ledger.measured(since="2026-05-01", until="2026-05-31") == Span(
        first_day=None, days=(), notable=(), named=()
    )
    first, other = keep(ledger, "r1"), keep(ledger, "r1", app="blog")
    switch(ledger, "r2", app="blog")  # goes on
    seen = ledger.measured(since="2026-05-09", until="2026-05-09")
    assert [(day.app, day.day, day.live, day.kept) for day in seen.days] == [("", "2026-05-09", 2, 2)]
    assert (seen.first_day, seen.notable, seen.named) == ("2026-05-09", (), ())
    for app in ("blog", "demo"):
        days = ledger.measured(app, since="2026-05-09", until="2026-05-09").days
        assert [(day.app, day.day, day.live, day.kept) for day in days] == [(app, "2026-05-09", 1, 1)]
    assert ledger.measured("none", since="2026-05-09", until="2026-05-09").first_day is None
    later = ledger.measured(since="2026-05-10", until="2026-05-31")
    assert (later.first_day, later.days) == ("2026-05-09", ())
    assert (first, other) == ("d1", "d2")


def test_deploys_that_may_have_failed_are_told_one_by_one(ledger: Ledger) -> None:
    keep(ledger, "r1")
    condemned = switch(ledger, "r2")
    seen = Observation(verdict="roll back", why="errors", elapsed_s=9, duration_s=300)
    ledger.append(VerdictReached(observation=seen, acts=True), app="demo", deploy=condemned)
    take_back(ledger, condemned, to=("r1", 1))
    rolled_back = keep(ledger, "r3")
    keep(ledger, "r1", kind=DeployKind.ROLLBACK)
    named = keep(ledger, "r4")
    close_incident(ledger, open_incident(ledger, 20, caused_by=named), 90)
    keep(ledger, "r5")
    span = ledger.measured("demo", since="2026-05-09", until="2026-05-09")
    assert [(one.deploy, one.left_how) for one in span.notable] == [
        (condemned, "taken back"),
        (rolled_back, "rolled back"),
        (named, "replaced"),
    ]
    assert span.named == (Named("i1", named, None, at(90)),)
    assert ledger.measured("blog", since="2026-05-09", until="2026-05-09").notable == ()
    before = ledger.measured(since="2026-05-09", until="2026-05-09")
    ledger.rebuild()
    assert ledger.measured(since="2026-05-09", until="2026-05-09") == before


# Followers


def test_followers_hear_of_each_event_once_it_is_recorded_until_they_leave(ledger: Ledger) -> None:
    heard: list[Recorded] = []

    def follow(recorded: Recorded) -> None:
        assert ledger.events(newest_first=True, limit=1)[0].seq >= recorded.seq
        heard.append(recorded)

    leave = ledger.subscribe(follow)
    recorded = ledger.append_many([Entry(AppCreated(), "demo"), Entry(AppCreated(), "blog")])
    leave()
    leave()
    ledger.append(AppRemoved(), app="demo")
    assert heard == recorded


def test_a_follower_that_fails_troubles_neither_the_append_nor_the_others(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fail(recorded: Recorded) -> None:
        raise RuntimeError("gone away")

    ledger.subscribe(fail)
    ledger.subscribe(lambda recorded: heard.append(recorded.seq))
    assert ledger.append(AppCreated(), app="demo").seq == 1
    assert heard == [1]
    assert "a follower of the ledger failed on event 1 (app_created)" in caplog.text


def test_what_a_follower_appends_is_told_after_what_came_before(ledger: Ledger) -> None:
    heard: list[str] = []

    def answer(recorded: Recorded) -> None:
        if isinstance(recorded.event, InstanceCrashed):
            ledger.append(Note(text="seen", by="pawld"), app=recorded.app)

    ledger.subscribe(answer)
    ledger.subscribe(lambda recorded: heard.append(recorded.kind))
    crash = InstanceCrashed(
        process="web", instance="web.1", release="r1", pid=7, exit="signal 9", restarts=1, uptime_s=5
    )
    ledger.append_many([Entry(crash, "demo"), Entry(AppCreated(), "demo")])
    assert heard == ["instance_crashed", "app_created", "note"]


def test_a_follower_may_leave_while_it_is_told(ledger: Ledger) -> None:
    heard: list[str] = []

    def both_leave(recorded: Recorded) -> None:
        heard.append("first")
        leave_first()
        leave_second()

    leave_first = ledger.subscribe(both_leave)
    leave_second = ledger.subscribe(lambda recorded: heard.append("second"))
    ledger.append(AppCreated(), app="demo")
    ledger.append(AppCreated(), app="demo")
    assert heard == ["first"]


# Places


def test_a_ledger_is_of_a_place_and_no_other_can_be_read_that_is_not_there(ledger: Ledger) -> None:
    assert ledger.places()[0] == ledger.place
    assert ledger.at_place(ledger.place) is ledger
    with pytest.raises(UsageError, match="no place 'nowhere'"):
        ledger.at_place("nowhere")


# The end


def test_a_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.close()
    ledger.close()
    for use in (
        lambda: ledger.append(AppCreated(), app="demo"),
        ledger.next_deploy_id,
        ledger.events,
        lambda: ledger.search(Wanted()),
        ledger.apps,
        lambda: ledger.app("demo"),
        ledger.deploys,
        lambda: ledger.deploy("d1"),
        ledger.unfinished,
        lambda: ledger.releases("demo"),
        lambda: ledger.settings_version("demo"),
        ledger.incidents,
        lambda: ledger.measured(since="2026-05-09", until="2026-05-09"),
        lambda: ledger.incident("i1"),
        ledger.next_incident_id,
        lambda: ledger.subscribe(lambda recorded: None),
        ledger.rebuild,
        ledger.places,
    ):
        with pytest.raises(StateError, match="closed"):
            use()
