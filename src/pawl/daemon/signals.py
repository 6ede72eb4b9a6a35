"""Counting and measuring while pawld runs, and the answers that are read from what was counted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from pawl.daemon.surroundings import READ_EVERY_S, Fed, Surroundings
from pawl.engines.process import proc
from pawl.engines.process.instance import Instance
from pawl.errors import PawlError
from pawl.home import Home
from pawl.observe.attribution import Tenure
from pawl.observe.counting import Counting
from pawl.observe.gauges import Gauge, Processes, ProcessGauges, machine_gauges
from pawl.observe.paths import Known
from pawl.observe.records import Counted
from pawl.observe.signals import LoggedSignals
from pawl.observe.store import Progress, SignalStore
from pawl.observe.store.errors import Damaged
from pawl.proxy.slots import as_logged

_MEASURED_EVERY_S = 5.0
log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class Instances(Protocol):
    """Who knows what runs."""

    def all(self, app: str | None = None, *, process: str | None = None) -> list[Instance]: ...


class Signals:
    """The signal store of one home, with all that writes to it and reads from it.

    It is written to on the event loop, in pieces of some milliseconds; questions are answered on a thread of their own,
    for one over a month takes a tenth of a second.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.signals
        self._store = _opened(self._path)
        self._counting = Counting(self._store, home.log / "access.log")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="signals")
        self._read: SignalStore | None = None
        self._gauges = ProcessGauges()
        self._measured: list[Gauge] = []
        self._told_by_services: list[Gauge] = []
        self.fed = Fed()

    async def run(self, instances: Instances, surroundings: Surroundings) -> None:
        """Count and measure until cancelled; what cannot be stored is logged and left out."""
        tasks = [
            asyncio.ensure_future(self._counting.follow()), asyncio.ensure_future(self._read_services(surroundings)),
        ]  # fmt: skip
        try:
            while True:
                try:
                    self.note(instances.all(process="web"))
                    self._measure(instances.all())
                except (PawlError, OSError):
                    log.exception("signals cannot be stored")
                await asyncio.sleep(_MEASURED_EVERY_S)
        finally:
            for task in tasks:
                task.cancel()
            surroundings.close()

    async def _read_services(self, surroundings: Surroundings) -> None:
        while True:
            try:
                self._told_by_services = await surroundings.read()
                self._add_gauges(self._told_by_services)
            except (PawlError, OSError):
                log.exception("services cannot be read")
            await asyncio.sleep(READ_EVERY_S)

    def _add_gauges(self, gauges: list[Gauge]) -> None:
        self.fed.feed(gauges)
        if gauges:
            self._store.add_gauges(gauges, time.time())

    def note(self, web: Iterable[Instance]) -> None:
        """Note which release is behind which address; done before requests are sent there, so that none is nobody's.

        What cannot be written down is tried again: serving does not wait for counting.
        """
        try:
            self._note(web)
        except PawlError:
            log.exception("which release answers cannot be noted")

    def _note(self, web: Iterable[Instance]) -> None:
        before = self._store.attribution.currents()
        for instance in web:
            record = instance.record
            if not record.address:  # its place is held, and nothing of it runs yet
                continue
            self._store.instance_began(
                Tenure(as_logged(record.address), record.app, record.release, record.name, record.started_at)
            )
        if self._store.attribution.currents() != before:
            self._counting.instances_changed()

    def _measure(self, running: Sequence[Instance]) -> None:
        alive = [instance for instance in running if instance.is_alive]
        web = {as_logged(instance.record.address) for instance in alive if instance.is_web}
        now = time.time()
        self._store.instances_are(web, now)
        gauges = self._gauges.read(
            [
                Processes(one.record.app, one.record.release, one.record.name, tuple(proc.tree(one.record.pid)))
                for one in alive
            ],
            monotonic_s=time.monotonic(),
        )
        for one in alive:
            of = (one.record.app, one.record.release, one.record.name)
            gauges.append(Gauge("restarts", one.record.restarts, *of))
            if one.is_web:
                gauges.append(Gauge("in_flight", proc.connections(one.record.address), *of))
        self._measured = [*gauges, *machine_gauges()]
        self._add_gauges(self._measured)

    @property
    def readings(self) -> list[Gauge]:
        """What was read last of instances, the machine and services."""
        return [*self._measured, *self._told_by_services]

    @property
    def trouble(self) -> PawlError | None:
        """Why nothing is being counted just now."""
        return self._counting.trouble

    def progress(self) -> Progress:
        """What was counted ever.

        Raises:
            StateError: the store cannot be read.
        """
        return self._counting.counted()

    def on_counted(self, follower: Callable[[Counted, Mapping[str, Known], int], None]) -> None:
        """Have ``follower`` told of each piece of the log once it is stored: see :class:`Counting`."""
        self._counting.on_counted = follower

    async def ask(self, question: Callable[[LoggedSignals], Answer]) -> Answer:
        """The answer to a question about what was counted, worked out on the reading thread.

        Raises:
            StateError: the store cannot be read; and what the question itself raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._reader, self._answer, question)

    def _answer(self, question: Callable[[LoggedSignals], Answer]) -> Answer:
        if self._read is None:
            self._read = SignalStore(self._path)
        with self._read.snapshot():
            return question(LoggedSignals(self._read, lambda: self._counting.trouble))

    def close(self) -> None:
        """Count what the log holds by now and let go of the files."""
        try:
            self._counting.catch_up()
        except PawlError:
            log.exception("the last requests are counted by the next pawld")
        self._reader.shutdown(cancel_futures=True)
        self._counting.close()
        self._store.close()


def _opened(path: Path) -> SignalStore:
    """The store; a damaged one is set aside, for the site is to come up and the access log still has the last days."""
    try:
        return SignalStore(path)
    except Damaged as error:
        log.error("%s: %s; a new one is begun", error.what, error.why)
        for part in path.parent.glob(f"{path.name}*"):
            if ".damaged" not in part.name:
                part.rename(part.with_name(f"{part.name}.damaged-{int(time.time())}"))
        return SignalStore(path)
