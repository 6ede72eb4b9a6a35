"""Ticks of the time axis: round local times, also on the days when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.dashboard.charts import times

BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")
ZONES = (BERLIN, NEW_YORK, KOLKATA, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Africa/Cairo"), UTC)


def ticks_of(day: datetime, hours: float, *, most: int = 40) -> tuple[times.Tick, ...]:
    return times.ticks(day.timestamp(), day.timestamp() + hours * 3600, day.tzinfo, most=most)


@pytest.mark.parametrize(
    ("day", "twice"),
    [(datetime(2026, 10, 25, tzinfo=BERLIN), "02:00"), (datetime(2026, 11, 1, tzinfo=NEW_YORK), "01:00")],
)
def test_an_hour_that_is_there_twice_has_two_ticks(day: datetime, twice: str) -> None:
    found = ticks_of(day, 25)

    assert len(found) == 26
    assert [tick.label for tick in found].count(twice) == 2
    assert all(later.at - earlier.at == 3600 for earlier, later in pairwise(found))
    assert found[0].is_day
    assert found[-1].is_day


@pytest.mark.parametrize(
    ("day", "missing"),
    [(datetime(2026, 3, 29, tzinfo=BERLIN), "02:00"), (datetime(2026, 3, 8, tzinfo=NEW_YORK), "02:00")],
)
def test_an_hour_that_is_missing_has_no_tick(day: datetime, missing: str) -> None:
    found = ticks_of(day, 23)

    assert len(found) == 24
    assert missing not in [tick.label for tick in found]
    assert all(later.at - earlier.at == 3600 for earlier, later in pairwise(found))


def test_six_hours_are_those_of_the_local_clock_on_a_day_of_25() -> None:
    day = datetime(2026, 10, 25, tzinfo=BERLIN)

    found = ticks_of(day, 25, most=5)

    assert [tick.label for tick in found] == ["25 Oct", "06:00", "12:00", "18:00", "26 Oct"]
    assert [(later.at - earlier.at) / 3600 for earlier, later in pairwise(found)] == [7, 6, 6, 6]


def test_days_begin_at_local_midnight_over_a_change_of_the_clock() -> None:
    began = datetime(2026, 3, 27, 12, tzinfo=BERLIN)

    found = ticks_of(began, 4 * 24, most=6)

    assert [tick.label for tick in found] == ["28 Mar", "29 Mar", "30 Mar", "31 Mar"]
    assert [(later.at - earlier.at) / 3600 for earlier, later in pairwise(found)] == [24, 23, 24]


def test_a_day_without_a_midnight_begins_at_its_first_moment() -> None:
    cairo = ZoneInfo("Africa/Cairo")  # 2026-04-24 begins at 01:00

    found = ticks_of(datetime(2026, 4, 22, 12, tzinfo=cairo), 72, most=6)

    first = datetime.fromtimestamp(found[1].at, cairo)
    assert (found[1].label, first.hour, first.day) == ("24 Apr", 1, 24)


def test_a_zone_of_half_hours_has_its_ticks_at_its_own_hours() -> None:
    found = ticks_of(datetime(2026, 2, 2, 0, tzinfo=KOLKATA), 24, most=8)

    assert [tick.label for tick in found] == ["2 Feb", "04:00", "08:00", "12:00", "16:00", "20:00", "3 Feb"]
    assert all(datetime.fromtimestamp(tick.at, UTC).minute == 30 for tick in found)


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (timedelta(minutes=1), ["12:00:00", "12:00:15", "12:00:30", "12:00:45", "12:01:00"]),
        (timedelta(hours=1), ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50", "13:00"]),
        (timedelta(days=7), ["3 Feb", "4 Feb", "5 Feb", "6 Feb", "7 Feb", "8 Feb", "9 Feb"]),
        (timedelta(days=30), ["9 Feb", "16 Feb", "23 Feb", "2 Mar"]),
        (timedelta(days=364), ["Mar", "May", "Jul", "Sep", "Nov", "2027"]),
    ],
)
def test_the_distance_of_ticks_suits_the_span(span: timedelta, labels: list[str]) -> None:
    began = datetime(2026, 2, 2, 12, tzinfo=UTC)

    assert [tick.label for tick in times.ticks(began.timestamp(), (began + span).timestamp(), UTC)] == labels


@settings(deadline=None)
@given(
    began=st.integers(0, 4_000_000_000), span=st.integers(1, 400 * 86_400), zone=st.sampled_from([*ZONES, None]),
    most=st.integers(2, 12),
)  # fmt: skip
def test_ticks_are_within_the_span_increasing_and_few(began: int, span: int, zone: ZoneInfo | None, most: int) -> None:
    found = [tick.at for tick in times.ticks(began, began + span, zone, most=most)]

    assert all(began <= at <= began + span for at in found)
    assert all(earlier < later for earlier, later in pairwise(found))
    assert len(found) <= most + 2


def test_rows_name_the_offset_only_where_the_clock_changes_on_the_way() -> None:
    day = datetime(2026, 10, 25, 1, tzinfo=BERLIN).timestamp()

    assert times.rows(day, 3600, 3, BERLIN) == ("25 Oct 01:00 +0200", "25 Oct 02:00 +0200", "25 Oct 02:00 +0100")
    assert times.rows(day + 86_400, 3600, 2, BERLIN) == ("26 Oct 00:00", "26 Oct 01:00")
    assert times.rows(day + 86_400, 5, 2, BERLIN) == ("26 Oct 00:00:00", "26 Oct 00:00:05")
