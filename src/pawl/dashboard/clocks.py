"""Times as the person who looks reads them: in the zone of the browser, for a machine in ISO 8601."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup

from pawl.words import duration

LEAST_S = 5.0
"""What is younger than this is now."""


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

    def local(self, at: float) -> str:
        """A time to the minute, as a form's field holds it: without its zone."""
        return self._there(at).strftime("%Y-%m-%dT%H:%M")

    def ago(self, at: str | float | None) -> Markup:
        """How long ago; the page's script keeps it true."""
        return self._age(at, css="ago", suffix=" ago")

    def lasting(self, at: str | float | None) -> Markup:
        """How long it has lasted since; the page's script keeps it true."""
        return self._age(at, css="lasting", suffix="")

    def _age(self, at: str | float | None, *, css: str, suffix: str) -> Markup:
        if at is None or at == "":
            return Markup("")
        seconds = self.now - self._there(at).timestamp()
        return self._time(at, since(seconds) + suffix if seconds >= LEAST_S else "now" if suffix else "0 s", css=css)

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
    """A past span in its two largest units at the most, coarse so that it stays true for a while.

    >>> since(2), since(59), since(150), since(7300), since(200_000)
    ('0 s', '55 s', '2 min', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{int(seconds // 5 * 5)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    return duration(seconds)
