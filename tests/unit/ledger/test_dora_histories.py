"""Histories with known answers: what the measures make of them, on the ledger in SQL and on the one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pawl.ledger.base import Ledger
from pawl.ledger.dora.report import Report, report
from pawl.ledger.events import (
    ChangeFound,
    DeployEnded,
    DeployQueued,
    IncidentClosed,
    IncidentOpened,
    RestoredWatched,
    StageBegan,
    Switched,
    SwitchedBack,
    VerdictReached,
)
from pawl.ledger.memory import MemoryLedger
from pawl.ledger.observations import Observation
from pawl.ledger.store import SqliteLedger
from pawl.model import Commit, DeployKind, Outcome, Stage

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)  # a Monday
NORMAL, ROLLBACK = DeployKind.DEPLOY, DeployKind.ROLLBACK


class History:
    """A ledger with a clock that is set; every time is in minutes from START."""

    def __init__(self, make: Callable[[Callable[[], datetime]], Ledger]) -> None:
        self._minutes = 0.0
        self.ledger = make(lambda: START + timedelta(minutes=self._minutes))

    def at(self, minutes: float) -> datetime:
        return START + timedelta(minutes=minutes)

    def queue(
        self, at: float, *, app: str = "demo", kind: DeployKind = NORMAL, release: str = "",
        committed: tuple[float, ...] = (), title: str = "A change",
    ) -> str:  # fmt: skip
        """A deploy that is asked for and leaves the queue a minute later; ``committed`` in minutes."""
        self._minutes = at
        deploy = self.ledger.next_deploy_id()
        commits = self.commits(*committed, title=title)
        asked = DeployQueued(
            deploy_kind=kind, release=release or f"r{deploy}", asked_by="ada", commits=commits, authors=("Ada",)
        )
        self.ledger.append(asked, app=app, deploy=deploy)
        self._minutes = at + 1
        self.ledger.append(StageBegan(stage=Stage.BUILT), app=app, deploy=deploy)
        return deploy

    def commits(self, *committed: float, title: str = "A change") -> tuple[Commit, ...]:
        return tuple(
            Commit(f"{n:040}", title, "Ada", "a@example.org", self.at(minutes).isoformat())
            for n, minutes in enumerate(committed)
        )

    def live(self, at: float, *, app: str = "demo", kind: DeployKind = NORMAL, release: str = "", committed: tuple[float, ...] = (), title: str = "A change") -> str:  # fmt: skip  # noqa: E501
        """A deploy that goes live three minutes after it was asked for, and is watched."""
        deploy = self.queue(at, app=app, kind=kind, release=release, committed=committed, title=title)
        self._minutes = at + 3
        self.ledger.append(Switched(release=release or f"r{deploy}", settings=1, commit=""), app=app, deploy=deploy)
        return deploy

    def kept(self, at: float, *, app: str = "demo", kind: DeployKind = NORMAL, release: str = "", committed: tuple[float, ...] = (), title: str = "A change") -> str:  # fmt: skip  # noqa: E501
        """A deploy that is kept eight minutes after it was asked for."""
        deploy = self.live(at, app=app, kind=kind, release=release, committed=committed, title=title)
        return self.end(deploy, at + 8, Outcome.KEPT, app=app)

    def end(self, deploy: str, at: float, outcome: Outcome, *, app: str = "demo") -> str:
        self._minutes = at
        self.ledger.append(DeployEnded(outcome=outcome, duration_s=1), app=app, deploy=deploy)
        return deploy

    def verdict(self, deploy: str, at: float, verdict: str, *, acts: bool, stage: Stage = Stage.OBSERVED) -> None:
        self._minutes = at
        seen = Observation(verdict=verdict, why="errors", elapsed_s=60, duration_s=300)
        self.ledger.append(VerdictReached(observation=seen, acts=acts, stage=stage), app="demo", deploy=deploy)

    def taken_back(self, at: float) -> str:
        """A deploy that is live after 3 minutes, condemned and taken back after 5."""
        deploy = self.live(at, committed=(at - 10,))
        self.verdict(deploy, at + 5, "roll back", acts=True)
        self.ledger.append(SwitchedBack(release="old", settings=1, reason="errors"), app="demo", deploy=deploy)
        return self.end(deploy, at + 5, Outcome.ROLLED_BACK)

    def incident(self, caused_by: str, began: float, *, app: str = "demo") -> str:
        self._minutes = began
        incident = self.ledger.next_incident_id()
        opened = IncidentOpened(
            incident=incident, title="Down", began_at=self.at(began), by="ada", caused_by=caused_by or None
        )
        self.ledger.append(opened, app=app)
        return incident

    def over(self, incident: str, at: float, *, fixed_by: str | None = None) -> None:
        self._minutes = max(self._minutes, at)
        closed = IncidentClosed(incident=incident, ended_at=self.at(at), by="ada", fixed_by=fixed_by)
        self.ledger.append(closed, app="demo")

    def elsewhere(self, deploy: str) -> None:
        seen = Observation(verdict="roll back", why="errors", elapsed_s=60, duration_s=300)
        self.ledger.append(RestoredWatched(observation=seen, is_cause_elsewhere=True), app="demo", deploy=deploy)

    def report(self, app: str | None = "demo", *, days: float = 7, until: float = 1440) -> Report:
        """Of the days before ``until``, in minutes from START."""
        return report(self.ledger, app, self.at(until) - timedelta(days=days), self.at(until))


@pytest.fixture(params=["memory", "sqlite"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    if request.param == "memory":
        made = History(lambda clock: MemoryLedger(clock=clock))
    else:
        made = History(lambda clock: SqliteLedger(tmp_path / "ledger.db", clock=clock))
    yield made
    made.ledger.close()


def failed(story: History) -> list[tuple[str, str]]:
    return [(one.deploy, one.how) for one in reversed(story.report().failures)]


# Lead time


def test_the_lead_time_runs_from_each_commit_to_its_being_live(story: History) -> None:
    story.kept(0, committed=(-57, -27))
    story.kept(60, committed=(43,))
    lead = story.report().now.lead_time
    assert (lead.total.count, lead.total.median_s, lead.total.p90_s) == (3, 30 * 60, 60 * 60)  # 60, 30 and 20 min
    assert (lead.waiting.median_s, lead.building.median_s, lead.observing.median_s) == (28 * 60, 2 * 60, 5 * 60)
    assert (lead.building.count, lead.skewed, lead.is_enough) == (2, 0, False)


def test_a_change_that_waited_has_the_commits_that_it_was_found_to_bring(story: History) -> None:
    story.kept(0, committed=(-57,))
    deploy = story.queue(60, committed=(3, 43))
    story.ledger.append(ChangeFound(commits=story.commits(43), authors=("Ada",)), app="demo", deploy=deploy)
    story.ledger.append(Switched(release="r9", settings=1, commit=""), app="demo", deploy=deploy)
    story.ledger.append(ChangeFound(), app="demo", deploy=deploy)  # comes too late to be of it
    story.end(deploy, 65, Outcome.KEPT)
    now = story.report().now
    assert (now.lead_time.total.count, now.batches.commits_most) == (2, 1)


def test_commits_of_a_wrong_clock_are_left_out_and_counted(story: History) -> None:
    story.kept(0, committed=(-17, 0.5, 9000))
    lead = story.report().now.lead_time
    assert (lead.total.count, lead.total.median_s, lead.skewed) == (1, 20 * 60, 2)


def test_only_changes_that_were_kept_have_a_lead_time(story: History) -> None:
    story.taken_back(0)
    story.kept(20, kind=ROLLBACK)
    story.kept(40, kind=DeployKind.RESTART)
    story.end(story.queue(60, committed=(50,)), 62, Outcome.FAILED)
    story.live(80, committed=(70,))  # still watched
    lead = story.report().now.lead_time
    assert (lead.total.count, lead.building.count, lead.total.median_s) == (0, 0, None)


# Frequency and batches


def test_the_frequency_is_of_the_days_that_have_passed(story: History) -> None:
    for day in (0, 0, 1, 3):
        story.kept(day * 1440, committed=(day * 1440 - 5,))
    often = story.report(days=20, until=4 * 1440 + 240).now.frequency
    assert (often.deploys, round(often.per_day, 3), round(often.per_week, 2)) == (4, 0.889, 6.22)  # in 4.5 days
    assert (often.days_a_week, often.weeks) == (None, 0)


def test_of_a_first_day_that_has_just_begun_no_hundred_a_day_are_made(story: History) -> None:
    story.kept(-12 * 60 + 5)  # the story begins at noon
    often = story.report(days=20, until=-12 * 60 + 17).now.frequency
    assert (often.deploys, often.per_day) == (1, 1.0)


def test_the_days_with_a_deploy_are_counted_over_whole_weeks(story: History) -> None:
    for day in (0, 3, 7, 8, 9, 9, 15):  # the weeks before day 16 ends: days 3 to 9, and 10 to 16
        story.kept(day * 1440)
    often = story.report(days=30, until=16 * 1440).now.frequency
    assert (often.deploys, often.days_a_week, often.weeks) == (7, 2.5, 2)  # of 4 and 1


def test_batches_are_commits_and_authors_of_a_deploy(story: History) -> None:
    story.kept(0, committed=(-5,))
    story.kept(20, committed=(15, 16, 17))
    story.kept(40)  # the same release again
    batches = story.report().now.batches
    assert (batches.deploys, batches.commits_mean, batches.commits_most) == (3, 4 / 3, 3)
    assert (batches.single.count, batches.single.of, batches.authors_mean) == (2, 3, 1)


# What failed


def test_a_change_that_was_taken_back_has_failed_until_the_old_one_served(story: History) -> None:
    story.kept(0)
    deploy = story.taken_back(20)
    now = story.report().now
    assert failed(story) == [(deploy, "taken back")]
    assert (now.change_fail.count, now.change_fail.of, now.change_fail.share) == (1, 2, 0.5)
    assert (now.recovery.times.median_s, now.recovery.open, now.frequency.deploys) == (2 * 60, 0, 1)
    assert (now.rework.count, now.rework.of) == (0, 2)


def test_a_change_rolled_back_by_hand_has_failed_until_the_rollback_was_live(story: History) -> None:
    story.kept(0, release="r1")
    deploy = story.kept(20, release="r2")
    story.kept(25, kind=DeployKind.SETTINGS, release="r2")  # the same change goes on serving
    story.kept(60, kind=ROLLBACK, release="r1")
    now = story.report().now
    assert failed(story) == [(deploy, "rolled back")]
    assert now.recovery.times.median_s == 40 * 60
    assert (now.rollbacks, now.rework.count, now.rework.of) == (1, 1, 3)


def test_going_back_to_the_settings_before_blames_no_change(story: History) -> None:
    story.kept(0, release="r1")
    story.kept(20, kind=DeployKind.SETTINGS, release="r1")
    story.kept(40, kind=ROLLBACK, release="r1")
    assert failed(story) == []


def test_a_change_that_an_incident_names_has_failed_until_the_incident_is_over(story: History) -> None:
    first = story.kept(0)
    incident = story.incident(first, 10)
    story.kept(20)
    now = story.report().now
    assert (failed(story), now.recovery.open) == ([(first, "incident")], 1)
    assert (now.recovery.times.count, now.recovery.times.median_s) == (0, None)
    story.over(incident, 33)
    now = story.report().now
    assert (now.recovery.open, now.recovery.times.median_s) == (0, 30 * 60)


def test_what_people_say_counts_before_what_was_measured(story: History) -> None:
    story.kept(0)
    deploy = story.taken_back(20)
    story.elsewhere(deploy)
    now = story.report().now
    assert (failed(story), now.elsewhere) == ([], 1)
    story.over(story.incident(deploy, 24), 63)
    now = story.report().now
    assert (failed(story), now.elsewhere, now.recovery.times.median_s) == ([(deploy, "incident")], 0, 40 * 60)


def test_a_bad_change_that_is_kept_has_failed_until_a_good_one_follows(story: History) -> None:
    story.kept(0)
    bad = story.live(20)
    story.verdict(bad, 25, "roll back", acts=False)
    story.end(bad, 25, Outcome.KEPT)
    assert story.report().now.recovery.open == 1
    worse = story.live(40)
    story.verdict(worse, 45, "hard fail", acts=False)
    story.end(worse, 45, Outcome.KEPT)
    story.kept(80)
    assert failed(story) == [(bad, "condemned"), (worse, "condemned")]
    assert [one.recovery_s / 60 for one in story.report().failures] == [40, 60]  # both until 83


def test_what_was_caught_before_it_was_live_is_no_failure_and_counted_apart(story: History) -> None:
    story.kept(0)
    story.end(story.queue(20), 22, Outcome.FAILED)
    canary = story.queue(40)
    story.verdict(canary, 45, "roll back", acts=True, stage=Stage.CANARY)
    story.end(canary, 45, Outcome.ROLLED_BACK)
    story.end(story.queue(60), 60, Outcome.SUPERSEDED)
    now = story.report().now
    assert (now.deploys, now.stopped, now.withdrawn, now.change_fail.count) == (1, 1, 1, 0)


def test_an_incident_of_no_known_cause_blames_nobody(story: History) -> None:
    story.kept(0)
    story.incident("", 10)
    assert story.report().now.change_fail.count == 0


# Rework


def test_a_deploy_that_ended_an_incident_is_a_hotfix(story: History) -> None:
    bad = story.kept(0)
    fix = story.kept(20)
    story.over(story.incident(bad, 10), 23, fixed_by=fix)
    now = story.report().now
    assert (now.hotfixes, now.rework.count, now.rework.of, now.rework.share) == (1, 1, 2, 0.5)


@pytest.mark.parametrize(
    ("title", "is_hotfix"),
    [("Hotfix: feeds", True), ('Revert "Quicker feeds"', True), ("Fix a typo", False), ("Reverting is easy", False)],
)
def test_a_deploy_after_a_failed_one_is_a_hotfix_if_it_says_so(story: History, title: str, is_hotfix: bool) -> None:
    story.kept(0)
    story.taken_back(20)
    story.kept(40, committed=(35,), title=title)
    assert story.report().now.hotfixes == int(is_hotfix)


def test_a_deploy_that_says_hotfix_after_a_good_one_is_none(story: History) -> None:
    story.taken_back(0)
    story.kept(20, committed=(15,))
    story.kept(40, committed=(35,), title="Hotfix: feeds")
    assert story.report().now.hotfixes == 0


# Spans and apps


def test_apps_are_measured_by_themselves_or_together(story: History) -> None:
    story.kept(0)
    story.kept(10, app="blog")
    story.over(story.incident(story.kept(20), 25), 30)
    blog, both = story.report("blog").now, story.report(None).now
    assert (blog.deploys, blog.change_fail.count) == (1, 0)
    assert (both.deploys, both.change_fail.count) == (3, 1)
    assert story.report("none").now.deploys == 0


def test_an_empty_ledger_has_no_numbers_and_no_error(story: History) -> None:
    answer = story.report(None, days=90)
    assert (answer.first_day, answer.before, answer.failures) == (None, None, ())
    assert (answer.now.deploys, answer.now.change_fail.share, answer.now.lead_time.total.median_s) == (0, None, None)
    assert len(answer.over_time.deploys.values) == 13
    assert set(answer.over_time.change_fail.values) == {None}


def test_the_span_is_of_whole_days_and_begins_with_the_first_deploy(story: History) -> None:
    story.kept(0)
    answer = story.report(days=90, until=3 * 1440)
    assert (answer.since, answer.until) == ("2026-05-04T00:00:00.000000Z", "2026-05-07T08:00:00.000000Z")
    assert (answer.first_day, answer.before) == ("2026-05-04", None)
    assert (answer.over_time.step_s, answer.over_time.deploys.values) == (86_400, [1, 0, 0, 0])


def test_a_long_span_is_of_whole_weeks_and_shown_by_the_week(story: History) -> None:
    story.kept(0)
    story.taken_back(60 * 1440)
    answer = story.report(days=40, until=60 * 1440 + 60)
    assert answer.since == "2026-05-23T00:00:00.000000Z"  # six weeks with the day that goes on
    over = answer.over_time
    assert (over.step_s, over.began, over.ended - over.began) == (604_800, 1779494400, 6 * 604_800)
    assert (over.deploys.values, over.failures.values) == ([0] * 6, [0] * 5 + [1])
    assert over.change_fail.values == [None] * 5 + [1.0]
    assert over.recovery.values == [None] * 5 + [120]


def test_the_span_before_is_measured_where_the_ledger_knows_it(story: History) -> None:
    for day in range(14):
        story.kept(day * 1440, committed=(day * 1440 - 7,))
    answer = story.report(days=6, until=13 * 1440)
    assert answer.before is not None
    assert (answer.now.deploys, answer.before.deploys) == (7, 7)
    assert story.report(days=7, until=13 * 1440).before is None


def test_a_trend_is_told_where_the_intervals_lie_apart(story: History) -> None:
    for number in range(40):  # five a day; four minutes from commit to live in the first days, then an hour
        story.kept(number * 288, committed=(number * 288 - (1 if number < 24 else 57),))
    answer = story.report(days=3, until=39.9 * 288)
    assert answer.before is not None
    assert (answer.now.deploys, answer.before.deploys) == (16, 20)
    assert (answer.trends.lead_time, answer.trends.change_fail) == ("more", "")


def test_a_day_is_summed_up_again_after_another_deploy(story: History) -> None:
    story.kept(0)
    assert story.report().now.deploys == 1
    story.kept(20)
    assert story.report().now.deploys == story.report().now.deploys == 2
    story.ledger.rebuild()
    assert story.report().now.deploys == 2


def test_a_deploy_counts_for_the_day_it_went_live(story: History) -> None:
    late = story.live(957.5)  # 23:57:30, live at 00:00:30
    story.end(late, 965, Outcome.KEPT)
    assert story.report(until=1440).over_time.deploys.values == [1]
    assert story.report(until=1440).first_day == "2026-05-05"


@pytest.mark.parametrize("days", [0, -1])
def test_a_span_that_does_not_begin_before_it_ends_is_refused(story: History, days: float) -> None:
    with pytest.raises(ValueError, match="since must be before until"):
        story.report(days=days)
