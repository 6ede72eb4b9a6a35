"""Tallies: classes of status, what has a latency, and the stored form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.observe import lanes
from pawl.observe.histogram import BUCKETS, bucket_of
from pawl.observe.tally import CLASSES, CODES, NO_TIME, NOTHING, Tally, class_of, decode, encode, merged

CODE = st.builds(lambda status, bucket: CODES[status] + bucket, st.integers(0, 999), st.integers(0, BUCKETS - 1))
TALLY = st.builds(Tally.of_codes, st.lists(CODE, max_size=60))


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (0, "gone"), (101, "1xx"), (200, "2xx"), (304, "3xx"), (400, "4xx"), (401, "401"), (403, "403"), (404, "404"),
        (429, "4xx"), (499, "gone"), (500, "5xx"), (502, "5xx"), (599, "5xx"), (999, "5xx"), (42, "1xx"),
    ],
)  # fmt: skip
def test_every_status_has_one_class(status: int, name: str) -> None:
    assert CLASSES[class_of(status)] == name
    assert Tally.of_codes([CODES[status] + 7]).by_status == {one: int(one == name) for one in CLASSES}


def test_requests_errors_and_latencies_are_told_apart() -> None:
    slow = bucket_of(2.0)
    tally = Tally.of_codes([CODES[200] + 5, CODES[200] + 5, CODES[500] + slow, CODES[499] + slow, NO_TIME])
    assert (tally.requests, tally.errors) == (5, 1)
    assert tally.latencies.count == 4, "a WebSocket has no latency; a client that went away waited at least so long"
    assert tally.latencies.above(1.0) == 2


@given(st.lists(CODE, max_size=40), st.lists(CODE, max_size=40))
def test_the_tally_of_all_is_the_sum_of_the_parts(one: list[int], two: list[int]) -> None:
    whole = Tally.of_codes([*two, *one])
    assert Tally.of_codes(one) + Tally.of_codes(two) == whole
    assert merged([Tally.of_codes(two), NOTHING, Tally.of_codes(one)]) == whole
    assert sum(whole.by_status.values()) == whole.requests == len(one) + len(two)


@given(st.dictionaries(st.integers(0, 3000), TALLY, max_size=12))
def test_what_was_encoded_is_read_back(tallies: dict[int, Tally]) -> None:
    data = encode(tallies)
    assert decode(data) == tallies
    assert encode(dict(reversed(tallies.items()))) == data
    some = set(list(tallies)[::2])
    assert decode(data, some) == {key: tallies[key] for key in some}


@given(st.dictionaries(st.integers(0, 1100), st.integers(0, 2**63), max_size=30))
def test_lanes_add_and_pack(counts: dict[int, int]) -> None:
    one = lanes.of_counts(counts)
    assert {index: count for index, count in enumerate(lanes.counted(one)) if count} == {
        index: count for index, count in counts.items() if count
    }
    packed = lanes.pack(one)
    head, body = packed[: lanes.HEAD_BYTES], packed[lanes.HEAD_BYTES :]
    assert lanes.unpack(head, body, 0) == (one, len(body))
    assert lanes.body_bytes(head) == len(body)
