"""A fault that is put into counted requests, to see how soon the judge would catch it."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pawl.errors import UsageError
from pawl.observe.baseline import Counts, counts_of
from pawl.observe.tally import Tally

_ERRORS = re.compile(r"errors=(\d+(?:\.\d+)?|\.\d+) ?%")
_SLOW = re.compile(r"slow=(\d+(?:\.\d+)?|\.\d+) ?x")
_SLOWEST = 1000.0
_ONE_BY_ONE = 500.0  # expected events; above, a normal distribution cannot be told from a binomial one


@dataclass(frozen=True, slots=True)
class Injection:
    """What goes wrong: ``errors`` (0..1) of all requests fail in addition, or all take ``slow`` times as long.

    In addition: an app with 1 % of errors has 6 % with ``errors`` 0.05, as far as there are requests left to fail.
    """

    errors: float = 0.0
    slow: float = 1.0

    @classmethod
    def of(cls, text: str) -> Injection:
        """What ``errors=5%`` or ``slow=2x`` means.

        >>> Injection.of("errors=5%"), Injection.of("slow=1.5x")
        (Injection(errors=0.05, slow=1.0), Injection(errors=0.0, slow=1.5))

        Raises:
            UsageError: it is neither, or not above 0 % and at most 100 %, or not above 1x and at most 1000x.
        """
        if found := _ERRORS.fullmatch(text.strip()):
            share = float(found[1]) / 100
            if not 0 < share <= 1:
                raise UsageError(f"{found[1]} % of the requests cannot fail", next_step="write up to 100%: errors=5%")
            return cls(errors=share)
        if found := _SLOW.fullmatch(text.strip()):
            factor = float(found[1])
            if not 1 < factor <= _SLOWEST:
                raise UsageError(
                    f"{found[1]} times as long is not slower", next_step="write more than 1x, up to 1000x: slow=2x"
                )
            return cls(slow=factor)
        raise UsageError(f"'{text[:40]}' cannot be injected", next_step="write errors=5% or slow=2x")

    def counts(self, tally: Tally, known: Tally, lines: Mapping[str, float], chance: random.Random) -> Counts:
        """A bucket as the judge takes it, with the fault in it."""
        if self.slow != 1.0:
            tally = replace(tally, latencies=tally.latencies.scaled(self.slow))
        counts = counts_of(tally, known, lines)
        if not self.errors:
            return counts
        failed = counts.events["errors"] + binomial(chance, counts.requests, self.errors)
        return replace(counts, events={**counts.events, "errors": min(counts.requests, failed)})


def binomial(chance: random.Random, number: int, share: float) -> int:
    """How many of so many independent events of this share (0..1) happen.

    Exact below 500 expected, by drawing the gaps between events, which are geometric (Devroye 1986, Non-Uniform Random
    Variate Generation, X.4); above, the normal approximation, rounded.

    >>> binomial(random.Random(1), 100, 1.0), binomial(random.Random(1), 100, 0.0), binomial(random.Random(1), 0, 0.5)
    (100, 0, 0)
    """
    if share > 0.5:
        return number - binomial(chance, number, 1 - share)
    if not number or not share:
        return 0
    mean = number * share
    if mean > _ONE_BY_ONE:
        return min(number, max(0, round(chance.gauss(mean, math.sqrt(mean * (1 - share))))))
    log_other = math.log1p(-share)
    found = at = 0
    while (at := at + 1 + int(math.log(1.0 - chance.random()) / log_other)) <= number:
        found += 1
    return found
