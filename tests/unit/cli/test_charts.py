"""Figures as a person reads them on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.cli import charts, output

BARS = "▁▂▃▄▅▆▇█"
VALUES = st.lists(st.none() | st.floats(min_value=-1e12, max_value=1e12), max_size=40)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 ms"), (0.081, "81 ms"), (1.23, "1.2 s"), (75, "1 min 15 s"), (None, "-")]
)
def test_a_time_that_nobody_knows_is_a_dash(value: float | None, text: str) -> None:
    assert charts.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"),
        (0.0012, "0.12 %"),
        (0.012, "1.2 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.12, "12 %"),
        (1.0, "100 %"),
        (None, "-"),
    ],
)
def test_a_share_has_two_digits_and_that_of_nothing_is_a_dash(value: float | None, text: str) -> None:
    assert charts.share(value) == text


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([None, None], "  "),
        ([0, 1, 2, 3, 4, 5, 6, 7], BARS),
        ([7, 0], "█▁"),
        ([0, None, 10], "▁ █"),
        ([5], "▄"),
        ([0.0, 0.0, 0.0], "▄▄▄"),
        ([2.5, None, 2.5], "▄ ▄"),
        ([100, 101, 108], "▁▂█"),
        ([-8, 0], "▁█"),
    ],
    ids=["none", "unknown", "every bar", "falling", "a gap", "one", "zeros", "equal", "far from zero", "below zero"],
)
def test_values_are_a_row_of_bars(values: list[float | None], bars: str) -> None:
    assert charts.spark(values) == bars


@given(values=VALUES)
def test_there_is_one_sign_for_each_value_and_blanks_are_the_unknown_ones(values: list[float | None]) -> None:
    row = charts.spark(values)
    assert [sign == " " for sign in row] == [value is None for value in values]
    assert set(row) <= set(BARS) | {" "}


@given(values=VALUES)
def test_a_greater_value_never_has_a_lower_bar_and_the_ends_are_the_lowest_and_the_highest(
    values: list[float | None],
) -> None:
    drawn = [(value, bar) for value, bar in zip(values, charts.spark(values), strict=True) if value is not None]
    drawn.sort(key=lambda one: one[0])
    heights = [BARS.index(bar) for _, bar in drawn]
    assert heights == sorted(heights)
    if drawn and drawn[0][0] < drawn[-1][0]:
        assert (heights[0], heights[-1]) == (0, len(BARS) - 1)


def test_columns_of_figures_are_aligned_to_the_right() -> None:
    rows = [["", "requests", "p95"], ["/feeds/", "12,345", charts.seconds(0.081)], ["日本", "7", charts.seconds(None)]]
    assert output.aligned(rows, right=frozenset({1, 2})) == [
        "         requests    p95",
        "/feeds/    12,345  81 ms",
        "日本            7      -",
    ]


def test_without_rows_there_are_no_lines() -> None:
    assert output.aligned([], right=frozenset({1})) == []
