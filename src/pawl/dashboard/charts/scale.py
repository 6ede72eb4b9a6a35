"""Values with their units: which unit suits a chart, how a value is written in it, and where the axis has its ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pawl.dashboard.charts.chart import Unit

_STEPS: dict[Unit, tuple[tuple[float, float, str], ...]] = {
    # From which greatest value on, what one of the unit is worth, its name.
    "seconds": (
        (2 * 86_400, 86_400, "d"), (2 * 3600, 3600, "h"), (120, 60, "min"), (1, 1, "s"), (0, 0.001, "ms"),
    ),
    "bytes": ((1e12, 1e12, "TB"), (1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (0, 1e3, "kB")),
    "share": ((0, 0.01, "%"),),
    "per second": ((1e4, 1e3, "k/s"), (0, 1, "/s")),
    "count": ((1e7, 1e6, "M"), (1e4, 1e3, "k"), (0, 1, "")),
}  # fmt: skip
_BASE: dict[Unit, str] = {
    "seconds": "s", "bytes": "bytes", "share": "0..1", "per second": "1/s", "count": "",
}  # fmt: skip
_LEAST_TOP: dict[Unit, float] = {"seconds": 0.01, "bytes": 1e6, "share": 0.01, "per second": 1, "count": 1}
_MOST = 1e30
_FACTORS = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Scale:
    """A unit to show values in; ``worth`` is what one of it is in the chart's own unit."""

    worth: float
    name: str

    @classmethod
    def of(cls, unit: Unit, most: float) -> Scale:
        """The one that suits a chart whose greatest value this is.

        >>> Scale.of("seconds", 0.3), Scale.of("bytes", 512e6).name
        (Scale(worth=0.001, name='ms'), 'MB')
        """
        return next(cls(worth, name) for least, worth, name in _STEPS[unit] if most >= least or not least)

    def number(self, value: float) -> str:
        """A value in this unit, without its name.

        >>> Scale(0.001, "ms").number(0.0813), Scale(1, "").number(12345.6), Scale(1, "").number(0.0)
        ('81.3', '12346', '0')
        """
        return digits(value / self.worth)

    def numbers(self, values: Iterable[float | None], *, nothing: str) -> list[str]:
        """Many values in this unit, with a word for None."""
        worth = self.worth
        return [
            nothing if value is None
            else f"{size:.3g}" if 1e-4 <= (size := value / worth) < 999.5
            else digits(size)
            for value in values
        ]  # fmt: skip

    def text(self, value: float) -> str:
        """A value in this unit.

        >>> Scale(1e6, "MB").text(118_400_000), Scale(1, "/s").text(2)
        ('118 MB', '2 /s')
        """
        return f"{self.number(value)} {self.name}".rstrip()


def shown(unit: Unit, value: float) -> str:
    """A value in the unit that suits it alone.

    >>> shown("seconds", 5400), shown("share", 0.0012), shown("count", 3)
    ('90 min', '0.12 %', '3')
    """
    return Scale.of(unit, abs(value)).text(value)


def base(unit: Unit) -> str:
    """The name of the unit in which values are kept and exported; empty for plain numbers."""
    return _BASE[unit]


def digits(value: float) -> str:
    """Three digits that mean something, never fewer than stand before the point.

    >>> digits(0.00012345), digits(12.0), digits(123456.7), digits(2e20)
    ('0.000123', '12', '123457', '2e+20')
    """
    size = abs(value)
    if 1e-4 <= size < 999.5 or not size or size >= 1e15:
        return f"{value:.3g}"
    if size > 1:
        return f"{value:.0f}"
    return f"{value:.9f}".rstrip("0").rstrip(".").replace("-0", "-0", 1) if size >= 1e-9 else "0"


def cleaned(values: Iterable[float | None]) -> list[float | None]:
    """The values that can be drawn, as :func:`known` says, in little time for those that all can.

    >>> cleaned([1.0, None, float("nan"), 1e300])
    [1.0, None, None, 1e+30]
    """
    return [value if value is None or -_MOST <= value <= _MOST else known(value) for value in values]


def known(value: float | None) -> float | None:
    """The value if it can be drawn; None for what is no number, and no more than a chart can hold."""
    if value is None or not math.isfinite(value):
        return None
    return max(-_MOST, min(value, _MOST))


def ticks(unit: Unit, values: Iterable[float], *, most: int = 5) -> list[float]:
    """Round values, increasing, for an axis that holds zero and all of ``values``; two to ``most`` + 1 of them.

    Whole numbers of things get no halves between.

    >>> ticks("count", [0.0, 2.0]), ticks("count", [0.5, 2.0])
    ([0.0, 1.0, 2.0], [0.0, 0.5, 1.0, 1.5, 2.0])
    >>> ticks("seconds", [0.03, 0.41])
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    >>> ticks("share", [0.0]), ticks("count", [-3.0, 6.0])
    ([0.0, 0.002, 0.004, 0.006, 0.008, 0.01], [-4.0, -2.0, 0.0, 2.0, 4.0, 6.0])
    """
    found = [0.0, *values]
    low, high = min(found), max(found)
    if high - low < _LEAST_TOP[unit] * 1e-6:
        high = _LEAST_TOP[unit]
    worth = Scale.of(unit, max(high, -low)).worth
    least = 1 / worth if unit == "count" and all(value == int(value) for value in found) else 0.0
    low, high = low / worth, high / worth
    size = 10.0 ** (math.floor(math.log10((high - low) / most)) - 1)
    while True:
        for factor in _FACTORS:
            step = factor * size
            first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
            if step >= least and last - first <= most:
                return [_rounded(place * step, step) * worth for place in range(first, last + 1)]
        size *= 10


def _rounded(value: float, step: float) -> float:
    """Without the dust of binary fractions: 0.3, not 0.30000000000000004."""
    return round(value, max(0, 2 - math.floor(math.log10(step))))
