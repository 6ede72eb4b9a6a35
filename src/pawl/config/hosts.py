"""Host names that an app may answer to."""

from __future__ import annotations

import ipaddress
import re

from pawl.config.names import shown
from pawl.errors import UsageError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253
# The standard library knows IDNA 2003 only, which maps these to other letters: another domain than browsers ask for.
_DISPUTED = frozenset("ßẞς\u200c\u200d")


def check_host_name(text: str) -> str:
    """The host name in lower case and ASCII; ``*.`` in front of it stands for any one label.

    >>> check_host_name("Bücher.example")
    'xn--bcher-kva.example'

    Raises:
        UsageError: it is no host name, or more than one (a scheme, port or path is told as such).
    """
    if excess := _excess(text):
        raise UsageError(f"{shown(text)} is not a host name: {excess}", next_step="write it like example.com")
    star, rest = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if "*" in rest:
        raise UsageError(
            f"{shown(text)} is not a host name: '*' can only stand for the whole first label",
            next_step="write it like *.example.com",
        )
    name = _ascii(rest).lower().removesuffix(".")
    labels = name.split(".")
    if len(star + name) > _LONGEST or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise UsageError(
            f"{shown(text)} is not a host name: it must be labels of letters, digits and '-' with dots between",
            next_step="write it like example.com",
        )
    return star + name


def _excess(text: str) -> str | None:
    """What a text has that belongs into a URL and not into a host name."""
    if len(text) > _LONGEST + 1:
        return f"it is longer than {_LONGEST} characters"
    if "://" in text:
        return "leave out the scheme"
    if _is_address(text):
        return "it is an address, and a certificate or a route needs a name"
    if "/" in text:
        return "leave out the path"
    if ":" in text:
        return "leave out the port"
    return None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if not _DISPUTED.isdisjoint(text):
        raise UsageError(
            f"{shown(text)} holds a letter that old and new rules for domain names turn into different names",
            next_step="write the name in its ASCII form (xn--...)",
        )
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UsageError(
            f"{shown(text)} is not a host name: it has no ASCII form", next_step="write it like example.com"
        ) from error
