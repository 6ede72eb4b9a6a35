"""Times as the person who looks reads them: in the zone of the browser, for a machine in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from pawl.words import duration


@lru_cache(64)
def zone(name: str | None) -> ZoneInfo | None:
    """The zone of this name; None where there is none, or none by that name: the machine's own is meant."""
    if not name or len(name) > 64:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


class Clock:
    """Shows times of one page; ``now`` is when it is rendered, ``where`` None the machine's zone."""

    def __init__(self, now: float, where: tzinfo | None) -> None:
        self.now = now
        self.where = where

    @property
    def name(self) -> str:
        """The zone as a person knows it: ``CET``, or ``+04:00`` where it has no letters."""
        name = self._there(self.now).strftime("%Z")
        return name if name.isalpha() else self._there(self.now).strftime("UTC%z")

    def moment(self, at: str | float | None) -> Markup:
        """A time to the second; the date only where it is not today's, the year only where it is not this one."""
        if at is None or at == "":
            return Markup("")
        there = self._there(at)
        today = self._there(self.now)
        text = there.strftime("%H:%M:%S")
        if there.date() != today.date():
            text = f"{there.day} {there.strftime('%b %Y' if there.year != today.year else '%b')} {text}"
        return self._time(at, text)

    def ago(self, at: str | float | None) -> Markup:
        """How long ago, in its two largest units; the page's script keeps it true."""
        if at is None or at == "":
            return Markup("")
        return self._time(at, since(self.now - self._there(at).timestamp()), css="ago")

    def _time(self, at: str | float, text: str, *, css: str = "") -> Markup:
        there = self._there(at)
        iso = there.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        full = there.strftime("%Y-%m-%d %H:%M:%S %Z")
        return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(
            iso, full, Markup(' class="{}"').format(css) if css else "", text
        )

    def _there(self, at: str | float) -> datetime:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else datetime.fromtimestamp(at, UTC)
        return moment.astimezone(self.where)


def since(seconds: float) -> str:
    """A past span in words, coarse so that it stays true for a while.

    >>> since(2), since(59), since(150), since(7300), since(200_000)
    ('now', '55 s', '2 min', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 5:
        return "now"
    if seconds < 60:
        return f"{int(seconds // 5 * 5)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    return duration(seconds)
