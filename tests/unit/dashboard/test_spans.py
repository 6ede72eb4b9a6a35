"""Which span is asked for, and in which steps it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pawl.dashboard.spans import USUAL, Span
from pawl.errors import UsageError
from pawl.observe.store.schema import LEVELS

NOW = datetime(2026, 2, 2, 14, 17, 35, tzinfo=UTC).timestamp() + 0.25
DAY = 86_400


@pytest.mark.parametrize(
    ("name", "step_s", "steps"), [("1h", 30, 121), ("24h", 600, 145), ("7d", 3600, 169), ("30d", 21_600, 121)]
)
def test_a_usual_span_ends_now_and_begins_with_a_whole_step(name: str, step_s: int, steps: int) -> None:
    span = Span.of({"span": name}, NOW)

    assert (span.name, span.step_s, span.steps, span.ended) == (name, step_s, steps, NOW)
    assert span.began % step_s == 0
    assert span.began <= NOW - USUAL[name] < span.began + step_s


def test_without_a_question_it_is_a_day() -> None:
    assert Span.of({}, NOW) == Span.of({"span": "24h"}, NOW)


@pytest.mark.parametrize(
    ("began", "ended"),
    [
        ("1770030000", "1770033600"), ("2026-02-02T11:00:00Z", "2026-02-02T12:00:00+00:00"),
        ("2026-02-02T12:00", "2026-02-02T13:00"),
    ],
)  # fmt: skip
def test_times_are_unix_seconds_or_iso_in_the_zone_of_who_asks(began: str, ended: str) -> None:
    span = Span.of({"from": began, "to": ended}, NOW, zone=ZoneInfo("Europe/Berlin"))

    assert (span.began, span.ended, span.name) == (1770030000, 1770033600, "")
    assert Span.of(dict(part.split("=") for part in span.query.split("&")), NOW) == span


def test_a_span_without_an_end_goes_on_until_now_as_one_into_the_future_does() -> None:
    assert Span.of({"from": str(NOW - 600)}, NOW).ended == NOW
    assert Span.of({"from": str(NOW - 600), "to": str(NOW + DAY)}, NOW).ended == NOW


def test_steps_are_no_narrower_than_what_is_kept_of_the_time() -> None:
    assert Span.of({"from": str(NOW - 600)}, NOW).step_s == 5
    assert Span.of({"from": str(NOW - 5 * DAY), "to": str(NOW - 5 * DAY + 600)}, NOW).step_s == 60
    assert Span.of({"from": str(NOW - 50 * DAY), "to": str(NOW - 50 * DAY + 7200)}, NOW).step_s == 3600


def test_what_is_gone_is_cut_off() -> None:
    span = Span.of({"from": "0"}, NOW)

    assert NOW - LEVELS[-1].kept_s - span.step_s < span.began
    assert span.steps <= 181


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ({"span": "3w"}, "there is no span '3w'"),
        ({"to": "1770030000"}, "the span has no beginning"),
        ({"from": "yesterday"}, "'yesterday' is not a time: from"),
        ({"from": "nan"}, "'nan' is not a time: from"),
        ({"from": "1e300"}, "'1e300' is not a time: from"),
        ({"from": "-5"}, "'-5' is not a time: from"),
        ({"from": "0001-01-01T00:00"}, "'0001-01-01T00:00' is not a time: from"),
        ({"from": "1770030000", "to": "x" * 99}, f"'{'x' * 40}' is not a time: to"),
        ({"from": str(NOW + 1)}, "the span begins in the future"),
        ({"from": str(NOW - 5), "to": str(NOW - 50)}, "the span ends before it begins"),
        ({"from": "100", "to": "200"}, "the span is over for too long"),
    ],
)
def test_what_is_no_span_is_said_so(query: dict[str, str], what: str) -> None:
    with pytest.raises(UsageError) as refused:
        Span.of(query, NOW)

    assert refused.value.what == what


@settings(deadline=None)
@example(began=1693577856.0, length=43_200_000.0)  # the first step begins where only days are kept
@given(began=st.floats(0, NOW - 1), length=st.floats(1, 500 * DAY))
def test_any_span_is_told_in_a_few_hundred_steps_that_its_time_is_kept_in(began: float, length: float) -> None:
    try:
        span = Span.of({"from": str(began), "to": str(began + length)}, NOW)
    except UsageError as refused:
        assert refused.what == "the span is over for too long"  # noqa: PT017
        return
    finest = next((one.width_s for one in LEVELS if span.began >= one.floor(NOW - one.kept_s)), LEVELS[-1].width_s)
    assert span.step_s % finest == 0
    assert span.began % span.step_s == 0
    assert 0 < span.steps <= 182
    assert span.began <= span.ended <= NOW
