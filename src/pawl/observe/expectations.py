"""What an author expects of a change, as written in a commit's trailer: parsing only; ``answers.py`` checks it.

::

    Expect: p95(/feeds/) < 80ms          Expect: errors(*) <= 0.1%         Expect: rate(POST /subscribe) > 0
    Expect: rss(worker) < 120MB          Require: p95(/) -20%              Expect: errors(*) +0%

Measures: ``p50``, ``p95``, ``p99``, ``mean``, ``errors`` and ``rate`` of a route or ``*`` (all), ``rss`` and ``cpu``
of a process type or ``*``. A route is a path, for every method, or ``METHOD /path``; numbers in it stand for any
number. With a sign and a percentage the limit is relative to the baseline: ``-20%`` is at least 20 % less, ``+10%`` at
most 10 % more; of ``rate``, where more is better, ``+10%`` is at least 10 % more and ``-20%`` at most 20 % less.
``Require:`` instead of ``Expect:`` lets a miss take the change back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from pawl.errors import UsageError
from pawl.observe.paths import path_of
from pawl.observe.quantities import Kind, unit, units

Operator = Literal["<", "<=", ">", ">="]

MEASURES: dict[str, Kind] = {
    "p50": "time",
    "p95": "time",
    "p99": "time",
    "mean": "time",
    "errors": "share",
    "rate": "rate",
    "rss": "size",
    "cpu": "cores",
}
OF_PROCESSES = frozenset({"rss", "cpu"})
_EXAMPLE = "p95(/feeds/) < 80ms"
_METHOD = re.compile(r"[A-Z]+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_OPERATOR = re.compile(r"<=|>=|<|>")
_TRAILER = re.compile(r"(expect|require)[ \t]*:[ \t]*(.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation. Exactly one of ``limit`` and ``change`` is set.

    ``subject`` is a route as windows are asked for, a process type, or None for ``*``. ``limit`` is in seconds, a
    share (0..1), requests a second, bytes or cores; ``change`` is a share of the baseline's value.
    """

    text: str
    measure: str
    subject: str | None
    operator: Operator
    limit: float | None = None
    change: float | None = None
    is_required: bool = False

    @property
    def kind(self) -> Kind:
        return MEASURES[self.measure]

    @property
    def is_of_processes(self) -> bool:
        """Whether it is about gauges of processes, not about requests."""
        return self.measure in OF_PROCESSES

    @property
    def wants_less(self) -> bool:
        return self.operator in ("<", "<=")


def parse(text: str, *, is_required: bool = False) -> Expectation:
    """One expectation, without the trailer's key.

    >>> parse("p95(/feeds/) < 80ms").limit
    0.08

    Raises:
        UsageError: it cannot be read; ``detail`` is the text with a caret under the place.
    """
    reader = _Reader(text)
    measure = reader.word(_NAME, f"a measure ({', '.join(MEASURES)})").lower()
    if measure not in MEASURES:
        reader.fail(f"'{measure}' is no measure; there are: {', '.join(MEASURES)}", back=len(measure))
    subject = _subject(reader, measure)
    reader.blanks()
    if reader.peek() in ("+", "-"):
        is_less = reader.take() == "-"
        reader.blanks()
        change = float(reader.word(_NUMBER, "a number")) / 100
        reader.literal("%", "'%': a change is a percentage of the baseline's value")
        reader.end()
        operator: Operator = ">=" if measure == "rate" else "<="
        change = -change if is_less else change
        return Expectation(reader.text, measure, subject, operator, change=change, is_required=is_required)
    operator = _operator(reader)
    limit = _limit(reader, MEASURES[measure])
    reader.end()
    return Expectation(reader.text, measure, subject, operator, limit=limit, is_required=is_required)


def written(text: str) -> Expectation:
    """One expectation as it is kept with a deploy and given to ``--expect``, with the trailer's key or without.

    >>> written("Require: errors(*) <= 1%").is_required, written("errors(*) <= 1%").is_required
    (True, False)

    Raises:
        UsageError: it cannot be read.
    """
    found = _TRAILER.fullmatch(text.strip())
    return parse(found[2], is_required=found[1].lower() == "require") if found else parse(text)


def from_message(message: str) -> list[Expectation]:
    """The expectations in a commit message, in its order: every line that begins with ``Expect:`` or ``Require:``.

    A line further in than that is a quotation, so none. The case of the key does not matter.

    Raises:
        UsageError: one of them cannot be read.
    """
    found = (_TRAILER.fullmatch(line.rstrip()) for line in message.splitlines())
    return [parse(one[2], is_required=one[1].lower() == "require") for one in found if one]


def _subject(reader: _Reader, measure: str) -> str | None:
    reader.literal("(", f"'(' and what {measure} is of")
    began = reader.at
    end = reader.text.find(")", began)
    if end < 0:
        reader.at = len(reader.text)
        reader.fail("expected ')'")
    inside = reader.text[began:end].strip()
    if inside == "*":
        subject = None
    elif measure in OF_PROCESSES:
        if not _NAME.fullmatch(inside):
            reader.fail("expected a process type, like worker, or *")
        subject = inside
    else:
        subject = _route(reader, inside)
    reader.at = end + 1
    return subject


def _route(reader: _Reader, inside: str) -> str:
    method, separator, path = inside.rpartition(" ")
    if not path.startswith("/"):
        reader.fail("expected a path that begins with '/', a method and a path, or *")
    if separator and not _METHOD.fullmatch(method.strip()):
        reader.fail("expected a method in capitals before the path, like POST")
    return f"{method.strip()} {path_of(path)}" if separator else path_of(path)


def _operator(reader: _Reader) -> Operator:
    found = reader.word(_OPERATOR, "<, <=, >, >=, or a change like -20%")
    operators: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
    return operators[found]


def _limit(reader: _Reader, kind: Kind) -> float:
    reader.blanks()
    number = float(reader.word(_NUMBER, "a number"))
    reader.blanks()
    rest = reader.text[reader.at :].split(maxsplit=1)
    if not rest:
        if number == 0:
            return 0.0
        reader.fail(f"expected a unit: {', '.join(units(kind))}")
    known = unit(kind, rest[0])
    if known is None:
        reader.fail(f"'{rest[0]}' is not a unit of this; there are: {', '.join(units(kind))}")
    reader.at += len(rest[0])
    return number * known.worth


class _Reader:
    """Reads a text from left to right and says where it cannot."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.at = 0

    def blanks(self) -> None:
        while self.peek() in (" ", "\t"):
            self.at += 1

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def word(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            self.fail(f"expected {what}")
        self.at = found.end()
        return found[0]

    def literal(self, wanted: str, what: str) -> None:
        self.blanks()
        if self.peek() != wanted:
            self.fail(f"expected {what}")
        self.at += 1

    def end(self) -> None:
        self.blanks()
        if self.at < len(self.text):
            self.fail("expected nothing more")

    def fail(self, why: str, *, back: int = 0) -> NoReturn:
        at = self.at - back
        raise UsageError(
            f"the expectation '{self.text}' cannot be read",
            why=f"column {at + 1}: {why}",
            next_step=f"write it like: {_EXAMPLE}",
            detail=f"{self.text}\n{' ' * at}^",
        )
