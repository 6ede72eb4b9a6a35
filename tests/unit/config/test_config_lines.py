"""Finding the line of a key in a TOML text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pawl.config.lines import KeyPath, Lines

TEXT = '''\
# [not.a.table] in a comment
title = "a # b" # comment with = and [x]
a.b.c = 1
"quoted key".x = 2
'literal.dot' = 3
"esc\\u0061pe\\"d" = 4
text = """
[no.table]
no = 1 \\"""
"""" # four quotes end it with one inside
literal = \'\'\'
x = 1
\'\'\'
list = [
  1, # one, [two]
  [2, 3],
  { k = "]" },

  "four",
]
inline = { p = 1, q = { r = [1, 2] } }
empty = []
dotted . spaced = 5

[table.sub]
key = 1
[ table . "other.one" ]
key = 2
[[many]]
n = 1
[many.inner]
deep = 1
[[many]]
n = 2
[table]
late = 1
'''

PLACES: list[tuple[KeyPath, int | None]] = [
    (("title",), 2),
    (("a",), 3),
    (("a", "b", "c"), 3),
    (("quoted key", "x"), 4),
    (("literal.dot",), 5),
    (('escape"d',), 6),
    (("text",), 7),
    (("no",), None),
    (("no", "table"), None),
    (("not", "a", "table"), None),
    (("x",), None),
    (("literal",), 11),
    (("list",), 14),
    (("list", 0), 15),
    (("list", 1), 16),
    (("list", 2), 17),
    (("list", 3), 19),
    (("list", 4), None),
    (("inline",), 21),
    (("empty", 0), None),
    (("dotted", "spaced"), 23),
    (("table",), 25),
    (("table", "sub", "key"), 26),
    (("table", "other.one"), 27),
    (("table", "other.one", "key"), 28),
    (("many",), 29),
    (("many", 0, "n"), 30),
    (("many", 0, "inner", "deep"), 32),
    (("many", 1), 33),
    (("many", 1, "n"), 34),
    (("table", "late"), 36),
]


@pytest.mark.parametrize(("path", "line"), PLACES, ids=str)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_key_is_found_where_it_stands(path: KeyPath, line: int | None, newline: str) -> None:
    assert Lines(TEXT.replace("\n", newline)).of(path) == line


def test_the_text_of_these_tests_is_toml() -> None:
    assert tomllib.loads(TEXT)["list"][3] == "four"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("inline", "q", "r"), 21),
        (("list", 9), 14),
        (("table", "sub", "none"), 25),
        (("none", "at", "all"), None),
        ((), None),
    ],
)
def test_the_nearest_line_of_a_key_that_is_not_there_is_that_of_what_holds_it(path: KeyPath, line: int | None) -> None:
    assert Lines(TEXT).nearest(path) == line


SIGNS = st.text(alphabet="ab.=[]{}\"'\\#,\n \r1", max_size=60)


@given(text=st.text() | SIGNS, path=st.lists(st.sampled_from(["a", "b", "ab", 0, 1]), max_size=3))
@example(text="[", path=["a"])
@example(text="a", path=["a"])
@example(text="a=", path=["a"])
@example(text='a="""\\', path=["a"])
@example(text="[[a]]\n[[", path=["a", 0])
def test_any_text_ends_in_no_line_or_in_one_of_its_own(text: str, path: list[str | int]) -> None:
    lines = Lines(text)
    for line in (lines.of(tuple(path)), lines.nearest(tuple(path))):
        assert line is None or 1 <= line <= text.count("\n") + 1


def _paths(value: object, path: KeyPath = ()) -> list[KeyPath]:
    if isinstance(value, dict):
        return [path, *(deeper for key, item in value.items() for deeper in _paths(item, (*path, key)))]
    return [path]


@given(text=st.lists(SIGNS, max_size=6).map("\n".join))
def test_every_key_of_a_valid_text_has_a_line_near_it(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except ValueError:
        return
    lines = Lines(text)
    assert all(lines.nearest(path) for path in _paths(data) if path)


def test_a_long_text_takes_no_long_time() -> None:
    text = "[a]\n" + "".join(f'k{number} = ["{number}", {{ x = 1 }}]\n' for number in range(20_000))
    assert Lines(text).of(("a", "k19999", 1)) == 20_001
