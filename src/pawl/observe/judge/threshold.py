"""How much evidence takes a change back: the promise, raised where the app's own history asks for more."""

from __future__ import annotations

import math
from collections.abc import Sequence


def log_threshold(alpha: float = 0.01, *, past: Sequence[float] = ()) -> float:
    """The log evidence at which a change is taken back.

    ``past`` are the largest log E of watches at times without a deploy (``pawl backtest``): where real traffic is
    burstier than any model, its own quantile takes the place of ln(1/alpha). An outage in that history raises it too,
    so leave such times out.

    Formula: max(ln(1/alpha), the ceil((1 - alpha)(m + 1))-th smallest of the m past values, the largest if m is too
    small). Assumes that the next watch is exchangeable with the past ones. Source: Vovk, Gammerman and Shafer 2005,
    Algorithmic Learning in a Random World (conformal quantile).

    >>> round(log_threshold(0.01), 3)
    4.605
    >>> log_threshold(0.2, past=[1.0, 2.0, 3.0, 9.0, 7.0, 2.0, 2.0, 1.0, 1.0, 0.0])
    7.0

    Nine of eleven ranks: (1 - 0.2) * 11 = 8.8, so the 9th smallest. Raises ValueError unless 0 < alpha < 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"a false-alarm rate lies between 0 and 1, not {alpha}")
    promised = math.log(1 / alpha)
    if not past:
        return promised
    rank = min(len(past), math.ceil((1 - alpha) * (len(past) + 1)))
    return max(promised, sorted(past)[rank - 1])
