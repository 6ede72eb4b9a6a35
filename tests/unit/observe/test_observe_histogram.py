"""The histogram against sorted data, and as something that is merged and stored."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.observe.histogram import BUCKETS, EMPTY, LEAST_S, Histogram, bucket_of, edge, edge_after
from pawl.observe.judge.latency import slow_count, slow_line

TIMES = st.lists(st.floats(LEAST_S, 3600), min_size=1, max_size=200)
ANY_TIMES = st.lists(st.floats(0, 1e6), max_size=50)


@given(TIMES, st.floats(0, 1))
def test_a_quantile_is_at_most_one_percent_off(times: list[float], share: float) -> None:
    true = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    told = Histogram.of_values(times).quantile(share)
    assert told is not None
    assert abs(told - true) <= 0.01 * true


@given(TIMES)
def test_a_mean_is_at_most_one_percent_off(times: list[float]) -> None:
    true = math.fsum(times) / len(times)
    told = Histogram.of_values(times).mean
    assert told is not None
    assert abs(told - true) <= 0.01 * true


def test_the_quantiles_of_many_merged_pieces_are_those_of_the_whole() -> None:
    chance = random.Random(7)
    pieces = [[chance.lognormvariate(-3, 1) for _ in range(100)] for _ in range(200)]
    whole = sorted(value for piece in pieces for value in piece)
    merged = sum((Histogram.of_values(piece) for piece in pieces), EMPTY)
    assert merged == Histogram.of_values(whole)
    for share in (0.5, 0.95, 0.99, 0.999):
        true = whole[math.ceil(share * len(whole)) - 1]
        assert merged.quantile(share) == pytest.approx(true, rel=0.01)


@given(ANY_TIMES, ANY_TIMES, ANY_TIMES)
def test_merging_is_associative_and_commutative(one: list[float], two: list[float], three: list[float]) -> None:
    a, b, c = map(Histogram.of_values, (one, two, three))
    assert (a + b) + c == a + (b + c) == Histogram.of_values([*one, *two, *three])
    assert a + b == b + a
    assert a + EMPTY == a
    assert (a + b).count == a.count + b.count


@given(ANY_TIMES)
def test_what_was_encoded_is_read_back(times: list[float]) -> None:
    histogram = Histogram.of_values(times)
    assert Histogram.decode(histogram.encode()) == histogram


def test_counts_of_many_digits_are_read_back() -> None:
    histogram = Histogram.of_values([0.1])
    for _ in range(40):
        histogram += histogram
    histogram += Histogram.of_values([0.2])
    assert histogram.count == 2**40 + 1
    assert Histogram.decode(histogram.encode()) == histogram


@given(TIMES, st.floats(LEAST_S, 3600))
def test_what_is_above_is_what_is_at_or_beyond_the_snapped_edge(times: list[float], value: float) -> None:
    histogram = Histogram.of_values(times)
    snapped = edge_after(value)
    assert value <= snapped * (1 + 1e-9)
    assert snapped <= value * 1.0201
    assert histogram.above(value) == sum(1 for time in times if bucket_of(time) > bucket_of(value))
    assert histogram.share_above(value) == histogram.above(value) / len(times)


@given(st.integers(0, BUCKETS - 2))
def test_a_bucket_holds_what_lies_between_its_edges(bucket: int) -> None:
    assert bucket_of(edge(bucket) * 1.0001) == bucket
    assert bucket_of(edge(bucket + 1) * 0.9999) == bucket


def test_the_judge_is_given_counts_by_edge() -> None:
    histogram = Histogram.of_values([0.010] * 6 + [0.020] * 3 + [0.040])
    assert list(histogram.by_edge().values()) == [6, 3, 1]
    assert list(histogram.by_edge()) == pytest.approx([0.010, 0.020, 0.040], rel=0.02)
    line = slow_line(histogram.by_edge(), 0.5)
    assert line is not None
    assert (line.requests, line.beyond) == (10, 4)


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert (EMPTY.count, EMPTY.quantile(0.5), EMPTY.mean, EMPTY.share_above(1)) == (0, None, None, None)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-9, 1e9])
def test_what_is_out_of_range_counts_at_the_end(value: float) -> None:
    histogram = Histogram.of_values([value])
    assert histogram.count == 1
    assert bucket_of(value) in (0, BUCKETS - 1)


def test_a_histogram_of_a_day_is_small() -> None:
    chance = random.Random(1)
    whole = Histogram.of_values(chance.lognormvariate(-3, 0.8) for _ in range(50_000))
    assert len(whole.encode()) < 1200


@given(ANY_TIMES, st.floats(0, 1e4))
def test_what_lies_from_an_edge_on_is_what_the_judge_calls_slow(times: list[float], at: float) -> None:
    histogram = Histogram.of_values(times)
    for begin in (at, edge(bucket_of(at)), edge_after(at), math.nextafter(edge(bucket_of(at)), math.inf)):
        assert histogram.count_from(begin) == slow_count(histogram.by_edge(), begin)


@given(TIMES, st.floats(0.01, 100), st.floats(0, 1))
def test_scaled_times_are_at_most_two_percent_off(times: list[float], factor: float, share: float) -> None:
    true = sorted(times)[max(1, math.ceil(share * len(times))) - 1] * factor
    scaled = Histogram.of_values(times).scaled(factor)
    assert scaled.count == len(times)
    told = scaled.quantile(share)
    assert told is not None
    if 2 * LEAST_S < true < edge(BUCKETS - 2):
        assert abs(told - true) <= 0.0205 * true


@given(ANY_TIMES, st.floats(0.02, 100))
def test_scaled_there_and_back_is_the_same_where_nothing_left_the_histogram(times: list[float], factor: float) -> None:
    inner = Histogram.of_values([0.001 + time % 10 for time in times])
    assert inner.scaled(factor).scaled(1 / factor) == inner
    assert inner.scaled(1.0) == inner


def test_times_scaled_beyond_the_ends_count_there() -> None:
    three = Histogram.of_values([1e-4, 1.0, 100.0])
    assert three.scaled(1e9) == Histogram.of_values([1e9, 1e9, 1e9])
    assert three.scaled(1e-9) == Histogram.of_values([0, 0, 0])
    assert three.scaled(1e4).count == 3
    assert EMPTY.scaled(2) == EMPTY


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_times_cannot_be_scaled_by_what_is_no_factor(factor: float) -> None:
    with pytest.raises(ValueError, match="scaled"):
        EMPTY.scaled(factor)
