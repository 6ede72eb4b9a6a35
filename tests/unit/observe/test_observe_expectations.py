"""Expectations as they are written, and where they cannot be read."""

from __future__ import annotations

import pytest

from pawl.errors import UsageError
from pawl.observe.expectations import from_message, parse


@pytest.mark.parametrize(
    ("text", "measure", "subject", "operator", "limit", "change"),
    [
        ("p95(/feeds/) < 80ms", "p95", "/feeds/", "<", 0.08, None),
        ("p50(*) <= 1.5 s", "p50", None, "<=", 1.5, None),
        ("P99( GET /entries/12/ )<2s", "p99", "GET /entries/:id/", "<", 2.0, None),
        ("mean(/) > 3ms", "mean", "/", ">", 0.003, None),
        ("errors(*) <= 0.1%", "errors", None, "<=", 0.001, None),
        ("rate(POST /subscribe) > 0", "rate", "POST /subscribe", ">", 0.0, None),
        ("rate(*) >= 30/min", "rate", None, ">=", 0.5, None),
        ("rate(*) < 7.2/h", "rate", None, "<", 0.002, None),
        ("rss(worker) < 120MB", "rss", "worker", "<", 120e6, None),
        ("rss(*) < 1.5gb", "rss", None, "<", 1.5e9, None),
        ("cpu(web) < 50%", "cpu", "web", "<", 0.5, None),
        ("p95(/) -20%", "p95", "/", "<=", None, -0.2),
        ("errors(*) +0%", "errors", None, "<=", None, 0.0),
        ("rate(*) -10 %", "rate", None, ">=", None, -0.1),
        ("  rss(beat) + 5%  ", "rss", "beat", "<=", None, 0.05),
    ],
)
def test_an_expectation_is_read(
    text: str, measure: str, subject: str | None, operator: str, limit: float | None, change: float | None
) -> None:
    found = parse(text)
    assert (found.measure, found.subject, found.operator) == (measure, subject, operator)
    assert found.limit == (limit if limit is None else pytest.approx(limit))
    assert found.change == (change if change is None else pytest.approx(change))
    assert found.text == text.strip()
    assert not found.is_required


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "expected a measure"),
        ("p90(/) < 80ms", 1, "'p90' is no measure"),
        ("p95 < 80ms", 5, "expected '('"),
        ("p95(/feeds/ < 80ms", 19, "expected ')'"),
        ("p95(feeds) < 80ms", 5, "expected a path"),
        ("p95() < 80ms", 5, "expected a path"),
        ("p95(get /feeds/) < 80ms", 5, "expected a method in capitals"),
        ("rss(/) < 80MB", 5, "expected a process type"),
        ("p95(/) 80ms", 8, "expected <, <=, >, >=, or a change"),
        ("p95(/) = 80ms", 8, "expected <, <=, >, >=, or a change"),
        ("p95(/) < fast", 10, "expected a number"),
        ("p95(/) < 80", 12, "expected a unit: ms, s"),
        ("p95(/) < 80MB", 12, "'MB' is not a unit of this"),
        ("errors(*) < 1ms", 14, "'ms' is not a unit of this; there are: %"),
        ("p95(/) -20", 11, "expected '%'"),
        ("p95(/) < 80ms please", 15, "expected nothing more"),
        ("p95(/) < -80ms", 10, "expected a number"),
    ],
)
def test_a_malformed_one_says_the_column(text: str, column: int, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    error = caught.value
    assert error.why.startswith(f"column {column}: {why}")
    assert error.detail == f"{text}\n{' ' * (column - 1)}^"
    assert error.exit_code == 2


MESSAGE = """Cache the feeds

The list was read from the database each time:
    Expect: is not a trailer when it is a quotation
We expect: this is not one either.

Expect: p95(/feeds/) < 80ms
REQUIRE:errors(*) <= 0.1%
expect : rate(POST /subscribe) > 0
Expected: nothing
Signed-off-by: Ada <ada@example.org>
"""


def test_the_trailers_of_a_message_are_found_in_order() -> None:
    found = from_message(MESSAGE)
    assert [(one.text, one.is_required) for one in found] == [
        ("p95(/feeds/) < 80ms", False),
        ("errors(*) <= 0.1%", True),
        ("rate(POST /subscribe) > 0", False),
    ]
    assert from_message("") == []
    assert len(from_message(MESSAGE.replace("\n", "\r\n"))) == 3


def test_a_malformed_trailer_stops_it_all() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        from_message("Title\n\nExpect: p95(/) < 80ms\nExpect: faster\n")
