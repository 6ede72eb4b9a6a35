"""The text format of Prometheus: what is escaped, how numbers are written, and what cannot be said twice."""

from __future__ import annotations

import math

import pytest

from pawl.daemon.metrics.exposition import Family, Page, Spread

GAUGE = Family("pawl_things", "gauge", "Things.", ("app", "what"))
PLAIN = Family("pawl_all", "counter", "All.")
TOOK = Family("pawl_took_seconds", "histogram", "How long.", ("app",))


def lines(page: Page) -> list[str]:
    return [line for line in page.text().splitlines() if not line.startswith("#")]


def test_labels_are_escaped() -> None:
    page = Page([GAUGE])
    page.add("pawl_things", 1, app='a"b', what="c\\d\ne")
    assert lines(page) == ['pawl_things{app="a\\"b",what="c\\\\d\\ne"} 1']


def test_help_is_escaped_and_stands_before_its_samples_once() -> None:
    page = Page([Family("pawl_a", "gauge", "One\\two\nthree."), PLAIN])
    page.add("pawl_a", 1)
    page.add("pawl_all", 2)
    assert page.text() == (
        "# HELP pawl_a One\\\\two\\nthree.\n# TYPE pawl_a gauge\npawl_a 1\n"
        "# HELP pawl_all All.\n# TYPE pawl_all counter\npawl_all 2\n"
    )


def test_a_family_without_samples_is_not_there() -> None:
    assert Page([GAUGE, PLAIN, TOOK]).text() == ""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (3.0, "3"), (0.25, "0.25"), (1e300, "1e+300"), (math.inf, "+Inf"), (-math.inf, "-Inf"),
        (1795643923.5, "1795643923.5"), (2**60, repr(2**60)),
    ],
)  # fmt: skip
def test_numbers(value: float, told: str) -> None:
    page = Page([PLAIN])
    page.add("pawl_all", value)
    assert lines(page) == [f"pawl_all {told}"]


def test_samples_of_the_same_labels_are_added() -> None:
    page = Page([GAUGE])
    page.add("pawl_things", 1, app="a", what="b")
    page.add("pawl_things", 2.5, what="b", app="a")
    assert lines(page) == ['pawl_things{app="a",what="b"} 3.5']


def test_a_histogram_has_its_buckets_sum_and_count() -> None:
    page = Page([TOOK])
    for _ in range(2):
        page.add_spread("pawl_took_seconds", Spread([(0.1, 1), (math.inf, 3)], 2.5), app="a")
    assert lines(page) == [
        'pawl_took_seconds_bucket{app="a",le="0.1"} 2',
        'pawl_took_seconds_bucket{app="a",le="+Inf"} 6',
        'pawl_took_seconds_sum{app="a"} 5',
        'pawl_took_seconds_count{app="a"} 6',
    ]


@pytest.mark.parametrize(
    ("name", "labels"), [("pawl_none", {}), ("pawl_things", {"app": "a"}), ("pawl_all", {"x": "y"})]
)
def test_what_is_not_in_the_catalogue_cannot_be_told(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=name):
        Page([GAUGE, PLAIN]).add(name, 1, **labels)
