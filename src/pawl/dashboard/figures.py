"""Numbers of the dashboard, in the fewest digits that say enough."""

from __future__ import annotations

_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def rate(per_s: float | None) -> str:
    """Requests a second; a slow rate by the minute or the hour, so that it is not lost in zeros.

    >>> rate(203.7), rate(2.04), rate(0.05), rate(0.0), rate(None)
    ('204 /s', '2.0 /s', '3.0 /min', '0 /s', '')
    """
    if per_s is None:
        return ""
    for worth, unit in ((1.0, "/s"), (1 / 60, "/min"), (1 / 3600, "/h")):
        if per_s >= worth:
            value = per_s / worth
            return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return "0 /s"


def count(number: int | None) -> str:
    """A whole number with its thousands apart.

    >>> count(1234567), count(None)
    ('1,234,567', '')
    """
    return "" if number is None else f"{number:,}"


def bytes_of(amount: float | None) -> str:
    """An amount of memory.

    >>> bytes_of(48_300_000), bytes_of(1_540_000_000), bytes_of(700), bytes_of(None)
    ('48 MB', '1.5 GB', '700 B', '')
    """
    if amount is None:
        return ""
    for worth, unit in _SIZES:
        if amount >= worth:
            value = amount / worth
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{amount:.0f} B"
