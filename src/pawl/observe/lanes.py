"""Many counters in one Python integer: 64 bits each, counter 0 in the lowest.

Adding two such integers adds every counter, in C and in well under a microsecond for a thousand of them, which is what
lets a query over 30 days merge thousands of histograms without NumPy. A counter holds up to 2**64 - 1; nothing counted
here comes near it, so no sum spills into its neighbour.

Packed, only the counters from the first to the last that is not 0 are kept, and of each only as many bytes as the
largest needs; bytes of equal weight stand together, which compresses well.

>>> both = of([0, 0, 0, 1]) + of_counts({3: 1, 700: 5})
>>> counted(both)[3], counted(both)[700]
(2, 5)
>>> packed = pack(both)
>>> unpack(packed[:HEAD_BYTES], packed, HEAD_BYTES) == (both, len(packed))
True
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping

_BITS = 64
_BYTES = 8
HEAD = struct.Struct("<HHB")  # the first counter, how many, bytes of each
HEAD_BYTES = HEAD.size
_CODES = {2: "H", 4: "I", 8: "Q"}


def of(counts: Iterable[int]) -> int:
    """The integer with these counters."""
    return int.from_bytes(array("Q", counts).tobytes(), "little")


def of_counts(counts: Mapping[int, int]) -> int:
    """The integer with these counters by number; those not named are 0."""
    values = array("Q", bytes(_BYTES * (max(counts, default=-1) + 1)))
    for index, count in counts.items():
        values[index] = count
    return of(values)


def counted(lanes: int, *, width: int = _BYTES) -> array[int]:
    """The counters, up to the last that is not 0; ``width`` is the bytes of each lane: 2, 4 or 8."""
    count = -(-lanes.bit_length() // (8 * width))
    return array(_CODES[width], lanes.to_bytes(count * width, "little"))


def padded(lanes: int, width: int) -> array[int]:
    """The first ``width`` counters."""
    return array("Q", (lanes & (1 << width * _BITS) - 1).to_bytes(width * _BYTES, "little"))


def from_lane(lanes: int, index: int) -> int:
    """The counters from ``index`` on, moved down so that it becomes number 0."""
    return lanes >> (_BITS * index)


def to_lane(lanes: int, index: int) -> int:
    """The counters moved up so that number 0 becomes ``index``; those below are 0."""
    return lanes << (_BITS * index)


def pack(lanes: int) -> bytes:
    """The counters as few bytes, of which the first ``HEAD_BYTES`` say where and how many."""
    first = ((lanes & -lanes).bit_length() - 1) // _BITS if lanes else 0
    lanes >>= first * _BITS
    count = -(-lanes.bit_length() // _BITS)
    raw = lanes.to_bytes(count * _BYTES, "little")
    width = _BYTES
    while width and not raw[width - 1 :: _BYTES].strip(b"\0"):
        width -= 1
    return HEAD.pack(first, count, width) + b"".join(raw[place::_BYTES] for place in range(width))


def body_bytes(head: bytes) -> int:
    """How many bytes follow a head."""
    _, count, width = HEAD.unpack(head)
    return int(count * width)


def unpack(head: bytes, body: bytes, at: int) -> tuple[int, int]:
    """The counters whose packed form begins with ``head`` and goes on in ``body`` at ``at``, and the place after it."""
    first, count, width = HEAD.unpack(head)
    raw = bytearray(count * _BYTES)
    for place in range(width):
        raw[place::_BYTES] = body[at : at + count]
        at += count
    return int.from_bytes(raw, "little") << (first * _BITS), at
