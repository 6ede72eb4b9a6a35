"""From lines of the access log to tallies: what is done once for every request, so every microsecond counts here.

Every line is a request of a client through the proxy. Pawl's own health checks go to the instances directly and are in
no line. Probes of others (an uptime service, a load balancer) cannot be told from clients, for no header is logged,
the User-Agent least of all; they are mostly one route, which the per-route figures show apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import log
from typing import Annotated

import msgspec

from pawl.observe.attribution import Attribution
from pawl.observe.histogram import BUCKETS, LEAST_S, SCALE
from pawl.observe.paths import Known, route_of
from pawl.observe.tally import CODES, NO_TIME, Tally

BUCKET_S = 5
_DAY_S = 86_400
_LINE_START = b'{"ts":'
# Both ends guard what is computed from it; a machine whose clock is that wrong serves nobody.
_Time = Annotated[float, msgspec.Meta(ge=946_684_800, lt=4_102_444_800)]  # 2000 to 2100
_Status = Annotated[int, msgspec.Meta(ge=0, le=999)]
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_MOST_PLACES = 4096
_LONGEST_KEPT_URI = 256


class Request(msgspec.Struct, gc=False):
    method: str
    uri: str


class Line(msgspec.Struct, gc=False):
    """The part of an access log's line that is counted. ``duration`` is in seconds, ``ts`` when the request ended."""

    ts: _Time
    request: Request
    duration: float
    status: _Status
    app: str
    upstream: str | None
    up_ms: float | None


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a tally is of: when its bucket of ``BUCKET_S`` began, and whose requests they are."""

    began: int
    app: str
    release: str
    route: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What some lines came to. ``invalid`` lines are in no tally; ``newest`` is the last ``ts``, 0 without lines."""

    tallies: dict[Key, Tally]
    lines: int = 0
    invalid: int = 0
    newest: float = 0.0


_Place = tuple[str, str, int]  # app, release, number of the route


class Counter:
    """Counts lines by app, release and route. ``known`` holds the routes of each app and is added to."""

    def __init__(self, attribution: Attribution, known: dict[str, Known]) -> None:
        self._attribution = attribution
        self._known = known
        self._decoder = msgspec.json.Decoder(Line)
        self._places: dict[tuple[str, str | None, str, str], _Place] = {}

    def forget(self) -> None:
        """Ask again whose requests they are: an instance has begun, or the known routes were changed elsewhere."""
        self._places.clear()

    def count(self, data: bytes) -> Counted:
        """Count whole lines; the result is the same however a file is cut into them."""
        invalid = 0
        try:
            lines: Sequence[Line] = self._decoder.decode_lines(data)
        except _UNREADABLE:
            lines, invalid = self._one_by_one(data)
        cells: dict[tuple[int, _Place], list[int]] = {}
        places = self._places
        for line in lines:
            request = line.request
            place = places.get((line.app, line.upstream, request.method, request.uri)) or self._place(line)
            began = int(line.ts) // BUCKET_S * BUCKET_S
            cell = cells.get((began, place))
            if cell is None:
                cell = self._cell(began, place)
                cells[began, place] = cell
            code = CODES[line.status]
            if not code:  # 1xx, the first class
                cell.append(NO_TIME)
            elif line.duration > LEAST_S:
                bucket = int(log(line.duration / LEAST_S) * SCALE)
                cell.append(code + bucket if bucket < BUCKETS else code + BUCKETS - 1)
            else:
                cell.append(code)
        tallies = {Key(began, *place): Tally.of_codes(codes) for (began, place), codes in cells.items()}
        return Counted(tallies, len(lines), invalid, lines[-1].ts if lines else 0.0)

    def _cell(self, began: int, place: _Place) -> list[int]:
        app, _, number = place
        if number:
            self._known[app].see(number, began // _DAY_S)
        return []

    def _place(self, line: Line) -> _Place:
        app, uri = line.app, line.request.uri
        release = self._attribution.release(app, line.upstream, line.ts)
        route = route_of(line.request.method, uri)
        known = self._known.setdefault(app, Known())
        number = known.number(route)
        if number is None:
            # Without up_ms no instance has answered: while an app is down anything at all is a 502.
            is_real = line.up_ms is not None and not 400 <= line.status < 500
            number = known.admit(route, int(line.ts) // _DAY_S) if is_real else None
            self._places.clear()  # a route may have lost its place to this one
        place = (app, release, number or 0)
        if number and len(uri) <= _LONGEST_KEPT_URI and not self._attribution.is_reused(line.upstream):
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            self._places[app, line.upstream, line.request.method, uri] = place
        return place

    def _one_by_one(self, data: bytes) -> tuple[list[Line], int]:
        lines, invalid = [], 0
        for raw in data.split(b"\n"):
            if not raw.strip():
                continue
            try:
                lines.append(self._decoder.decode(raw))
            except _UNREADABLE:
                invalid += 1
                lines += self._behind_a_torn_one(raw)
        return lines, invalid

    def _behind_a_torn_one(self, raw: bytes) -> list[Line]:
        """The whole line that follows half a line, as a full disk leaves it.

        A quotation mark within a value is escaped, so the beginning of a line cannot occur inside one.
        """
        start = raw.rfind(_LINE_START)
        if start > 0:
            with suppress(*_UNREADABLE):
                return [self._decoder.decode(raw[start:])]
        return []
