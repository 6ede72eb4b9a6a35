"""Which deploys are watched, against what, and what is done about what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pawl.deploys import figures, keeping, precedents
from pawl.deploys.board import Board
from pawl.deploys.observing import BAD, Ending, Observed, Observer, Signals, answered, required_misses
from pawl.engines.base import Candidate, Observe
from pawl.errors import PawlError, UsageError
from pawl.ledger.base import Ledger
from pawl.ledger.events import (
    KeepAsked,
    MigrationsFound,
    RestoredWatched,
    VerdictReached,
)
from pawl.ledger.observations import Observation
from pawl.ledger.records import AppView, DeployView
from pawl.model import DeployKind, Live, Outcome, Stage
from pawl.observe import expectations
from pawl.observe.baseline import Baseline, of_live
from pawl.observe.judge.findings import VerdictKind
from pawl.observe.judge.threshold import log_threshold
from pawl.observe.judge.verdict import Judge
from pawl.observe.watch import Watch

_RESTORED_S = 120.0
_BAD = {str(kind) for kind in BAD}


class WatchedEngine(Observed, Protocol):
    """What is asked of the engine."""

    def observe(self, app: str, release: str) -> Observe: ...
    def checks(self, app: str, release: str) -> Sequence[str]: ...
    def has_release(self, app: str, release: str) -> bool: ...
    async def share(self, candidate: Candidate, percent: int) -> None: ...


class Guard:
    """Watches the deploys of one pawld. ``limits`` makes what is asked for hard limits of an app's surroundings."""

    def __init__(
        self,
        ledger: Ledger,
        engine: WatchedEngine,
        signals: Signals,
        board: Board,
        *,
        limits: Callable[[str], Callable[[], Sequence[str]]] = lambda _app: tuple,
        look_every_s: float = 1.0,
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._signals = signals
        self._board = board
        self._limits = limits
        self._look_every_s = look_every_s
        self._observers: dict[str, Observer] = {}
        self._unwanted: set[str] = set()
        self._ruled: set[str] = set()

    # What the story asks

    def has_canary(self, deploy: DeployView) -> bool:
        """Whether the candidate is to serve a part of the requests first: configured, and there is an old release."""
        config = self._config(deploy)
        return bool(config and config.canary and self._old(deploy) is not None)

    async def canary(self, deploy: DeployView, candidate: Candidate) -> VerdictReached | None:
        """Let the candidate serve its shares, step by step; the verdict where it is to go no further."""
        config, old = self._config(deploy), self._old(deploy)
        assert config is not None
        assert old is not None
        if self._is_kept(deploy):
            return None
        observer = await self._observer(
            deploy,
            candidate,
            old,
            began=precedents.began(self._ledger, deploy, Stage.CANARY),
            duration_s=config.duration_s,
            has_arms=True,
        )
        self._observers[deploy.id] = observer
        if self._too_little(observer, config):
            return None
        steps = config.canary
        for number, percent in enumerate(steps, start=1):
            await self._engine.share(candidate, percent)
            observer.canary_percent = percent
            elapsed_s = (number - 1) * config.canary_step_s
            ending = await observer.run(
                duration_s=number * config.canary_step_s, elapsed_s=elapsed_s,
                is_cut=lambda judge: self._is_step_cut(deploy, judge),
            )  # fmt: skip
            is_kept = self._is_kept(deploy)
            if ending.verdict.kind in BAD and not is_kept:
                return self._ruling(deploy, ending, config, old, Stage.CANARY)
            if deploy.id in self._unwanted:
                why = f"withdrawn by hand after {ending.observation.elapsed_s:.0f} s: {ending.observation.why}"
                seen = msgspec.structs.replace(ending.observation, why=why)
                return VerdictReached(observation=seen, acts=True, stage=Stage.CANARY)
            if is_kept:
                break
        observer.canary_percent = None
        return None

    async def observe(self, deploy: DeployView, candidate: Candidate) -> VerdictReached | str:
        """Watch the candidate since it serves all requests; the verdict, or why it was not watched."""
        config = self._config(deploy)
        if config is None:
            return "not watched"
        checks = self._engine.checks(deploy.app, deploy.release)
        old = self._old(deploy)
        if old is None:
            return await self._first(candidate, checks)
        if (old.release, old.settings) == (candidate.release, candidate.settings):
            return "the same release as before"
        switched = precedents.began(self._ledger, deploy, Stage.SWITCHED)
        observer = self._observers.get(deploy.id)
        if observer is None:
            has_canary = config.canary and any(item.stage is Stage.CANARY for item in deploy.stages)
            began = precedents.began(self._ledger, deploy, Stage.CANARY) if has_canary else switched
            observer = await self._observer(
                deploy, candidate, old, began=began, duration_s=config.duration_s, has_arms=bool(has_canary)
            )
        observer.watch.switched(switched)

        def is_cut(judge: Judge) -> bool:
            return self._is_cut(deploy, judge, is_checked=observer.is_checked)

        if blind := observer.watch.ailing or self._too_little(observer, config):
            ending = await observer.run(duration_s=0.0, is_cut=is_cut, checks=checks) if checks else None
            if ending is None or ending.verdict.kind not in BAD:
                ending = self._nothing_seen(observer, blind, config)
        else:
            passed_s = min(max(0.0, time.time() - switched), config.duration_s)
            ending = await observer.run(
                duration_s=config.duration_s, elapsed_s=passed_s, is_cut=is_cut, checks=checks
            )  # fmt: skip
        return self._ruling(deploy, ending, config, old, Stage.OBSERVED)

    async def _first(self, candidate: Candidate, checks: Sequence[str]) -> str:
        """Why the first change of an app is not watched, and which checks it fails: there is no way back from it."""
        answers = [await answered(self._engine, candidate, path) for path in checks]
        failed = [f"check failed: {one.why}" for one in answers if not one.is_good]
        return "; ".join(["nothing was live before", *failed])

    def forget(self, deploy: str) -> None:
        """The deploy has ended."""
        self._observers.pop(deploy, None)
        self._unwanted.discard(deploy)
        self._ruled.discard(deploy)
        self._board.clear(deploy)

    def way_back(self, deploy: DeployView) -> Candidate | None:
        """What the deploy is taken back to; None if there is nothing."""
        old = self._old(deploy)
        if old is None or not self._engine.has_release(deploy.app, old.release):
            return None
        return _candidate(deploy.app, old, self._ledger.app(deploy.app))

    # After a change was taken back

    def is_restored_unwatched(self, deploy: DeployView) -> bool:
        """Whether the release that was restored is still to be watched."""
        return (
            deploy.outcome is Outcome.ROLLED_BACK
            and precedents.switched_back_at(self._ledger, deploy) is not None
            and not self._ledger.events(deploy=deploy.id, kinds={"restored_watched"}, limit=1)
        )

    async def watch_restored(self, deploy: DeployView) -> None:
        """Watch what a change was taken back to by the same test; if it is as bad, the cause was elsewhere."""
        back_at = precedents.switched_back_at(self._ledger, deploy)
        view = self._ledger.app(deploy.app)
        if back_at is None or view is None or view.live is None:
            return
        live = view.live
        restored = _candidate(deploy.app, live, view)
        baseline = await self._baseline(deploy, live, before=precedents.before(self._ledger, deploy))
        watch = Watch(deploy.app, live.release, baseline, began=back_at, duration_s=_RESTORED_S)
        observer = Observer(
            restored, watch, old=None, engine=self._engine,
            signals=self._signals, board=self._board, subject=f"{deploy.id}:restored", look_every_s=self._look_every_s,
        )  # fmt: skip

        def is_cut(judge: Judge) -> bool:
            now = self._ledger.app(deploy.app)
            has_moved = now is None or now.live is None or now.live.since != live.since
            return has_moved or (observer.is_checked and judge.verdict().kind is VerdictKind.KEEP)

        passed_s = min(max(0.0, time.time() - back_at), _RESTORED_S)
        failed = precedents.failed_checks(self._ledger, deploy)
        ending = await observer.run(duration_s=_RESTORED_S, elapsed_s=passed_s, is_cut=is_cut, checks=failed)
        self._board.clear(f"{deploy.id}:restored")
        self._ledger.append(
            RestoredWatched(observation=ending.observation, is_cause_elsewhere=ending.verdict.kind in BAD),
            app=deploy.app, deploy=deploy.id,
        )  # fmt: skip

    # Who, against what

    def _config(self, deploy: DeployView) -> Observe | None:
        """How the deploy is watched; None if it is not."""
        if deploy.kind is not DeployKind.DEPLOY or not deploy.options.observe:
            return None
        try:
            config = self._engine.observe(deploy.app, deploy.release)
        except PawlError:
            return None
        return None if config.mode == "off" else config

    def _old(self, deploy: DeployView) -> Live | None:
        """What was live before the deploy: what is live as long as that is not the deploy itself."""
        view = self._ledger.app(deploy.app)
        if view is None or view.live is None:
            return None
        if view.live.deploy != deploy.id:
            return view.live
        return view.previous[0] if view.previous else None

    async def _observer(
        self, deploy: DeployView, candidate: Candidate, old: Live, *, began: float, duration_s: float, has_arms: bool
    ) -> Observer:
        baseline = await self._baseline(deploy, old, before=began)
        watch = Watch(
            deploy.app, candidate.release, baseline, began=began,
            arms=[old.release] if has_arms and old.release != candidate.release else [], duration_s=duration_s,
        )  # fmt: skip
        return Observer(
            candidate, watch, old=_candidate(deploy.app, old, self._ledger.app(deploy.app)), engine=self._engine,
            signals=self._signals, board=self._board,
            expectations=[expectations.written(text) for text in deploy.options.expect],
            hard_limit=lambda: precedents.memory_passed(self._ledger, deploy.app, candidate.release, began),
            looped_before=precedents.looped_before(self._ledger, deploy.app, candidate.release, began),
            limits=self._limits(deploy.app),
            look_every_s=self._look_every_s,
        )  # fmt: skip

    async def _baseline(self, deploy: DeployView, old: Live, *, before: float) -> Baseline:
        earlier = self._earlier(deploy, old)
        return await self._signals.ask(lambda source: of_live(source, deploy.app, old.release, earlier, before=before))

    def _earlier(self, deploy: DeployView, old: Live) -> list[str]:
        """Releases that were kept before, newest first, without those whose watch said otherwise."""
        bad = precedents.condemned(self._ledger, deploy.app)
        kept = [
            item.release
            for item in self._ledger.deploys(deploy.app, limit=100)
            if item.outcome is Outcome.KEPT and item.id not in bad and item.release not in (deploy.release, old.release)
        ]
        return list(dict.fromkeys(kept))

    def _too_little(self, observer: Observer, config: Observe) -> str:
        """Why a watch would see nothing; empty if it may see something or somebody expects something."""
        baseline = observer.watch.baseline
        if observer.watch.judge.requests or observer.has_expectations:
            return ""
        if not baseline.requests:
            return "no requests before this change to compare with"
        if baseline.detectable(config.duration_s, log_threshold=log_threshold()) is None:
            expected = int(baseline.rate_per_s * config.duration_s)
            return f"too little traffic to see anything: about {expected} requests in {config.duration_s:g} s"
        return ""

    def _nothing_seen(self, observer: Observer, why: str, config: Observe) -> Ending:
        verdict = observer.watch.judge.verdict(is_over=True)
        shown = figures.observation(
            verdict, observer.watch.baseline, elapsed_s=0.0, duration_s=config.duration_s,
            release=observer.watch.release, warnings=observer.warnings, checks=observer.checks,
        )  # fmt: skip
        kind = VerdictKind.INCONCLUSIVE
        path = figures.path(observer.watch.path)
        return Ending(verdict, msgspec.structs.replace(shown, verdict=str(kind), why=why, path=path))

    # Cutting short

    def withdraw(self, deploy: str) -> None:
        """Somebody does not want to see more of a canary."""
        self._unwanted.add(deploy)

    def keep(self, deploy: str, *, by: str) -> None:
        """End the watch over a change and keep it, whatever was seen of it: ``by`` has decided so.

        A canary goes on to the switch. Idempotent while the watch lasts.

        Raises:
            UsageError: there is no such deploy, or it is not being watched.
        """
        view = self._ledger.deploy(deploy)
        if view is None:
            raise UsageError(f"no deploy '{deploy[:40]}'", next_step="see: pawl deploys APP")
        keeping.check_open(self._ledger, view)
        if deploy in self._ruled or deploy in self._unwanted:
            raise keeping.ended(deploy)
        if self._config(view) is None or self._old(view) is None:
            raise UsageError(
                f"deploy '{deploy}' is not watched, so there is nothing to decide",
                next_step=f"see: pawl watch {deploy}",
            )
        if not self._is_kept(view):
            self._ledger.append(KeepAsked(by=by), app=view.app, deploy=deploy)

    def _is_kept(self, deploy: DeployView) -> bool:
        return keeping.wish(self._ledger, deploy.id) is not None

    def _is_cut(self, deploy: DeployView, judge: Judge, *, is_checked: bool) -> bool:
        """A watch is given up when somebody keeps the change, for a rollback or new settings at once, for the next
        deploy once it is shown good and its checks have been answered.
        """
        if self._is_kept(deploy):
            return True
        waiting = precedents.waiting(self._ledger, deploy)
        if waiting is None:
            return False
        if waiting.kind is not DeployKind.DEPLOY:
            return True
        return is_checked and judge.verdict().kind is VerdictKind.KEEP

    def _is_step_cut(self, deploy: DeployView, judge: Judge) -> bool:
        """A step of a canary is given up when somebody has decided, and for the next deploy once it is shown good."""
        if deploy.id in self._unwanted or self._is_kept(deploy):
            return True
        waiting = precedents.waiting(self._ledger, deploy)
        return waiting is not None and judge.verdict().kind is VerdictKind.KEEP

    # The ruling

    def _ruling(self, deploy: DeployView, ending: Ending, config: Observe, old: Live, stage: Stage) -> VerdictReached:
        shown = ending.observation
        if (wish := keeping.wish(self._ledger, deploy.id)) is not None:
            note = keeping.note(wish, began=precedents.before(self._ledger, deploy), seen=shown.why)
            return self._ruled_so(deploy, shown, stage, acts=False, note=note)
        misses = [] if ending.is_cut else required_misses(shown)
        if misses and shown.verdict not in _BAD:
            why = f"required and not met: {misses[0].text} ({misses[0].why})"
            shown = msgspec.structs.replace(shown, verdict=str(VerdictKind.ROLL_BACK), why=why)
        if ending.is_cut:
            waiting = precedents.waiting(self._ledger, deploy)
            by = f" by {waiting.kind} {waiting.id}" if waiting else ""
            shown = msgspec.structs.replace(shown, why=f"cut short{by} after {shown.elapsed_s:.0f} s: {shown.why}")
        if shown.verdict not in _BAD:
            return self._ruled_so(deploy, shown, stage, acts=False)
        note = self._why_not(deploy, config, old, stage)
        return self._ruled_so(deploy, shown, stage, acts=not note, note=note)

    def _ruled_so(
        self, deploy: DeployView, shown: Observation, stage: Stage, *, acts: bool, note: str = ""
    ) -> VerdictReached:
        """The verdict; from here on nobody can keep the change by hand, but for a canary that goes on."""
        if acts or stage is Stage.OBSERVED:
            self._ruled.add(deploy.id)
        return VerdictReached(observation=shown, acts=acts, note=note, stage=stage)

    def _why_not(self, deploy: DeployView, config: Observe, old: Live, stage: Stage) -> str:
        """Why a change that was seen to do harm is not taken back all the same; empty if it is."""
        if config.mode == "observe":
            return 'mode = "observe": what is seen is said, and nothing done'
        if stage is Stage.CANARY:
            return ""  # nothing has moved yet, so not going on is always right
        if config.mode == "ask":
            return f'mode = "ask": to take it back: pawl rollback {deploy.app}'
        if not self._engine.has_release(deploy.app, old.release):
            return f"release {old.release} is not on this machine any more"
        if old.deploy in precedents.condemned(self._ledger, deploy.app):
            return f"release {old.release}, the one before, failed its own watch"
        again = precedents.taken_back(self._ledger, deploy)
        if again is not None:
            return f"it was taken back once already, by deploy {again.id}, and somebody has deployed it again"
        return self._migration_note(deploy)

    def _migration_note(self, deploy: DeployView) -> str:
        found = self._ledger.events(deploy=deploy.id, kinds={"migrations_found"}, newest_first=True, limit=1)
        blocking = [line for item in found if isinstance(item.event, MigrationsFound) for line in item.event.blocking]
        if not blocking:
            return ""
        return f"its migrations cannot be gone back past: {blocking[0]}"


def _candidate(app: str, live: Live, view: AppView | None) -> Candidate:
    return Candidate(
        app=app, deploy=live.deploy, release=live.release, settings=live.settings, counts=view.scale if view else {}
    )
