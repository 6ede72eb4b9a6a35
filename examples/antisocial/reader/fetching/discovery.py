"""The feed of a site: what its page links to as such, or else where sites have theirs."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

from reader.text import feed_url

_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json", "text/xml")
COMMON_PATHS = ("/feed", "/feed.xml", "/rss.xml", "/atom.xml", "/index.xml", "/rss", "/feed.json")
MOST_LINKED = 5
# The parser of Python takes hours for some pages, and ends others with an error: it is given nothing but such tags.
_PARTS = re.compile(
    r"""<!--.*?(?:-->|\Z) | <script\b.*?(?:</script|\Z)
    | (?P<tag><(?:link|base)\b(?:[^<>"']|"[^"<]*"|'[^'<]*'|["'])*+>)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("link", "base"):
            return
        values = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or values.get("href", "")
        elif "alternate" in values.get("rel", "").lower().split() and values.get("type", "").lower() in _TYPES:
            self.found.append((values.get("href", ""), values.get("title", "")))


def linked_feeds(page: bytes, *, url: str) -> list[str]:
    """The addresses of feeds that an HTML page links to, in its order, those of comments last."""
    parser = _Links()
    for found in _PARTS.finditer(page[:500_000].decode(errors="replace")):
        parser.feed(found["tag"] or "")
        parser.reset()  # of a tag that has no end for it
    ranked = sorted(parser.found, key=lambda link: "comment" in f"{link[0]} {link[1]}".lower())
    return _addresses(_base(url, parser.base), [href for href, _ in ranked])[:MOST_LINKED]


def _base(url: str, base: str) -> str:
    try:
        return urljoin(url, base)
    except ValueError:
        return url


def common_feeds(url: str) -> list[str]:
    """Where a site's feed may be, if its page says nothing."""
    return _addresses(url, list(COMMON_PATHS))


def _addresses(base: str, hrefs: list[str]) -> list[str]:
    found = []
    for href in filter(None, hrefs):
        try:
            found.append(feed_url(urljoin(base, href)))
        except ValueError:
            continue
    return list(dict.fromkeys(found))
