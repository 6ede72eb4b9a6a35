"""Strangers' HTML to plain text, strangers' links to links that are safe to show, and one address for each feed."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import quote, urlsplit, urlunsplit

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


_DEFAULT_PORTS = {"http": 80, "https": 443}


def feed_url(address: str) -> str:
    """The one way to write ``address``, so that a feed is known however it was typed.

    Scheme and host in lower case and ASCII, no fragment, no port that goes without saying, no empty path; ``feed:`` is
    what some browsers hand over. Raises ValueError if it is no address of the web.
    """
    address = address.strip()
    if address[:5].lower() == "feed:":
        address = address[5:].removeprefix("//")
    if "://" not in address[:8]:
        address = f"https://{address}"
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname or not address.isprintable() or " " in parts.netloc:
        raise ValueError(f"{address[:80]!r} is not an address of the web")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    host = f"[{host}]" if ":" in host else host.rstrip(".")
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    port = f":{parts.port}" if parts.port and parts.port != _DEFAULT_PORTS[scheme] else ""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]{}|^")
    return urlunsplit((scheme, f"{login}{host}{port}", path, query, ""))


def host_of(url: str) -> str:
    """The host of ``url``, whose server is asked for one thing at a time; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "")[:255]
    except ValueError:
        return ""
