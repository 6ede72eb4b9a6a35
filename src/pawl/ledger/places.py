"""All places of a team's database, as one of them sees them."""

from __future__ import annotations

from pawl.errors import StateError, UsageError
from pawl.ledger.base import Ledger


def everywhere(ledger: Ledger) -> tuple[list[Ledger], list[str]]:
    """The ledgers of all places of a team's database, this one's first, and the names of those that cannot be read.

    Machines are not all brought to a new version at once: what others wrote is told though one place cannot be.

    Raises:
        StateError: the database cannot be reached.
    """
    readable, unread = [], []
    for place in ledger.places():
        try:
            readable.append(ledger.at_place(place))
        except (StateError, UsageError):  # of another version; removed this moment
            unread.append(place)
    return readable, unread
