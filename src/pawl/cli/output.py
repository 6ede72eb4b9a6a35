"""Every word a person sees: results on stdout, progress and errors on stderr, colour only on a terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import click

from pawl.errors import PawlError
from pawl.words import count as count
from pawl.words import duration as duration
from pawl.words import moment as moment
from pawl.words import printable as printable
from pawl.words import share as share
from pawl.words import size as size

Json = dict[str, Any]


def result(text: str = "") -> None:
    """A line of the result."""
    print(text)


def say(text: str) -> None:
    """A line of progress or advice."""
    sys.stdout.flush()  # where both go to one place, lines keep their order
    print(text, file=sys.stderr, flush=True)


def as_json(value: object) -> None:
    """One object, for programs."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def colours(stream: Any = sys.stderr) -> bool:
    """Whether the stream may have colour."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def good(text: str) -> str:
    return click.style(text, fg="green") if colours() else text


def bad(text: str) -> str:
    return click.style(text, fg="red") if colours() else text


def dim(text: str) -> str:
    return click.style(text, dim=True) if colours() else text


def error(fault: PawlError) -> None:
    """What happened, why, and what to do next."""
    say(bad("error: ") + _in_one_line(fault.what))
    if fault.why:
        say(f"  why: {_in_one_line(fault.why)}")
    for line in fault.detail.splitlines():
        say(dim(f"  | {printable(line)}"))
    if fault.next_step:
        say(next_line(fault.next_step))


def next_line(text: str) -> str:
    """What to do next, on its own line."""
    return f"  {'' if text.startswith('see:') else 'next: '}{_in_one_line(text)}"


def _in_one_line(text: str) -> str:
    return printable(text).replace("\n", "\\n")


def usage(fault: click.ClickException) -> None:
    """A command line that click could not read."""
    text = fault.format_message()
    say(bad("error: ") + text[:1].lower() + text[1:].rstrip("."))
    context = fault.ctx if isinstance(fault, click.UsageError) else None
    say(f"  next: {context.command_path if context else 'pawl'} --help")


def interrupted() -> None:
    say("interrupted")


def _width(text: str) -> int:
    """Columns on a terminal: wide characters (UAX 11) take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """An aligned table without boxes; cells of the last column are not padded."""
    for number, line in enumerate(aligned([headings, *rows])):
        result(click.style(line, bold=True) if number == 0 and colours(sys.stdout) else line)


def aligned(rows: Iterable[Sequence[object]], *, right: Collection[int] = ()) -> list[str]:
    """Rows of as many cells each as lines with aligned columns, those named in ``right`` to the right."""
    cells = [[" ".join(printable(str("" if c is None else c)).split("\n")) for c in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        blanks = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = (blanks[n] + cell if n in right else cell + blanks[n] for n, cell in enumerate(row))
        lines.append("  ".join(padded).rstrip())
    return lines


def ago(iso: str | None) -> str:
    """How long ago an ISO 8601 time was."""
    if not iso:
        return ""
    from datetime import UTC, datetime

    return duration(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()))
