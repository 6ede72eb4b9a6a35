"""Keeping secret values out of what is shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator

MASK = "[secret]"
_SHORTEST = 6  # a shorter value would blot out ordinary words


class Redactor:
    """Replaces secret values by ``[secret]``, also when they are URL-encoded, in base64 or inside a JSON text.

    Base64 is found wherever the value stands in what was encoded, as in an ``Authorization`` header; a value of
    several lines is found by each of them. Values under six characters are let through.

    >>> Redactor(["hunter2!"]).text("the password is hunter2! or hunter2%21")
    'the password is [secret] or [secret]'
    """

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part for value in values for part in _parts(value)}
        self._forms = {form for part in parts for form in _forms(part)}
        encoded = "|".join(_url_encoded(part) for part in sorted(parts, key=len, reverse=True))
        self._url_encoded = re.compile(f"(?={encoded})") if encoded else None

    def text(self, text: str) -> str:
        """The text without the values; what two of them share is masked as one."""
        spans = sorted(self._spans(text))
        shown, end = [], 0
        for start, stop in spans:
            if start >= end:
                shown += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*shown, text[end:]]) if spans else text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            start = text.find(form)
            while start >= 0:
                yield start, start + len(form)
                start = text.find(form, start + 1)
        if self._url_encoded is not None and ("%" in text or "+" in text):
            for match in self._url_encoded.finditer(text):
                yield match.start(), match.end(match.lastindex or 0)


def _parts(value: str) -> Iterator[str]:
    for part in (value, *value.splitlines()):
        for form in (part, part.strip()):
            if len(form.strip()) >= _SHORTEST:
                yield form


def _forms(part: str) -> Iterator[str]:
    yield part
    yield json.dumps(part)[1:-1]
    yield json.dumps(part, ensure_ascii=False)[1:-1]
    data = part.encode("utf-8", "surrogateescape")
    for before in range(3):  # the three ways in which a value can lie over the groups of three bytes
        encoded = base64.b64encode(b"\0" * before + data).rstrip(b"=").decode()
        first = (before * 8 + 5) // 6
        last = (before + len(data)) * 8 // 6  # the digits that hang on the value alone
        yield encoded[first:last]
        yield encoded[first:last].replace("+", "-").replace("/", "_")


def _url_encoded(part: str) -> str:
    return "(" + "".join(_url_encoded_character(char) for char in part) + ")"


def _url_encoded_character(char: str) -> str:
    """Any way to write a character in a URL: as it is, by the hexadecimal digits of its bytes, a blank as ``+``."""
    digits = "".join(f"%{_any_case(byte)}" for byte in char.encode("utf-8", "surrogateescape"))
    return f"(?:{re.escape(char)}|{digits}{'|[+]' if char == ' ' else ''})"


def _any_case(byte: int) -> str:
    return "".join(digit if digit.isdecimal() else f"[{digit}{digit.upper()}]" for digit in f"{byte:02x}")
