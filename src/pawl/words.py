"""Numbers, times and foreign text as a person reads them, on a terminal and in a browser alike."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text from commits, logs and branches with terminal control characters made visible."""
    return "".join(char if char.isprintable() or char in "\t\n" else repr(char)[1:-1] for char in text)


def share(value: float | None) -> str:
    """A share (0..1) for people.

    >>> share(0.0123), share(0.5), share(0.0), share(0.00042), share(None)
    ('1.2 %', '50 %', '0 %', '0.042 %', '')
    """
    return "" if value is None else f"{value * 100:.2g} %" if value < 0.0995 else f"{value * 100:.0f} %"


def duration(seconds: float | None) -> str:
    """Seconds for people.

    >>> duration(0.0123), duration(2.5), duration(75), duration(7300), duration(None)
    ('12 ms', '2.5 s', '1 min 15 s', '2 h 1 min', '')
    """
    if seconds is None:
        return ""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min {whole % 60} s"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "request"), count(1200, "request")
    ('1 request', '1,200 requests')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(amount: int) -> str:
    """Bytes for people.

    >>> size(0), size(48_300_000)
    ('0 MB', '48 MB')
    """
    return f"{amount / 1e6:.0f} MB"


def moment(iso: str | None) -> str:
    """An ISO 8601 time, to the second.

    >>> moment("2026-05-09T07:35:00.123456Z")
    '2026-05-09 07:35:00Z'
    """
    return "" if not iso else iso[:19].replace("T", " ") + "Z"
