"""Hard limits: what is too high for too long is said, once, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from pawl.observe.gauges import Gauge
from pawl.observe.services.limits import Limits

MEMORY = ["the machine has 96 % of its memory in use, above 95 % in 12 of 12 readings"]


def said(name: str, values: Iterable[float], *, instance: str = "", app: str = "demo") -> list[tuple[int, str]]:
    """Each line with the number of the reading that brought it."""
    limits = Limits()
    rounds = (limits.add([Gauge(name, value, app, "r1", instance)]) for value in values)
    return [(number, line) for number, lines in enumerate(rounds, 1) for line in lines]


def test_connections_above_the_limit_are_said_at_the_third_reading() -> None:
    line = "database 'news' has 91 % of its connections in use, above 90 % in 3 of 3 readings"
    assert said("db_connections_share", [0.5, 0.91, 0.91, 0.91, 1.0, 0.2, 1.0, 1.0, 1.0], instance="news") == [
        (4, line)
    ]


def test_connections_at_the_limit_or_now_and_then_above_it_are_not_said() -> None:
    assert said("db_connections_share", [0.9] * 10) == []
    assert said("db_connections_share", [0.95, 0.95, 0.5] * 10) == []


def test_a_queue_that_grows_for_three_minutes_is_said() -> None:
    line = "queue 'celery' holds 22 and was longer at each of the last 12 readings"
    assert said("queue_length", [10 + step for step in range(20)], instance="celery") == [(13, line)]


def test_a_queue_that_once_got_shorter_or_grew_by_little_is_not_said() -> None:
    assert said("queue_length", [step * 100 - (step % 12 == 11) * 2000 for step in range(100)]) == []
    assert said("queue_length", [step * 0.5 for step in range(100)]) == []
    assert said("queue_length", [10_000.0] * 100) == []


def test_memory_is_said_after_a_minute() -> None:
    assert said("memory_used_share", [0.96] * 30, app="") == [(12, MEMORY[0])]
    assert said("memory_used_share", ([0.96] * 11 + [0.9]) * 5, app="") == []


def test_each_series_is_judged_by_itself_and_across_releases() -> None:
    limits = Limits()
    lines = []
    for number in range(13):
        release = f"r{number}"
        lines += limits.add(
            [
                Gauge("queue_length", 5.0 * number, "demo", release, "celery"),
                Gauge("queue_length", 500.0 - number, "demo", release, "mail"),
                Gauge("memory_used_share", 0.96),
                Gauge("rss", 1e12, "demo", release, "web.1"),
            ]
        )
    assert lines == [*MEMORY, "queue 'celery' holds 60 and was longer at each of the last 12 readings"]


def test_rounds_of_one_kind_say_nothing_about_the_other() -> None:
    limits = Limits()
    lines = []
    for number in range(12):
        lines += limits.add([Gauge("memory_used_share", 0.96)])
        if number % 3 == 0:
            lines += limits.add([Gauge("db_connections_share", 0.99, "demo", "r1", "news")])
    assert lines == [
        "database 'news' has 99 % of its connections in use, above 90 % in 3 of 3 readings",
        *MEMORY,
    ]


@given(st.lists(st.floats(0, 1)))
def test_a_limit_is_said_at_most_once_and_only_after_as_many_readings_above_it(shares: list[float]) -> None:
    found = said("db_connections_share", shares, instance="news")
    above = [all(share > 0.9 for share in shares[end - 3 : end]) for end in range(3, len(shares) + 1)]
    assert [number for number, _ in found] == ([above.index(True) + 3] if True in above else [])
