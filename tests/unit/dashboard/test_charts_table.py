"""The numbers under a chart: the same in the table, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.dashboard.charts import as_json, csv_text, scale, table
from pawl.dashboard.charts.chart import Line, Unit
from tests.unit.dashboard.charts_rig import T0, chart, mark

UNITS: tuple[Unit, ...] = ("seconds", "bytes", "share", "per second", "count")
WORTH: dict[tuple[Unit, str], float] = {
    ("seconds", "ms"): 0.001, ("seconds", "s"): 1, ("seconds", "min"): 60, ("seconds", "h"): 3600,
    ("seconds", "d"): 86_400, ("bytes", "kB"): 1e3, ("bytes", "MB"): 1e6, ("bytes", "GB"): 1e9, ("bytes", "TB"): 1e12,
    ("share", "%"): 0.01, ("per second", "/s"): 1, ("per second", "k/s"): 1e3, ("count", ""): 1, ("count", "k"): 1e3,
    ("count", "M"): 1e6,
}  # fmt: skip
VALUES = st.lists(
    st.lists(st.none() | st.floats(0, 1e12) | st.just(float("nan")), min_size=3, max_size=3), min_size=1, max_size=4
)


def cells(html: str) -> list[list[str]]:
    """The rows of a table without the first cell."""
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [row.split("<td>")[1:] for row in body.split("<tr>")[1:]]


@settings(deadline=None)
@given(values=VALUES, unit=st.sampled_from(UNITS))
def test_table_csv_and_json_have_the_same_numbers(values: list[list[float | None]], unit: Unit) -> None:
    one = chart(*values, unit=unit)

    written = list(csv.reader(io.StringIO(csv_text(one))))[1:]
    told = json.loads(json.dumps(as_json(one), allow_nan=False))["lines"]
    by_step = list(zip(*(line["values"] for line in told), strict=True))
    shown = table(one, zone=None)
    worth = WORTH[unit, shown.partition("line 0")[2].partition("<")[0].strip(" ()")]

    assert [[float(cell) if cell else None for cell in row[1:]] for row in written] == [list(row) for row in by_step]
    for found, row in zip(cells(shown), by_step, strict=True):
        for cell, value in zip(found, row, strict=True):
            assert (cell == "–") == (value is None)
            if value is not None:
                assert float(cell) * worth == pytest.approx(value, rel=0.006, abs=1e-9 * worth)


def test_csv_has_utc_times_and_units_in_its_heading() -> None:
    one = chart([0.25, None], unit="seconds")

    assert csv_text(one) == ("time,line 0 (s)\r\n2026-02-02T00:00:00Z,0.25\r\n2026-02-02T00:05:00Z,\r\n")


def test_a_name_is_no_formula_in_a_spreadsheet() -> None:
    one = chart(lines=(Line("=1+1", [1.0], "n0"), Line("a,b", [1.0], "n1")))

    assert csv_text(one).splitlines()[0] == 'time,\'=1+1 (s),"a,b (s)"'


def test_a_table_says_what_it_is_and_in_which_unit() -> None:
    html = table(chart([0.25, None], title="Times & more"), zone=None)

    assert "<caption>Times &amp; more" in html
    assert "<th scope=col>line 0 (ms)" in html
    assert html.count("<th scope=row>") == 2


def test_json_has_the_marks() -> None:
    told = as_json(chart([1.0], marks=(mark(T0 + 60),)))

    assert told["marks"] == [
        {
            "at": "2026-02-02T00:01:00Z", "title": "Fetch feeds", "detail": "Ada, kept", "href": "/deploys/d1",
            "outcome": "kept",
        }
    ]  # fmt: skip


def test_intervals_are_columns_of_their_own() -> None:
    one = chart(lines=(Line("median", [2.0], "n0", low=[1.0], high=[3.0]),))

    assert csv_text(one).splitlines()[0] == 'time,median (s),"median, low (s)","median, high (s)"'


@settings(deadline=None)
@given(values=st.lists(st.floats(-1e30, 1e30, allow_subnormal=False), max_size=5), unit=st.sampled_from(UNITS))
def test_ticks_of_values_hold_all_of_them_and_zero(values: list[float], unit: Unit) -> None:
    found = scale.ticks(unit, values)

    assert 2 <= len(found) <= 6
    assert all(lower < upper for lower, upper in pairwise(found))
    nothing = 1e-6 * (found[-1] - found[0])
    assert found[0] - nothing <= min([0.0, *values])
    assert found[-1] + nothing >= max([0.0, *values])


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("seconds", 0.0813, "81.3 ms"), ("seconds", 75, "75 s"), ("seconds", 7 * 86_400, "7 d"),
        ("bytes", 118_400_000, "118 MB"), ("bytes", 1.5e9, "1.5 GB"), ("share", 0.00123, "0.123 %"),
        ("per second", 12_345, "12.3 k/s"), ("per second", 0, "0 /s"), ("count", 3, "3"), ("count", 1e300, "1e+294 M"),
        ("count", 999.7, "1000"), ("bytes", 999.6e6, "1000 MB"),
    ],
)  # fmt: skip
def test_values_have_units_that_suit_them(unit: Unit, value: float, shown: str) -> None:
    assert scale.shown(unit, value) == shown
