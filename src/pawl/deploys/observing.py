"""The watch over one deploy: looks at the counts and at the instances every second, and says what was seen."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec

from pawl.deploys import figures
from pawl.deploys.board import Board
from pawl.engines.base import Asked, Candidate, Condition
from pawl.errors import StateError
from pawl.ledger.observations import CheckAnswer, ExpectationAnswer, Observation
from pawl.observe import baseline as baselines
from pawl.observe.answers import Answer, evaluate
from pawl.observe.expectations import Expectation
from pawl.observe.judge.findings import Verdict, VerdictKind
from pawl.observe.judge.verdict import Judge
from pawl.observe.signals import SignalSource
from pawl.observe.watch import Watch

LOOK_EVERY_S = 1.0
_SHOWN_EVERY_S = 5.0
_UNHEALTHY_S = 2.5
_CLOCK_WAS_SET_S = 5.0
_CHECK_ATTEMPTS = 3
_CHECK_AGAIN_S = 2.0
BAD = (VerdictKind.ROLL_BACK, VerdictKind.HARD_FAIL)

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Signals(Protocol):
    """Where counts are asked for; a question runs on another thread."""

    async def ask(self, question: Callable[[SignalSource], Result]) -> Result: ...


class Observed(Protocol):
    """What is asked of the engine."""

    async def condition(self, candidate: Candidate) -> Condition: ...
    async def check(self, candidate: Candidate, path: str) -> Asked | None: ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a watch ended; ``is_cut`` when it was given up before its time."""

    verdict: Verdict
    observation: Observation
    is_cut: bool = False


class Observer:
    """Watches one candidate. ``old`` is what serves beside it or stands by warm, None if nothing does.

    ``hard_limit`` says which limit of its own it has passed, ``looped_before`` names the process types that died again
    and again already in the releases before. ``limits`` is asked at every showing for what is passed persistently
    around it: memory, connections, queues.
    """

    def __init__(
        self,
        candidate: Candidate,
        watch: Watch,
        *,
        old: Candidate | None,
        engine: Observed,
        signals: Signals,
        board: Board,
        expectations: Sequence[Expectation] = (),
        hard_limit: Callable[[], str] = lambda: "",
        looped_before: Collection[str] = (),
        limits: Callable[[], Sequence[str]] = tuple,
        subject: str = "",
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self.watch = watch
        self._candidate = candidate
        self._old = old
        self._engine = engine
        self._signals = signals
        self._board = board
        self._expectations = tuple(expectations)
        self._hard_limit = hard_limit
        self._looped_before = looped_before
        self._limits = limits
        self._subject = subject or candidate.deploy
        self._look_every_s = look_every_s
        self._warnings: dict[str, None] = {}
        self._failed_probes = 0
        self._well_at = time.monotonic()
        self._clock: tuple[float, float] | None = None
        self._checks: list[CheckAnswer] = []
        self._checking: asyncio.Future[None] | None = None
        self.canary_percent: int | None = None

    @property
    def has_expectations(self) -> bool:
        """Whether its author said what the change is to do."""
        return bool(self._expectations)

    @property
    def is_checked(self) -> bool:
        """Whether nothing is waited for of the paths that were to be asked for."""
        return self._checking is None or self._checking.done()

    @property
    def checks(self) -> tuple[CheckAnswer, ...]:
        """What came of the paths that were asked for so far."""
        return tuple(self._checks)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was passed and condemns nothing."""
        return tuple(self._warnings)

    async def run(
        self, *, duration_s: float, elapsed_s: float = 0.0, is_cut: Callable[[Judge], bool] = lambda _judge: False,
        checks: Sequence[str] = (),
    ) -> Ending:  # fmt: skip
        """Watch until the time is up, the verdict is final, or ``is_cut`` says so; ``elapsed_s`` has passed already.

        Meanwhile the candidate is asked for each of the paths ``checks``; the end waits for what comes of them.
        """
        self._checks = []
        self._checking = asyncio.ensure_future(self._check(checks)) if checks else None
        try:
            return await self._look_on(duration_s, elapsed_s, is_cut)
        finally:
            if self._checking is not None:
                self._checking.cancel()

    async def _look_on(self, duration_s: float, elapsed_s: float, is_cut: Callable[[Judge], bool]) -> Ending:
        began = time.monotonic() - elapsed_s
        shown = -_SHOWN_EVERY_S
        self._well_at = time.monotonic()
        while True:
            now, elapsed_s = time.time(), time.monotonic() - began
            self._note_clock(now)
            await self._feed(now)
            await self._check_instances()
            judge = self.watch.judge
            is_over = judge.is_final or (elapsed_s >= duration_s and self.is_checked)
            is_given_up = not is_over and is_cut(judge)
            if is_over or is_given_up or elapsed_s - shown >= _SHOWN_EVERY_S:
                shown = elapsed_s
                observation = await self._observation(now, elapsed_s, duration_s, is_over=is_over)
                whole = msgspec.structs.replace(observation, path=figures.path(self.watch.path))
                self._board.post(self._subject, whole)
                if is_over or is_given_up:
                    return Ending(judge.verdict(is_over=True), whole, is_given_up)
            await asyncio.sleep(self._look_every_s)

    async def _feed(self, now: float) -> None:
        def step(source: SignalSource) -> None:
            self.watch.feed(source, now)
            self.watch.check_outage(source, now)

        try:
            await self._signals.ask(step)
        except StateError as error:
            log.warning("deploy %s is watched blindly: %s", self._candidate.deploy, error)

    async def _check_instances(self) -> None:
        judge = self.watch.judge
        if judge.is_final:
            return
        if passed := self._hard_limit():
            judge.fail(passed)
        condition = await self._engine.condition(self._candidate)
        looping = [name for name in condition.looping if name.partition(".")[0] not in self._looped_before]
        if looping:
            judge.fail(f"crash loop: {', '.join(looping)} dies again and again")
        if condition.healthy or not condition.instances:
            self._failed_probes, self._well_at = 0, time.monotonic()
            return
        self._failed_probes += 1
        unhealthy_s = time.monotonic() - self._well_at
        if self._failed_probes >= 2 and unhealthy_s >= _UNHEALTHY_S and not await self._is_old_ill():
            judge.fail(f"health lost: no instance was healthy for {unhealthy_s:.0f} s ({condition.why})")

    async def _check(self, paths: Sequence[str]) -> None:
        """Ask for each path; what fails condemns the candidate, unless it fails in the release before as well."""
        for path in paths:
            try:
                answer = await answered(self._engine, self._candidate, path)
            except Exception as error:
                log.exception("deploy %s: %s could not be asked for", self._candidate.deploy, path)
                self._warnings[f"a check could not be made: {path}: {error}"] = None
                continue
            if not answer.is_good and await self._fails_before(path):
                answer = msgspec.structs.replace(answer, fails_before=True)
                self._warnings[f"a check fails, as it does in the release before: {answer.why}"] = None
            elif not answer.is_good:
                self.watch.judge.fail(f"check failed: {answer.why}")
            self._checks.append(answer)

    @property
    def _other(self) -> Candidate | None:
        """The release before, unless it is the one that is watched."""
        return self._old if self._old is not None and self._old.deploy != self._candidate.deploy else None

    async def _fails_before(self, path: str) -> bool:
        """Whether the release before is up and gives no good answer either."""
        before = await self._engine.check(self._other, path) if self._other else None
        return before is not None and not before.is_good

    async def _is_old_ill(self) -> bool:
        """Whether the release before is up and no healthier: then the cause lies elsewhere."""
        if self._other is None:
            return False
        condition = await self._engine.condition(self._other)
        return condition.instances > 0 and not condition.healthy

    def _note_clock(self, now: float) -> None:
        steady = time.monotonic()
        if self._clock is not None:
            wall_s, steady_s = now - self._clock[0], steady - self._clock[1]
            if abs(wall_s - steady_s) > _CLOCK_WAS_SET_S:
                self.watch.stepped(now)
        self._clock = (now, steady)

    async def _observation(self, now: float, elapsed_s: float, duration_s: float, *, is_over: bool) -> Observation:
        self._warnings |= dict.fromkeys(self._limits())
        verdict = self.watch.judge.verdict(is_over=is_over)
        shown = figures.observation(
            verdict, self.watch.baseline, elapsed_s=elapsed_s, duration_s=duration_s, release=self._candidate.release,
            canary_percent=self.canary_percent, warnings=self.warnings, checks=self.checks,
        )  # fmt: skip
        try:
            look = await self._signals.ask(lambda source: self.watch.look(source, now, is_over=is_over))
            answers = await self._signals.ask(lambda source: self._answers(source, now))
        except StateError:
            return shown
        return figures.with_look(shown, look, answers, rate_before=self.watch.baseline.rate_per_s)

    def _answers(self, source: SignalSource, now: float) -> list[Answer]:
        return [self._answer(source, one, now) for one in self._expectations]

    def _answer(self, source: SignalSource, expectation: Expectation, now: float) -> Answer:
        watch, base = self.watch, self.watch.baseline.window
        began = watch.serves_alone_since or watch.began
        if expectation.is_of_processes:
            mine = source.gauges(watch.app, expectation.measure, began=began, ended=now, release=watch.release)
            theirs = source.gauges(
                watch.app, expectation.measure, began=base.began, ended=base.ended,
                release=self._old.release if self._old else None,
            )  # fmt: skip
            window = source.window(watch.app, began=began, ended=now, release=watch.release)
            return evaluate(expectation, window, None, _of(mine, expectation), _of(theirs, expectation))
        route = expectation.subject
        window = source.window(watch.app, began=began, ended=now, release=watch.release, route=route)
        before = baselines.total(
            source, watch.app, watch.baseline.releases, base.began, base.ended, route=route
        )  # fmt: skip
        return evaluate(expectation, window, before)


async def answered(engine: Observed, candidate: Candidate, path: str) -> CheckAnswer:
    """What comes of asking a release for a path: the first good answer, or the last of three within half a minute."""
    why = ""
    for attempt in range(_CHECK_ATTEMPTS):
        if attempt:
            await asyncio.sleep(_CHECK_AGAIN_S)
        found = await engine.check(candidate, path)
        if found is not None and found.is_good:
            return CheckAnswer(path=path, is_good=True, why=found.text)
        why = found.text if found else f"no web instance to ask for {path}"
    return CheckAnswer(path=path, is_good=False, why=why)


def required_misses(observation: Observation) -> list[ExpectationAnswer]:
    """The expectations marked ``Require`` that were not met."""
    return [one for one in observation.expectations if one.is_required and one.outcome == "not met"]


def _of(readings: Mapping[str, Result], expectation: Expectation) -> dict[str, Result]:
    """The readings of the instances of the process type that the expectation names."""
    wanted = expectation.subject
    return {name: one for name, one in readings.items() if wanted is None or name.startswith(f"{wanted}.")}
