"""examples/antisocial with PostgreSQL and RabbitMQ: a change with a migration goes live, and is taken back, under load.

Workers are told to stop while each of them has thirty feeds half fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.examples.deployed_rig import EXPECTED, FEEDS, Seen, played
from tests.examples.feed_server import FeedServer


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    with played() as seen:
        yield seen


def test_both_releases_went_live_and_the_first_serves_again(seen: Seen) -> None:
    first, second = seen.releases
    ends = [(lines[-1]["outcome"], lines[-1]["live"]) for lines in seen.deploys]
    assert ends == [("kept", first), ("kept", second), ("kept", first)]
    commands = [line["command"] for line in seen.deploys[1] if line["event"] == "task began"]
    assert any("migrate" in command for command in commands), commands


def test_no_request_fails(seen: Seen) -> None:
    assert not seen.tally.failures, seen.tally.failures
    assert {answer.status for answer in seen.tally.answers} == {200}
    served = Counter(answer.release for answer in seen.tally.answers)
    assert set(served) == set(seen.releases), served


def test_workers_were_told_to_stop_in_the_middle_of_their_fetches(seen: Seen) -> None:
    assert len(seen.fetching) == 2
    assert min(seen.fetching) >= FEEDS, seen.fetching


def test_every_task_that_was_queued_is_done_once(seen: Seen) -> None:
    assert not seen.ends.failed
    expired = [*seen.ends.expired, *seen.dropped]  # on a slow machine some waited for longer than they are good for
    assert {task.name for task in expired} <= {"reader.tasks.fetch_due"}, "others do not expire"
    assert sorted(seen.queued) == sorted([*seen.ends.done, *expired])
    subscribed = FEEDS + len(seen.late)
    assert Counter(task.name for task in seen.ends.done)["reader.tasks.fetch_feed"] == subscribed


def test_no_feed_is_fetched_twice_for_one_round_and_none_is_left_out(seen: Seen) -> None:
    regular = [(feed, number) for feed, number in seen.requests if feed <= FEEDS]
    assert sorted(regular) == [(feed, number) for feed in range(1, FEEDS + 1) for number in range(1, seen.rounds + 1)]
    assert sorted(feed for feed, _ in seen.requests if feed > FEEDS) == seen.late
    wanted = Counter(FeedServer.host(feed) for feed, _ in seen.requests)
    assert Counter(host for host, _ in seen.fetches) == wanted
    assert {error for _, error in seen.fetches} == {""}


def test_every_entry_has_arrived_once_and_is_unread(seen: Seen) -> None:
    last = dict(seen.requests)
    wanted = [guid for feed, rounds in last.items() for guid in FeedServer.guids(feed, rounds)]
    assert sorted(seen.entries) == sorted(wanted)
    assert seen.unread == len(wanted)


def test_beat_never_runs_twice_at_once(seen: Seen) -> None:
    first, second = seen.releases
    assert seen.beats == [[first, "began"], [second, "began"], [first, "began"]]


def test_the_parts_are_well_after_each_switch(seen: Seen) -> None:
    first, second = seen.releases
    well = {"database": "ok", "broker": "ok", "storage": "ok"}
    assert seen.smoke == [(second, 200, well), (first, 200, well)]


def test_pawl_has_asked_for_the_parts_itself(seen: Seen) -> None:
    (check,) = seen.observed["verdicts"][-1]["checks"]
    assert (check["path"], check["is_good"], check["why"]) == ("/smoketest/", True, "HTTP 200")


def test_the_new_column_is_written_by_the_new_worker_and_does_not_disturb_the_old_one(seen: Seen) -> None:
    assert all(seen.news[FeedServer.host(feed)] for feed in range(1, FEEDS + 1)), seen.news


def test_what_was_expected_of_the_change_is_answered(seen: Seen) -> None:
    told = {one["text"]: one["outcome"] for one in seen.observed["verdicts"][-1]["expectations"]}
    assert told.keys() == set(EXPECTED)
    assert set(told.values()) <= {"met", "not enough data"}, told
    assert "met" in told.values(), told


def test_database_and_queue_are_measured(seen: Seen) -> None:
    gauges = {(gauge["name"], gauge["instance"]): gauge for gauge in seen.signals["gauges"]}
    assert gauges["db_connections", "news"]["most"] >= 1
    assert 0 < gauges["db_connections_share", "news"]["most"] < 1
    assert gauges["queue_length", "celery"]["most"] >= 0
