"""The names of the Google Reader API: of items, in all the forms that apps send, and of streams."""

from __future__ import annotations

import re
from dataclasses import dataclass

from reader.models import GREATEST_ID

LONG = "tag:google.com,2005:reader/item/"
STATE = "user/-/state/com.google/"
READING_LIST, READ, UNREAD, STARRED = f"{STATE}reading-list", f"{STATE}read", f"{STATE}unread", f"{STATE}starred"
KEPT_UNREAD = f"{STATE}kept-unread"


class BadNameError(ValueError):
    """A name that means nothing here."""


@dataclass(frozen=True)
class Stream:
    """What a stream id names: a ``kind`` of state (``reading-list``, ``read``, …), ``feed`` or ``label``, and which."""

    kind: str
    name: str = ""


def long_id(entry_id: int) -> str:
    """The form that contents have: sixteen hexadecimal digits after a prefix."""
    return f"{LONG}{entry_id:016x}"


def entry_id(name: str) -> int:
    """The entry that ``name`` means: the long form, its sixteen hexadecimal digits alone, or a decimal number.

    Some apps leave the leading zeros out of the long form. Raises BadNameError.

    >>> entry_id("tag:google.com,2005:reader/item/00000000000004d2"), entry_id("00000000000004d2"), entry_id("1234")
    (1234, 1234, 1234)
    """
    prefix, _, digits = name.strip().rpartition("/")
    is_hexadecimal = bool(prefix) or len(digits) == 16
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}" if is_hexadecimal else r"[0-9]{1,19}", digits):
        raise BadNameError(f"{name[:80]!r} is not an item id")
    number = int(digits, 16 if is_hexadecimal else 10)
    if number > GREATEST_ID:
        raise BadNameError(f"{name[:80]!r} is not an item id")
    return number


def stream(name: str) -> Stream:
    """What ``name`` means; a state may come with a user's id or without anything before it. Raises BadNameError.

    >>> stream("user/1234/state/com.google/starred"), stream("feed/7")
    (Stream(kind='starred', name=''), Stream(kind='feed', name='7'))
    """
    name = name.strip()
    if name.startswith("feed/"):
        return Stream("feed", name.removeprefix("feed/"))
    if found := re.fullmatch(r"user/[^/]+/label/(.+)", name):
        return Stream("label", found[1])
    if found := re.fullmatch(r"(?:user/[^/]+/state/com\.google/)?([a-z-]+)", name):
        return Stream(found[1])
    raise BadNameError(f"{name[:80]!r} is not a stream")
