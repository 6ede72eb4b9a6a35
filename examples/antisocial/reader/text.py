"""One address for each feed, and texts that can be kept and handed on."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

_CONTROLS = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
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


def without_controls(text: str) -> str:
    """``text`` without the characters that XML cannot hold; one of them, NUL, no database can."""
    return _CONTROLS.sub("", text)
