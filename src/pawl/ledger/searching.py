"""Looking for events: by words, app, deploy, kind and time, newest first, a page at a time.

Words are looked for without an index, for events hold little text and what is looked for is mostly recent. So that no
question takes long however many events there are, one for words goes through a part of the ledger only, and says where
to go on.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from pawl.ledger.database import Database
from pawl.ledger.reading import recorded
from pawl.ledger.records import Recorded

LOOKED_THROUGH = 20_000
"""How many places of the ledger one question for words goes through."""

_AT_A_TIME = 500
_HINTS, _LONGEST_HINT = 20, 200
_PLAIN = re.compile(r"[\x20-\x7e]+")
_SEARCHED = ("data", "app", "deploy")
_SIGN = "'!'"
_COLUMNS = "SELECT seq, at, app, deploy, data FROM events WHERE "


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for; every condition is to be met.

    ``text``: each of its words is somewhere in the event's app, deploy, kind or values, whatever the case. ``since``
    and ``until`` are times as the ledger writes them; where the clock stepped back they may miss events about then.
    ``before`` and ``after`` are places: with ``after`` alone the page is the one next to it.
    """

    text: str = ""
    app: str | None = None
    deploy: str | None = None
    kinds: Collection[str] | None = None
    since: str | None = None
    until: str | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 50

    @property
    def words(self) -> list[str]:
        return self.text.lower().split()

    @property
    def is_forward(self) -> bool:
        return self.after is not None and self.before is None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first. ``older``: there may be more, to be had with ``before`` set to it; else None."""

    events: tuple[Recorded, ...]
    older: int | None


def is_match(words: Sequence[str], one: Recorded) -> bool:
    """Whether each word is in one of the event's values, its kind, app or deploy."""
    if not words:
        return True
    values = "\n".join(_texts(msgspec.to_builtins(one.event))) + f"\n{one.app or ''}\n{one.deploy or ''}"
    text = values.lower()
    return all(word in text for word in words)


def _texts(value: Any) -> Iterator[str]:
    """Every value in a structure of JSON; the names of fields are not among them."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif value is not None:
        yield str(value)


def page(found: Sequence[Recorded], wanted: Wanted, *, bottom: int, is_all: bool) -> Found:
    """What was found, in the order it is shown; ``bottom`` is the last place that was looked at."""
    shown = tuple(sorted(found, key=lambda one: one.seq, reverse=True))
    if wanted.is_forward:
        return Found(events=shown, older=shown[-1].seq if shown else (wanted.after or 0) + 1)
    return Found(events=shown, older=None if is_all else bottom)


def search(db: Database, wanted: Wanted) -> Found:
    """The events of the page, as :meth:`pawl.ledger.base.Ledger.search` says."""
    newest = int(db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
    top = min(newest + 1, wanted.before if wanted.before is not None else newest + 1)
    floor = wanted.after or 0
    if wanted.since:
        floor = max(floor, _first_at(db, wanted.since, newest) - 1)
    if wanted.until:
        top = min(top, _first_at(db, wanted.until, newest))
    limit = max(0, wanted.limit)
    if not wanted.words:
        found = _page_of(db, wanted, floor, top, limit)
        is_all = len(found) < limit
        return page(found, wanted, bottom=found[-1].seq if found else floor + 1, is_all=is_all)
    if wanted.is_forward:
        return page(_with_words(db, wanted, floor, min(top, floor + 1 + LOOKED_THROUGH), limit), wanted,
                    bottom=floor + 1, is_all=False)  # fmt: skip
    bottom = max(floor, top - 1 - LOOKED_THROUGH)
    found = _with_words(db, wanted, bottom, top, limit)
    if len(found) == limit:
        return page(found, wanted, bottom=found[-1].seq if found else top, is_all=False)
    return page(found, wanted, bottom=bottom + 1, is_all=bottom == floor)


def _first_at(db: Database, at: str, newest: int) -> int:
    """The first place at or after a time, by halves: both go up together, except where a clock was set back."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        row = db.execute("SELECT at FROM events WHERE seq = ?", (middle,)).fetchone()
        if row is not None and row[0] < at:
            low = middle + 1
        else:
            high = middle
    return low


def _page_of(db: Database, wanted: Wanted, floor: int, top: int, limit: int, hints: str = "",
             values: Sequence[object] = ()) -> list[Recorded]:  # fmt: skip
    """The events between two places that meet all conditions but the words: a question for each kind, each by index."""
    order = "ASC" if wanted.is_forward else "DESC"
    parts = []
    for kind in [None] if wanted.kinds is None else sorted(set(wanted.kinds)):
        conditions, given = _conditions(wanted, kind, floor, top)
        sql = f"{_COLUMNS}{conditions}{hints} ORDER BY seq {order} LIMIT ?"
        parts.append([recorded(*row) for row in db.execute(sql, (*given, *values, limit)).fetchall()])
    merged: Iterable[Recorded] = heapq.merge(*parts, key=lambda one: one.seq, reverse=not wanted.is_forward)
    return list(merged)[:limit]


def _conditions(wanted: Wanted, kind: str | None, floor: int, top: int) -> tuple[str, list[object]]:
    conditions, values = ["seq > ?", "seq < ?"], [floor, top]
    given: list[object] = [*values]
    for condition, value in (
        ("app = ?", wanted.app),
        ("deploy = ?", wanted.deploy),
        ("kind = ?", kind),
        ("at >= ?", wanted.since),
        ("at < ?", wanted.until),
    ):
        if value is not None:
            conditions.append(condition)
            given.append(value)
    return " AND ".join(conditions), given


def _with_words(db: Database, wanted: Wanted, floor: int, top: int, limit: int) -> list[Recorded]:
    """The same with the words: the database leaves out what cannot match, the rest is looked at here."""
    words = wanted.words
    hints, values = "", list[object]()
    for word in words[:_HINTS]:  # a database refuses a question that is too complex; no answer depends on the hints
        if pattern := _pattern(word):
            hints += f" AND ({' OR '.join(f'lower({name}) LIKE ? ESCAPE {_SIGN}' for name in _SEARCHED)})"
            values += [pattern] * len(_SEARCHED)
    found: list[Recorded] = []
    size = limit
    while len(found) < limit:
        candidates = _page_of(db, wanted, floor, top, size, hints, values)
        found += [one for one in candidates if is_match(words, one)]
        if len(candidates) < size:
            break
        size = min(_AT_A_TIME, 2 * size)
        if wanted.is_forward:
            floor = candidates[-1].seq
        else:
            top = candidates[-1].seq
    return found[:limit]


def _pattern(word: str) -> str:
    """The longest part of a word that is the same in any case and in JSON, for LIKE; empty if there is none.

    >>> _pattern('50%'), _pattern('straße'), _pattern('ä')
    ('%50!%%', '%stra%', '')
    """
    parts = [part for run in _PLAIN.findall(word) for part in re.split(r'["\\\\]', run)]
    longest = max(parts, key=len, default="")[:_LONGEST_HINT]
    return f"%{re.sub('([%_!])', '!' + chr(92) + '1', longest)}%" if longest else ""
