"""The span that graphs are asked for: one of the usual ones until now, or any from when to when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from pawl.errors import UsageError
from pawl.observe.store.schema import DAY_S, HOUR_S, LEVELS

USUAL: dict[str, int] = {"1h": HOUR_S, "24h": DAY_S, "7d": 7 * DAY_S, "30d": 30 * DAY_S}
MOST_STEPS = 180

_STEPS_S = (5, 15, 30, 60, 120, 300, 600, 1200, 1800, HOUR_S, 2 * HOUR_S, 3 * HOUR_S, 6 * HOUR_S, 12 * HOUR_S,
            DAY_S, 2 * DAY_S, 7 * DAY_S)  # fmt: skip
_BY_THE_HOUR_S = 2 * DAY_S
"""A longer span is told by the hour: minutes would be four times as much to read, and nobody could see them."""
_LEAST_S = 60
_KEPT_S = LEVELS[-1].kept_s
_MARGIN_S = 60.0  # the store's clock is not the page's
_EXAMPLE = "write /apps/APP?from=2026-02-02T14:00&to=2026-02-02T15:00"


@dataclass(frozen=True, slots=True)
class Span:
    """From ``began`` to ``ended`` (Unix time) in steps of ``step_s``; the last step is cut short where now is.

    ``name`` is one of ``USUAL``, or empty for a span of its own.
    """

    began: int
    ended: float
    step_s: int
    name: str = ""

    @classmethod
    def of(
        cls, query: Mapping[str, str], now: float, *, zone: tzinfo | None = UTC, usual: str = "24h"
    ) -> Span:  # fmt: skip
        """The span that ``span=24h``, or ``from=`` and ``to=``, ask for; ``usual`` if nothing is asked.

        Times are Unix seconds or ISO 8601; those without an offset are of ``zone`` (None: the machine's own). Begin
        and end are widened to whole steps, at most until now.

        Raises:
            UsageError: no such span, no such time, or nothing was kept of it.
        """
        name = query.get("span", "")
        began, ended = (_time(query.get(key, ""), key, zone) for key in ("from", "to"))
        if began is None and ended is None:
            name = name or usual
            if name not in USUAL:
                raise UsageError(f"there is no span '{name[:40]}'", next_step=f"choose one of {', '.join(USUAL)}")
            return cls._rounded(now - USUAL[name], now, now, name=name)
        if began is None:
            raise UsageError("the span has no beginning", next_step=_EXAMPLE)
        ended = now if ended is None else min(ended, now)
        _check(began, ended, now)
        return cls._rounded(max(began, now - _KEPT_S), ended, now)

    @classmethod
    def _rounded(cls, began: float, ended: float, now: float, *, name: str = "") -> Span:
        if ended - began < _LEAST_S:
            began = ended - _LEAST_S
        finest_s, step_s = _finest(began, now), 0
        while not step_s or step_s % finest_s:  # the whole of the first step may begin where less is kept
            step_s = _step(ended - began, finest_s)
            first = int(began // step_s * step_s)
            finest_s = _finest(first, now)
        return cls(first, min(-(-ended // step_s) * step_s, now), step_s, name)

    @property
    def steps(self) -> int:
        """How many there are, the one cut short among them."""
        return -int(-(self.ended - self.began) // self.step_s)

    @property
    def until(self) -> int:
        """When the last step would end if it was not cut short."""
        return self.began + self.steps * self.step_s

    @property
    def query(self) -> str:
        """What asks for this span, as the query of an address."""
        return f"span={self.name}" if self.name else f"from={self.began}&to={math.ceil(self.ended)}"


def _step(span_s: float, finest_s: int) -> int:
    """The narrowest step that makes no more than ``MOST_STEPS`` of a span.

    >>> [_step(span_s, 60) for span_s in (3600, 86_400, 7 * 86_400, 30 * 86_400)]
    [60, 600, 3600, 21600]
    """
    finest_s = max(finest_s, HOUR_S if span_s > _BY_THE_HOUR_S else 0)
    fitting = [one for one in _STEPS_S if one % finest_s == 0]
    return next((one for one in fitting if span_s <= one * MOST_STEPS), fitting[-1])


def _finest(began: float, now: float) -> int:
    kept = [level.width_s for level in LEVELS if began >= level.floor(now - level.kept_s) + _MARGIN_S]
    return kept[0] if kept else LEVELS[-1].width_s


def _time(text: str, name: str, zone: tzinfo | None) -> float | None:
    """Unix seconds of a time that is written in either way; None for none."""
    if not text:
        return None
    try:
        at = float(text)
    except ValueError:
        at = _iso(text, zone)
    if not 0 <= at < 253_402_300_800:  # the year 10000; also what is no number
        raise UsageError(f"'{text[:40]}' is not a time: {name}", next_step=_EXAMPLE)
    return at


def _iso(text: str, zone: tzinfo | None) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        return math.nan


def _check(began: float, ended: float, now: float) -> None:
    if began >= now:
        raise UsageError("the span begins in the future", next_step="choose one that has begun")
    if began >= ended:
        raise UsageError("the span ends before it begins", next_step="swap its two times")
    if ended <= now - _KEPT_S:
        raise UsageError("the span is over for too long", why=f"signals are kept for {_KEPT_S // DAY_S} days")
