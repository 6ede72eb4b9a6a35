"""Routes: what requests to the same view have in common.

``GET /entries/4711/`` and ``GET /entries/4712/`` are one route, ``GET /entries/:id/``. Numbers, UUIDs, dates, hashes
and random names become placeholders; what a person would call a name stays. No framework is asked, so a view whose
addresses are made of words has a route for each of them, up to the limit that :class:`Known` sets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

OTHER = "(other)"
"""The route of what has none of its own."""

ROUTES_PER_APP = 200
KEPT_DAYS = 30
"""After so many days without a request a route gives its place to a new one, if one is needed."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_LONGEST_PATH = 1024
_LONGEST_SEGMENT = 40
_MOST_SEGMENTS = 8
_PLAIN = re.compile(r"[\w.:@~!$&'()*+,;=-]*", re.ASCII)
_TOKEN = re.compile(
    r"""(?<![0-9A-Za-z])(?:
      (?P<uuid> [0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12} )
    | (?P<date> [0-9]{4}-[0-9]{2}-[0-9]{2} )
    | (?P<id>   [0-9]+ )
    | (?P<hash> (?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{8,} | [0-9A-Fa-f]{16,}
              | (?=[0-9a-z_-]*[A-Z])(?=[0-9A-Z_-]*[a-z])(?=[A-Za-z_-]*[0-9])[0-9A-Za-z_-]{20,} )
    )(?![0-9A-Za-z])""",
    re.VERBOSE,
)


def route_of(method: str, uri: str) -> str:
    """The route of a request: ``METHOD /path`` with placeholders for what differs from request to request.

    Placeholders are ``:id``, ``:uuid``, ``:date``, ``:hash`` and ``:text`` (percent-encoded or very long). A path of
    more than eight parts ends in ``…``. Normalising a route's own path gives the same route.

    >>> route_of("GET", "/entries/4711/"), route_of("POST", "/a/0b9f6a52-ff5c-4b8f-8d2d-7d0b6c1f6a52")
    ('GET /entries/:id/', 'POST /a/:uuid')
    >>> route_of("GET", "/static/app.3f2a1b9c.js?v=1"), route_of("GET", "/v2/about-us/2026-05-09")
    ('GET /static/app.:hash.js', 'GET /v2/about-us/:date')
    """
    return f"{method if method in _METHODS else 'OTHER'} {path_of(uri)}"


def path_of(uri: str) -> str:
    """The path of :func:`route_of` without the method."""
    path = uri[:_LONGEST_PATH].partition("?")[0].partition("#")[0]
    if not path.startswith("/"):  # "*" of OPTIONS, or the absolute form that proxies are asked in
        path = "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path
    parts = path.split("/")
    if len(parts) > _MOST_SEGMENTS + 1:
        parts = [*parts[: _MOST_SEGMENTS + 1], "…"]
    return "/".join(part if part == "…" else _segment(part) for part in parts)


def _segment(part: str) -> str:
    if not _PLAIN.fullmatch(part):
        return ":text"
    named = _TOKEN.sub(lambda found: f":{found.lastgroup}", part)
    return named if len(named) <= _LONGEST_SEGMENT else ":text"


@dataclass(slots=True)
class Known:
    """The routes of one app that are counted on their own; number 0 is ``OTHER``.

    A route gets a place with its first request that an instance answered with anything but 4xx: what a scanner asks for
    is mostly not there. Once it has a place all its requests count, so a route that vanished shows as 404s. When all
    places are taken, those not asked for in ``KEPT_DAYS`` are given up, at most once a day; their numbers stay theirs.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    """The number of every route that ever had a place."""
    seen: dict[int, int] = field(default_factory=dict)
    """By number, for the routes that have a place now: the last day (since 1970) with a request."""
    changed: set[int] = field(default_factory=set)
    """The numbers whose ``seen`` is not stored yet."""
    limit: int = ROUTES_PER_APP
    _searched: int = -1

    def number(self, route: str) -> int | None:
        """The number of a route that has a place now."""
        number = self.numbers.get(route)
        return number if number in self.seen else None

    def see(self, number: int, day: int) -> None:
        """Note that a route with a place was asked for on a day."""
        if self.seen[number] < day:
            self.seen[number] = day
            self.changed.add(number)

    def admit(self, route: str, day: int) -> int | None:
        """Give a route a place and return its number; None if there is no place left."""
        if len(self.seen) >= self.limit and self._searched != day:
            self._searched = day
            unused = [number for number, last in self.seen.items() if last < day - KEPT_DAYS]
            for number in unused:
                del self.seen[number]
            self.changed.update(unused)
        if len(self.seen) >= self.limit:
            return None
        number = self.numbers.setdefault(route, len(self.numbers) + 1)
        self.seen[number] = day
        self.changed.add(number)
        return number
