"""Times as people type them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from pawl.errors import UsageError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def unix_time(text: str | None) -> float | None:
    """The moment meant: so long ago (``20m``), the last time that a clock here showed it (``10:40``), or ISO 8601.

    An ISO 8601 time without a zone is in UTC. None for None.

    Raises:
        UsageError: it is none of them.
    """
    if text is None:
        return None
    if match := _SPAN.fullmatch(text):
        return time.time() - float(match[1]) * _UNITS[match[2]]
    if match := _CLOCK.fullmatch(text):
        return _last_time_of(*(int(part or 0) for part in match.groups()))
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is not a time", next_step="write 30s, 10m, 2h, 1d, 10:40 or 2026-05-09T07:35:00Z"
        ) from None


def _last_time_of(hour: int, minute: int, second: int) -> float:
    """Today by this machine's clock, or yesterday if that is still to come."""
    now = datetime.fromtimestamp(time.time()).astimezone()
    today = now.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
    day = today if today.astimezone() <= now else today - timedelta(days=1)
    return day.astimezone().timestamp()
