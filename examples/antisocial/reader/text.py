"""Strangers' HTML to plain text, and strangers' links to links that are safe to show."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

_UNSEEN = frozenset({"script", "style", "template", "title"})
# Where one of these begins or ends, a word goes on.
_INLINE = frozenset({"a", "abbr", "b", "code", "del", "em", "i", "ins", "mark", "s", "small", "span", "strong", "u"})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self.unseen += 1
        elif tag not in _INLINE:
            self.parts.append(" ")  # "<p>one</p><p>two</p>" is two words

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self.unseen = max(0, self.unseen - 1)
        elif tag not in _INLINE:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.parts.append(data)


def plain(html: str, limit: int) -> str:
    """The text of ``html`` in one line of at most ``limit`` characters, to be escaped like any other text."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    text = " ".join("".join(parser.parts).replace("\0", "").split())
    text = text.encode(errors="replace").decode()  # a lone surrogate is text to Python, not to a database
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def web_link(link: str, limit: int) -> str:
    """``link`` if it is http or https and not too long, else nothing: ``javascript:`` is a link too."""
    link = link.strip()
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    is_safe = parts.scheme in ("http", "https") and parts.netloc and link.isprintable()
    return link if is_safe and len(link) <= limit else ""
