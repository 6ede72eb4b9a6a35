"""What is kept of the requests in one bucket of time: how many ended how, and how long they took.

The classes of status exclude one another: ``4xx`` are those that are neither 401, 403 nor 404, so all classes add up
to the requests. ``gone`` are requests whose client went away before the answer (499; 0 where Caddy had nothing to
send).

The time of a ``gone`` request is in the histogram: its client waited at least so long, and an app that hangs would
otherwise look fast. The time of a ``1xx`` is not: 101 is a WebSocket, and it lasts as long as its page is open.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from pawl.observe import lanes
from pawl.observe.histogram import BUCKETS, EMPTY, Histogram

CLASSES = ("1xx", "2xx", "3xx", "4xx", "401", "403", "404", "5xx", "gone")
_PLACES = {name: place for place, name in enumerate(CLASSES)}
_ERROR = _PLACES["5xx"]

NO_TIME = BUCKETS
"""Stands for the bucket where a request's time is not counted."""

_HEAD = struct.Struct(f"<H{len(CLASSES)}I{lanes.HEAD_BYTES}s")  # key, statuses, the head of the packed latencies
_LENGTH = struct.Struct("<H")
_RAW = -15  # zlib: no header, no checksum
_RLE = -9  # the same for what repeats the byte before it alone: it needs no more of a window
_NARROW = {0: 2, 1: 2, 2: 4, 3: 4, 4: 8, 5: 8, 6: 8, 7: 8, 8: 8}
"""The bytes of a lane to add up counts in, by the bytes of a count."""
_MOST_NARROW = 256
_EVEN = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\0" * (len(CLASSES) // 2 + 1), "little")
_STRIDE = 1024  # above NO_TIME, so that one integer holds a class and a bucket


def class_of(status: int) -> int:
    """The place in ``CLASSES`` of an HTTP status."""
    exact = {0: "gone", 401: "401", 403: "403", 404: "404", 499: "gone"}.get(status)
    return _PLACES[exact or f"{min(max(status // 100, 1), 5)}xx"]


CODES = tuple(class_of(status) * _STRIDE for status in range(1000))
"""By status: what to add a bucket's number to, to have the one integer that :meth:`Tally.of_codes` counts."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests by class of status, and their latencies. Immutable; ``+`` merges."""

    statuses: int = 0
    """Counts by place in ``CLASSES``, as :mod:`pawl.observe.lanes`."""
    latencies: Histogram = EMPTY

    @classmethod
    def of_codes(cls, codes: Iterable[int]) -> Tally:
        """The tally of requests, each given as ``CODES[status]`` plus its bucket in the histogram or ``NO_TIME``."""
        statuses: Counter[int] = Counter()
        buckets: Counter[int] = Counter()
        for code, count in Counter(codes).items():
            statuses[code // _STRIDE] += count
            buckets[code % _STRIDE] += count
        del buckets[NO_TIME]
        return cls(lanes.of_counts(statuses), Histogram(lanes.of_counts(buckets)))

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.statuses + other.statuses, self.latencies + other.latencies)

    @property
    def requests(self) -> int:
        return sum(lanes.counted(self.statuses))

    @property
    def errors(self) -> int:
        """Answers with 5xx."""
        return sum(lanes.counted(self.statuses)[_ERROR : _ERROR + 1])

    @property
    def by_status(self) -> dict[str, int]:
        """Requests by each of ``CLASSES``."""
        counts = lanes.counted(self.statuses)
        return {name: counts[place] if place < len(counts) else 0 for place, name in enumerate(CLASSES)}


NOTHING = Tally()


def merged(tallies: Iterable[Tally]) -> Tally:
    """All of them in one."""
    statuses = buckets = 0
    for tally in tallies:
        statuses += tally.statuses
        buckets += tally.latencies.buckets
    return Tally(statuses, Histogram(buckets))


def encode(tallies: Mapping[int, Tally]) -> bytes:
    """Several tallies, each under a number, in few bytes; the order of the mapping does not matter."""
    heads, counts = [], []
    for key, tally in sorted(tallies.items()):
        packed = lanes.pack(tally.latencies.buckets)
        heads.append(_HEAD.pack(key, *lanes.padded(tally.statuses, len(CLASSES)), packed[: lanes.HEAD_BYTES]))
        counts.append(packed[lanes.HEAD_BYTES :])
    # Bytes of one meaning side by side, and what is alike compressed apart from what is not.
    whole = b"".join(heads)
    first = _deflated(b"".join(whole[place :: _HEAD.size] for place in range(_HEAD.size)))
    return _LENGTH.pack(len(first)) + first + _deflated(b"".join(counts))


def decode(data: bytes, wanted: Container[int] | None = None) -> dict[int, Tally]:
    """What :func:`encode` wrote; only these numbers of it, which is quicker, or all."""
    (length,) = _LENGTH.unpack_from(data)
    columns = zlib.decompress(data[_LENGTH.size : _LENGTH.size + length], _RAW)
    counts = zlib.decompress(data[_LENGTH.size + length :], _RAW)
    number = len(columns) // _HEAD.size
    heads = bytearray(len(columns))
    for place in range(_HEAD.size):
        heads[place :: _HEAD.size] = columns[place * number : (place + 1) * number]
    found, at = {}, 0
    for key, *statuses, head in _HEAD.iter_unpack(heads):
        if wanted is not None and key not in wanted:
            at += lanes.body_bytes(head)
            continue
        buckets, at = lanes.unpack(head, counts, at)
        found[key] = Tally(lanes.of(statuses), Histogram(buckets))
    return found


def merged_totals(rows: Iterable[bytes]) -> Tally:
    """All that rows of one tally each come to: what merging the decoded ones gives, in a fourth of the time.

    Counts of one byte are added up in lanes of two, which are a quarter as long as a :class:`Tally`'s; those of up to
    three bytes in lanes of four. No 256 of them can spill into a neighbour.
    """
    even = odd = number = 0  # every second status, as counters of 64 bits
    sums = dict.fromkeys(_NARROW.values(), 0)
    whole = NOTHING
    for row in rows:
        end = _LENGTH.size + (row[0] | row[1] << 8)
        head = zlib.decompress(row[_LENGTH.size : end], _RLE, _HEAD.size)
        counts = zlib.decompress(row[end:], _RLE, 512)
        if len(head) != _HEAD.size:
            whole += merged(decode(row).values())
            continue
        first, count, width = lanes.HEAD.unpack_from(head, _HEAD.size - lanes.HEAD_BYTES)
        size = _NARROW[width]
        raw = bytearray(count * size)
        for place in range(width):
            raw[place::size] = counts[place * count : (place + 1) * count]
        sums[size] += int.from_bytes(raw, "little") << 8 * size * first
        statuses = int.from_bytes(head[_LENGTH.size : -lanes.HEAD_BYTES], "little")
        even += statuses & _EVEN
        odd += statuses >> 32 & _EVEN
        number += 1
        if number % _MOST_NARROW == 0:
            whole += _widened(sums)
            sums = dict.fromkeys(sums, 0)
    halves = (lanes.padded(half, len(CLASSES) // 2 + 1) for half in (even, odd))
    return whole + _widened(sums) + Tally(lanes.of(count for pair in zip(*halves, strict=True) for count in pair))


def _widened(sums: Mapping[int, int]) -> Tally:
    """The tally of latencies in narrower lanes, by their bytes."""
    return Tally(
        latencies=Histogram(sum(lanes.of(lanes.counted(sum_, width=size)) for size, sum_ in sums.items() if sum_))
    )


def _deflated(data: bytes) -> bytes:
    # Counts of neighbouring buckets are noise: only runs of 0 repeat. So run lengths and Huffman's code, which take a
    # fifth of the time of a search for repetitions and give fewer bytes.
    packer = zlib.compressobj(6, zlib.DEFLATED, _RAW, 9, zlib.Z_RLE)
    return packer.compress(data) + packer.flush()
