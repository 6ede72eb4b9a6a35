"""How many requests it takes to catch what broke, beside the fewest in which any test could.

1,000 broken deploys of each kind: errors rise from 0.5 % to the share named, a baseline of 20,000 requests is drawn for
each, latency stays as it was, and the watch goes on until the change is taken back. Mean requests are divided by the
bound ln(1/alpha) / KL(p, 0.5 %), which knows the base and the new share and sees each request singly.

*The evidence alone* is the judge's own mixture over the same references, asked after each request, with no cap on what
a bucket may add: what not knowing the base, the share and the signal costs. *The judge* looks every 5 s and guards
against bursts: no two looks suffice, whatever is in them. So three looks are its floor, 15 s of requests, given as the
ratio below which no deploy can come at that rate.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import statistics
from dataclasses import dataclass

from bench.report import Result, Target, median, share_point
from bench.simulated import BASE, BASELINE_REQUESTS, BUCKET_S, Lines, binomial, slow_shares, stationary
from pawl.observe.judge.evidence import Evidence
from pawl.observe.judge.latency import SlowLine
from pawl.observe.judge.power import information_bound
from pawl.observe.judge.reference import Reference, reference
from pawl.observe.judge.threshold import log_threshold
from pawl.observe.judge.verdict import MAIN_WEIGHT, Judge

BROKEN = (0.02, 0.05, 0.2, 1.0)
RATES = (1, 5, 20, 100)
DEPLOYS = 1_000
_LEAST_LOOKS = 3
_LONGEST_LOOKS = 3600
_LONGEST_REQUESTS = 40_000
_PARTS = {"errors": MAIN_WEIGHT, "slow50": (1 - MAIN_WEIGHT) / 2, "slow95": (1 - MAIN_WEIGHT) / 2}


@dataclass(frozen=True)
class Caught:
    """After how many requests and looks each of the deploys that were caught was taken back."""

    share: float
    rate: int | None
    requests: list[int]
    looks: list[int]

    @property
    def ratio(self) -> float:
        return statistics.fmean(self.requests) / information_bound(self.share, BASE)

    @property
    def half_width(self) -> float:
        """Of the ratio's 95 % interval."""
        spread = statistics.stdev(self.requests) / math.sqrt(len(self.requests))
        return 1.96 * spread / information_bound(self.share, BASE)


def _baseline(rng: random.Random, lines: Lines) -> dict[str, Reference]:
    """What a drawn baseline says of the three signals."""
    slow = [share * BASELINE_REQUESTS for share in slow_shares(lines, 0.0)]
    return {
        "errors": reference(BASELINE_REQUESTS, binomial(rng, BASELINE_REQUESTS, BASE)),
        "slow50": SlowLine(1.0, BASELINE_REQUESTS, BASELINE_REQUESTS // 2, round(slow[0])).reference(),
        "slow95": SlowLine(1.0, BASELINE_REQUESTS, BASELINE_REQUESTS // 20, round(slow[1])).reference(),
    }


def judged(task: tuple[float, int]) -> Caught:
    """Broken deploys before the judge as it runs."""
    share, rate = task
    rng = random.Random(f"broken {share} {rate}")
    requests, looks = [], []
    for _ in range(DEPLOYS):
        lines = Lines.drawn(rng, BASELINE_REQUESTS)
        judge, stream = Judge(_baseline(rng, lines)), stationary(rng, rate, lines, error_share=share)
        while not judge.is_final and judge.buckets < _LONGEST_LOOKS:
            arrived, errors, slow50, slow95 = next(stream)
            judge.add(arrived, {"errors": errors, "slow50": slow50, "slow95": slow95})
        if judge.is_final:
            requests.append(judge.requests)
            looks.append(judge.buckets)
    return Caught(share, rate, requests, looks)


def alone(share: float) -> Caught:
    """Broken deploys before the evidence alone, asked after each request."""
    rng, needed = random.Random(f"alone {share}"), log_threshold()
    requests = []
    for _ in range(DEPLOYS):
        lines = Lines.drawn(rng, BASELINE_REQUESTS)
        half, tail = slow_shares(lines, 0.0)
        parts = [(_PARTS[name], Evidence(found.limit)) for name, found in _baseline(rng, lines).items()]
        errors, slow50, slow95 = (evidence for _, evidence in parts)
        for number in range(1, _LONGEST_REQUESTS):
            took = rng.random()
            errors.add(1, rng.random() < share)
            slow50.add(1, took < half)
            slow95.add(1, took < tail)
            if math.log(math.fsum(part * math.exp(one.log_e) for part, one in parts)) >= needed:
                requests.append(number)
                break
    return Caught(share, None, requests, [])


def measure() -> Result:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        running = pool.map_async(judged, [(share, rate) for rate in RATES for share in BROKEN], chunksize=1)
        by_itself = {one.share: one for one in pool.imap_unordered(alone, BROKEN)}
        by_judge = {(one.share, one.rate): one for one in running.get()}
    rows = [_row(by_itself[share], [by_judge[share, rate] for rate in RATES]) for share in BROKEN]
    headings = ["errors", "ln(1/α)/KL", "the evidence alone", *(f"the judge at {rate}/s" for rate in RATES)]
    targets = [
        _target("the evidence alone", by_itself[0.05]),
        _target("the judge at 1 request/s", by_judge[0.05, 1]),
    ]
    return Result(headings, rows, targets, _NOTES)


_NOTES = (
    "Mean requests until taken back, / ln(1/α)/KL with its 95 % interval, the floor of that; median / p90 of seconds.",
    "The floor is the guard's price, not the evidence's: from 20 requests/s on three looks hold more than it needs.",
    "At 5 requests/s the floor is low; there, too, what a look has beyond its cap is not counted: it may be one burst.",
)


def _row(by_itself: Caught, by_judge: list[Caught]) -> list[str]:
    bound = information_bound(by_itself.share, BASE)
    return [f"{by_itself.share:.0%}", f"{bound:.1f} requests", _cell(by_itself), *map(_cell, by_judge)]


def _cell(one: Caught) -> str:
    text = f"{statistics.fmean(one.requests):.0f}, ratio {_ratio(one)}"
    if one.rate is not None:
        floor = _LEAST_LOOKS * BUCKET_S * one.rate / information_bound(one.share, BASE)
        seconds = [float(looks * BUCKET_S) for looks in one.looks]
        text += f" (floor {floor:.2f}); {median(seconds):.0f} s / {share_point(seconds, 0.9):.0f} s"
    return text + ("" if len(one.requests) == DEPLOYS else f"; {len(one.requests) / DEPLOYS:.1%} caught")


def _ratio(one: Caught) -> str:
    return f"{one.ratio:.2f} ± {one.half_width:.2f}"


def _target(who: str, one: Caught) -> Target:
    what = f"requests to catch {one.share:.0%} errors over {BASE:.1%} / ln(1/α)/KL, {who}"
    return Target(what, _ratio(one), "≤ 2.0", one.ratio <= 2.0)
