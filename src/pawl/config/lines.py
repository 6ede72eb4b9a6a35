"""On which line of a TOML text a key stands: the standard library's reader keeps no positions.

The scanner here knows just enough of TOML for that: it trusts the text to be valid (``tomllib`` has said so), and on
any other text it still ends, without an error, perhaps with a wrong line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import NamedTuple

KeyPath = tuple[str | int, ...]
"""Table names, key names, and numbers (from 0) for the elements of an array."""

_TOKEN = re.compile(
    r'''
      (?P<text> """(?:\\.|[^\\])*?(?:"{3,5}|\\?\Z) | \'\'\'.*?(?:'{3,5}|\Z)
              | "(?:\\[^\n]|[^"\\\n])*"?           | '[^'\n]*'? )
    | (?P<bare> [A-Za-z0-9_-]+ )
    | (?P<newline> \n )
    | (?P<space> [ \t\r]+ | \#[^\n]* )
    | (?P<sign> . )
    ''',
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        yield _Token(match.lastgroup or "sign", match[0], line)
        line += match[0].count("\n")
    yield _Token("newline", "", line)  # so that the last statement ends like every other


class Lines:
    """The lines of the keys of one TOML text, counted from 1."""

    def __init__(self, text: str) -> None:
        self._found: dict[KeyPath, int] = {}
        self._tokens = list(_tokens(text))
        self._position = 0
        self._table: KeyPath = ()
        self._array_lengths: dict[KeyPath, int] = {}
        self._scan()

    def of(self, path: KeyPath) -> int | None:
        """The line where this key, table or array element first appears; None where it does not."""
        return self._found.get(path)

    def nearest(self, path: KeyPath) -> int | None:
        """The line of the key, else of what holds it; None for a path of which nothing appears."""
        while path:
            if line := self._found.get(path):
                return line
            path = path[:-1]
        return None

    def _scan(self) -> None:
        while self._position < len(self._tokens):
            token = self._now
            if token.kind in ("newline", "space"):
                self._position += 1
            elif token.text == "[":
                self._read_header()
            else:
                self._read_statement()

    @property
    def _now(self) -> _Token:
        return self._tokens[min(self._position, len(self._tokens) - 1)]

    def _read_header(self) -> None:
        line = self._now.line
        self._position += 1
        is_array = self._now.text == "["
        if is_array:
            self._position += 1
        parts = self._read_key()
        self._skip_line()
        if is_array and parts:
            array = (*self._resolve(parts[:-1]), parts[-1])
            self._array_lengths[array] = self._array_lengths.get(array, 0) + 1
        self._table = self._resolve(parts)
        self._note(self._table, line)

    def _resolve(self, parts: list[str]) -> KeyPath:
        """The path that a header names: a name of an array of tables means its last table so far."""
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if length := self._array_lengths.get(path):
                path = (*path, length - 1)
        return path

    def _read_statement(self) -> None:
        line = self._now.line
        path = (*self._table, *self._read_key())
        if self._now.text != "=":
            self._skip_line()
            return
        self._note(path, line)
        self._position += 1
        self._read_value(path)

    def _read_key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip_space()
            if self._now.kind not in ("bare", "text"):
                return parts
            parts.append(_key_name(self._now))
            self._position += 1
            self._skip_space()
            if self._now.text != ".":
                return parts
            self._position += 1

    def _read_value(self, path: KeyPath) -> None:
        depth = index = 0
        is_array = is_element_due = False
        while self._position < len(self._tokens):
            token = self._now
            if token.kind == "newline" and depth == 0:
                return
            self._position += 1
            if token.kind in ("newline", "space"):
                continue
            if is_element_due and token.text not in ("]", ","):
                self._note((*path, index), token.line)
                index += 1
                is_element_due = False
            if depth == 0:
                is_array = is_element_due = token.text == "["
            depth = max(0, depth + _depth_change(token))
            if token.text == "," and depth == 1:
                is_element_due = is_array

    def _skip_space(self) -> None:
        while self._now.kind == "space":
            self._position += 1

    def _skip_line(self) -> None:
        while self._position < len(self._tokens) and self._now.kind != "newline":
            self._position += 1

    def _note(self, path: KeyPath, line: int) -> None:
        """Remember where a path begins, and all that holds it, unless they began before."""
        while path and path not in self._found:
            self._found[path] = line
            path = path[:-1]


def _depth_change(token: _Token) -> int:
    if token.kind != "sign":
        return 0
    return (token.text in ("[", "{")) - (token.text in ("]", "}"))


def _key_name(token: _Token) -> str:
    if token.kind == "bare":
        return token.text
    quote = token.text[0]
    if quote == '"' and "\\" in token.text:
        try:
            return str(tomllib.loads(f"name = {token.text}")["name"])
        except ValueError:
            return token.text
    return token.text.strip(quote)
