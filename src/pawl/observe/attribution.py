"""Which release answered: from the upstream's address in the access log to the instance that had it then."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

UNKNOWN = "unknown"
"""The release of a request that reached no instance, or one that nobody told Pawl about."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """An address, as the access log names it, and the instance that has it from ``began`` on (Unix time).

    ``ended`` is None while the instance runs; once set, the record is kept as long as lines of it may be unread.
    """

    address: str
    app: str
    release: str
    instance: str
    began: float
    ended: float | None = None


class Attribution:
    """The tenures of every address. In memory; the store keeps them and fills this when it is opened."""

    def __init__(self, tenures: Iterable[Tenure] = ()) -> None:
        self._of: defaultdict[str, list[Tenure]] = defaultdict(list)
        for tenure in tenures:
            self.add(tenure)

    def add(self, tenure: Tenure) -> None:
        """Take one in; a tenure of the same address and beginning is replaced."""
        others = [one for one in self._of[tenure.address] if one.began != tenure.began]
        self._of[tenure.address] = sorted([*others, tenure], key=lambda one: one.began)

    def current(self, address: str) -> Tenure | None:
        """The last tenure of an address, if it has not ended."""
        last = self._of[address][-1] if self._of.get(address) else None
        return last if last and last.ended is None else None

    def currents(self) -> list[Tenure]:
        """The tenures that have not ended."""
        return [tenure for address in list(self._of) if (tenure := self.current(address))]

    def release(self, app: str, address: str | None, at: float) -> str:
        """The release of the instance that had the address when a request to the app ended, else ``UNKNOWN``.

        That is the tenure begun last before ``at``. One that has ended still counts: while the slots name a dead
        instance, the proxy's "connection refused" is that release's failure. A request older than all tenures (the
        clock stepped back) is the first one's.
        """
        tenures = self._of.get(address) if address else None
        if not tenures:
            return UNKNOWN
        found = tenures[0]
        for tenure in tenures:
            if tenure.began <= at:
                found = tenure
        return found.release if found.app == app else UNKNOWN

    def is_reused(self, address: str | None) -> bool:
        """Whether the answer for this address depends on the time."""
        return address is not None and len(self._of.get(address, ())) > 1

    def forget(self, before: float) -> None:
        """Drop the tenures that ended before this time."""
        for address, tenures in list(self._of.items()):
            kept = [one for one in tenures if one.ended is None or one.ended >= before]
            if kept:
                self._of[address] = kept
            else:
                del self._of[address]
