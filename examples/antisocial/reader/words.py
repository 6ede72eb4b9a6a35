"""The words of a text, as they are searched for: stored and asked in the same way, whatever the database."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The words of ``text`` without case and accents."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(sign for sign in decomposed if sign < "\u0300" or not unicodedata.combining(sign))
    return _WORD.findall(text.casefold())
