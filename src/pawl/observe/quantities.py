"""Numbers with units, as they stand in expectations: ``80ms``, ``0.1%``, ``120MB``, ``3/s``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["time", "share", "rate", "size", "cores"]

_UNITS: dict[Kind, dict[str, float]] = {
    "time": {"ms": 0.001, "s": 1.0},
    "share": {"%": 0.01},
    "rate": {"/s": 1.0, "/min": 1 / 60, "/h": 1 / 3600},
    "size": {"KB": 1e3, "MB": 1e6, "GB": 1e9},
    "cores": {"%": 0.01},
}
_STEPS: dict[Kind, tuple[tuple[float, str], ...]] = {
    "time": ((1.0, "s"), (0.001, "ms")),
    "share": ((0.01, "%"),),
    "rate": ((1.0, "/s"), (1 / 60, "/min"), (1 / 3600, "/h")),
    "size": ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")),
    "cores": ((0.01, "%"),),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and what one of it is in seconds, in shares (0..1), a second, in bytes or in cores."""

    name: str
    worth: float


def units(kind: Kind) -> list[str]:
    """The names of the units of a kind."""
    return list(_UNITS[kind])


def unit(kind: Kind, name: str) -> Unit | None:
    """The unit of this name, whatever its case; None if the kind has none of it.

    >>> unit("size", "mb")
    Unit(name='MB', worth=1000000.0)
    """
    for known, worth in _UNITS[kind].items():
        if known.lower() == name.lower():
            return Unit(known, worth)
    return None


def shown(kind: Kind, value: float) -> str:
    """A value with the unit that suits it.

    >>> shown("time", 0.0813), shown("share", 0.00123), shown("size", 118_400_000), shown("rate", 0.05)
    ('81.3 ms', '0.123 %', '118 MB', '3 /min')
    """
    for worth, name in _STEPS[kind]:
        if abs(value) >= worth:
            return f"{value / worth:.3g} {name}"
    worth, name = _STEPS[kind][-1]
    return f"{value / worth:.3g} {name}"
