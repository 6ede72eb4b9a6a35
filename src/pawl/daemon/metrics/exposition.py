"""The text format of Prometheus, version 0.0.4: families of samples as lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, kind, what it says, and the labels that every sample of it has."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram: how many at or below each edge (ascending, with ``inf`` as the last), and the sum of all."""

    ladder: Sequence[tuple[float, int]]
    total: float

    def __add__(self, other: Spread) -> Spread:
        both = [(edge, here + there) for (edge, here), (_, there) in zip(self.ladder, other.ladder, strict=True)]
        return Spread(both, self.total + other.total)


class Page:
    """What one scrape answers. Samples with the same labels are added, for a label set may stand there only once.

    >>> page = Page([Family("pawl_things", "gauge", "Things.", ("app",))])
    >>> page.add("pawl_things", 2, app="shop")
    >>> print(page.text(), end="")
    # HELP pawl_things Things.
    # TYPE pawl_things gauge
    pawl_things{app="shop"} 2
    """

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = {family.name: family for family in families}
        self._numbers: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in self._families}
        self._spreads: dict[str, dict[tuple[str, ...], Spread]] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add to a sample of a counter or a gauge.

        Raises:
            ValueError: there is no such metric, or it has other labels.
        """
        key, samples = self._key(name, labels), self._numbers[name]
        samples[key] = samples.get(key, 0) + value

    def add_spread(self, name: str, spread: Spread, **labels: str) -> None:
        """Add to a histogram; as :meth:`add`."""
        key, samples = self._key(name, labels), self._spreads.setdefault(name, {})
        samples[key] = samples[key] + spread if key in samples else spread

    def _key(self, name: str, labels: dict[str, str]) -> tuple[str, ...]:
        family = self._families.get(name)
        if family is None or set(family.labels) != set(labels):
            raise ValueError(f"there is no metric {name} with labels {sorted(labels)}")
        return tuple(labels[label] for label in family.labels)

    def text(self) -> str:
        """All families that have samples, in the order they were given."""
        lines: list[str] = []
        for family in self._families.values():
            found = self._lines(family)
            if found:
                lines.append(f"# HELP {family.name} {_escaped(family.help)}")
                lines.append(f"# TYPE {family.name} {family.kind}")
                lines += found
        return "".join(f"{line}\n" for line in lines)

    def _lines(self, family: Family) -> list[str]:
        if family.kind != "histogram":
            return [
                f"{family.name}{_labels(family.labels, key)} {_number(value)}"
                for key, value in self._numbers[family.name].items()
            ]
        lines = []
        for key, spread in self._spreads.get(family.name, {}).items():
            names = (*family.labels, "le")
            lines += [
                f"{family.name}_bucket{_labels(names, (*key, _number(edge)))} {count}" for edge, count in spread.ladder
            ]
            labels = _labels(family.labels, key)
            lines.append(f"{family.name}_sum{labels} {_number(spread.total)}")
            lines.append(f"{family.name}_count{labels} {spread.ladder[-1][1]}")
        return lines


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = ",".join(f'{name}="{_quoted(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', '\\"')


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
