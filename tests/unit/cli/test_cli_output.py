"""What a person and a program get to see."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unicodedata import combining, east_asian_width

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.cli import output
from pawl.errors import PawlError, UsageError

Capture = pytest.CaptureFixture[str]


def test_a_table_is_aligned_and_has_no_blanks_at_its_ends(capsys: Capture) -> None:
    output.table(("APP", "URL", "N"), [("demo", "http://demo/", 3), ("a-long-name", None, ""), ("", "x", None)])
    assert capsys.readouterr().out == (
        "APP          URL           N\n"  #
        "demo         http://demo/  3\n"
        "a-long-name\n"
        "             x\n"
    )


def test_an_empty_table_has_its_headings(capsys: Capture) -> None:
    output.table(("APP", "URL"), [])
    assert capsys.readouterr().out == "APP  URL\n"


def columns(text: str) -> int:
    """What a terminal gives a text: two columns for a wide character, none for a combining one."""
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


@given(cells=st.lists(st.lists(st.text(max_size=8), min_size=3, max_size=3), max_size=4))
def test_every_column_of_a_table_begins_at_the_same_place(cells: list[list[str]]) -> None:
    rows = [
        [output.printable(cell).replace("\t", "").replace("\n", "").strip() or "-" for cell in row] for row in cells
    ]
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "result", lines.append)
        output.table(("A", "B", "C"), rows)
    widths = [max(columns(row[column]) for row in (["A", "B", "C"], *rows)) for column in range(3)]
    for line, row in zip(lines[1:], rows, strict=True):
        first, second = (
            cell + " " * (width - columns(cell) + 2) for cell, width in zip(row[:2], widths[:2], strict=True)
        )
        assert line == first + second + row[2]


HARMLESS = {
    "colours": ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
    "a cleared screen": ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
    "a title of the window": ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
    "a line overwritten": ("good\rbad", "good\\rbad"),
    "a letter taken back": ("ab\bc", "ab\\x08c"),
    "a C1 control": ("\x9b31m", "\\x9b31m"),
    "text from right to left": ("\u202egnp.exe", "\\u202egnp.exe"),
    "no width at all": ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
    "a byte that was no text": ("\udcff", "\\udcff"),
    "tabs and lines": ("a\tb\nc", "a\tb\nc"),
    "other scripts and signs": ("läuft ✓ 日本 🎉 “x”", "läuft ✓ 日本 🎉 “x”"),
}


@pytest.mark.parametrize(("text", "shown"), HARMLESS.values(), ids=HARMLESS)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert output.printable(text) == shown


@given(st.text())
def test_whatever_is_shown_is_printable(text: str) -> None:
    assert all(char.isprintable() or char in "\t\n" for char in output.printable(text))


def test_control_characters_get_into_no_table_and_no_error(capsys: Capture) -> None:
    evil = "\x1b[2J"
    output.table(("A", "B"), [(evil, evil)])
    output.error(PawlError(evil, why=evil, next_step=evil, detail=f"{evil}\n{evil}"))
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert shown.err.count("\\x1b[2J") == 5


def test_an_error_says_what_why_and_what_next_on_stderr(capsys: Capture) -> None:
    output.error(UsageError("no app 'x'", why="the apps here: none yet", next_step="pawl apps", detail="a\nb"))
    output.error(PawlError("it broke", next_step="see: pawl logs"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "error: no app 'x'\n  why: the apps here: none yet\n  | a\n  | b\n  next: pawl apps\n"
        "error: it broke\n  see: pawl logs\n"
    )


def test_a_wrong_command_line_names_the_help(capsys: Capture) -> None:
    output.usage(click.UsageError("No such option: --x."))
    assert capsys.readouterr().err == "error: no such option: --x\n  next: pawl --help\n"


def test_objects_for_programs_are_one_line_of_json(capsys: Capture) -> None:
    output.as_json({"a": "läuft\n\x1b[0m", "b": [1, None]})
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": "läuft\n\x1b[0m", "b": [1, None]}
    assert "läuft" in out
    assert "\x1b" not in out


class Terminal:
    @staticmethod
    def isatty() -> bool:
        return True


@pytest.fixture
def no_colour_wish(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


@pytest.mark.parametrize(("no_color", "is_coloured"), [(None, True), ("", True), ("1", False), ("0", False)])
def test_colour_is_for_terminals_and_for_those_who_want_it(
    no_colour_wish: pytest.MonkeyPatch, no_color: str | None, *, is_coloured: bool
) -> None:
    if no_color is not None:
        no_colour_wish.setenv("NO_COLOR", no_color)
    assert output.colours(Terminal()) is is_coloured
    assert not output.colours(io.StringIO())


def test_there_is_no_colour_in_a_pipe(capsys: Capture, no_colour_wish: pytest.MonkeyPatch) -> None:
    output.table(("A",), [("b",)])
    output.say(output.good("a") + output.bad("b") + output.dim("c"))
    shown: Any = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


DURATIONS = {
    None: "", 0: "0 ms", 0.0123: "12 ms", 0.9994: "999 ms", 1: "1.0 s", 59.94: "59.9 s", 60: "1 min 0 s",
    3599.4: "59 min 59 s", 3600: "1 h 0 min", 47 * 3600 + 3599: "47 h 59 min", 48 * 3600: "2 d 0 h",
    10 * 86_400 + 3 * 3600: "10 d 3 h",
}  # fmt: skip


@pytest.mark.parametrize(("seconds", "text"), DURATIONS.items())
def test_a_duration_in_words(seconds: float | None, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.9996, "1.0 s"), (59.96, "1 min 0 s"), (119.7, "2 min 0 s")])
def test_a_duration_never_shows_sixty_seconds(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_moments_are_to_the_second_and_ages_never_negative() -> None:
    now = datetime.now(UTC)
    assert output.moment(None) == output.ago(None) == ""
    assert output.moment("2026-05-09T07:35:00.999Z") == "2026-05-09 07:35:00Z"
    assert output.ago((now - timedelta(hours=2)).isoformat()) == "2 h 0 min"
    assert output.ago((now + timedelta(hours=2)).isoformat()) == "0 ms"
