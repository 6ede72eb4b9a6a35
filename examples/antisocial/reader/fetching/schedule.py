"""When a feed is fetched next. Pure functions: the chance is handed in, a number from 0 to below 1."""

from __future__ import annotations

DAY_S = 86_400
LEAST_S = 900
# A server may ask for less, but a feed that says "once a year" is still asked once a day.
MOST_ASKED_S = DAY_S
MOST_WAIT_S = 7 * DAY_S
SKEW = 0.1

_PERIODS = {"hourly": 3600, "daily": DAY_S, "weekly": 7 * DAY_S, "monthly": 30 * DAY_S, "yearly": 365 * DAY_S}


def interval_s(*, every_s: int, ttl_s: int = 0, max_age_s: int = 0) -> int:
    """The seconds between two fetches: the most that we, the feed and its server want, 15 minutes to a day.

    >>> interval_s(every_s=60)
    900
    >>> interval_s(every_s=900, ttl_s=3600, max_age_s=1800)
    3600
    """
    return max(LEAST_S, every_s, min(max(ttl_s, max_age_s), MOST_ASKED_S))


def update_period_s(period: str, frequency: str) -> int:
    """What ``sy:updatePeriod`` and ``sy:updateFrequency`` ask for; 0 if nothing.

    >>> update_period_s("daily", "4")
    21600
    """
    times = int(frequency) if frequency.isdecimal() and len(frequency) < 5 else 1
    return _PERIODS.get(period.strip().lower(), 0) // max(times, 1)


def delay_s(interval: int, *, failures: int, chance: float, is_first: bool = False) -> int:
    """The seconds until the next fetch: longer by a little chance, and doubled with each failure up to a day.

    What was subscribed to together is spread over a whole interval after its first fetch, and drifts apart from then
    on: never is all of it due at once.

    >>> [delay_s(900, failures=n, chance=0) for n in (0, 1, 2, 10)]
    [900, 1800, 3600, 86400]
    >>> delay_s(900, failures=0, chance=0.5, is_first=True)
    1350
    """
    base = interval if failures == 0 else max(interval, min(interval * 2 ** min(failures, 10), DAY_S))
    return round(base * (1 + chance * (1 if is_first else SKEW)))
