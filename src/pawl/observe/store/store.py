"""The signal store of one pawld, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pawl.errors import StateError
from pawl.observe.attribution import Attribution, Tenure
from pawl.observe.gauges import Gauge, Reading
from pawl.observe.paths import OTHER, Known
from pawl.observe.records import Counted
from pawl.observe.store import names, rows, schema, steps
from pawl.observe.store.errors import translated
from pawl.observe.store.steps import Step
from pawl.observe.store.tidying import tidy
from pawl.observe.tail import Position
from pawl.observe.tally import NOTHING, Tally, decode, merged

_TENURES_KEPT_S = 30 * schema.DAY_S
_NOW = "UPDATE counters SET value = ? WHERE name = 'newest'"
_SEPARATOR = " "  # between a gauge's name and its instance; neither has blanks


@dataclass(frozen=True, slots=True)
class Progress:
    """What was counted ever: lines, and those that could not be read. ``newest`` is the time of what was stored last.

    That is the store's clock (Unix time, 0: nothing yet). It steps back when the log's does: it is no maximum, so that
    one wrong time cannot age everything else.
    """

    lines: int
    invalid: int
    newest: float


class SignalStore:
    """Counts by app, release and route, and gauges, in the file ``path``, made if it is not there.

    One thread, one process. All calls block: ``commit`` for some milliseconds, ``tidy`` for at most some ten, queries
    over 30 days for up to a hundred.

    Raises:
        StateError: (every call) the file is damaged, full, locked, of another program, or of a newer Pawl. Nothing of a
            call that raises is stored, and the store goes on working once the cause is gone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(path):
            self._db: sqlite3.Connection | None = schema.open_database(path)
            self._names = names.Names(self._db)
            self.attribution = Attribution(names.read_tenures(self._db))

    def close(self) -> None:
        """Let go of the file. Idempotent; every other call from then on raises StateError."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def checkpoint(self) -> None:
        """Move what was committed from the WAL into the file; waits for the disk. From any thread, any time, or never.

        It is the only thing here that waits for the disk, so pawld has another thread do it.
        """
        with translated(self._path), closing(sqlite3.connect(self._path, timeout=0)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def positions(self) -> list[Position]:
        """How far the log's files were read."""
        with self._reading() as db:
            return names.read_positions(db)

    def routes(self) -> dict[str, Known]:
        """The known routes of each app, as of the last commit."""
        with self._reading() as db:
            return names.read_routes(db)

    def progress(self) -> Progress:
        with self._reading() as db:
            counters = dict(db.execute("SELECT name, value FROM counters").fetchall())
            return Progress(counters["lines"], counters["invalid"], counters["newest"])

    def commit(
        self,
        counted: Counted,
        known: dict[str, Known],
        position: Position,
        inodes: Iterable[int] = (),
        *,
        too_long: int = 0,
    ) -> None:
        """Add what a piece of the log came to and the place it ends at, in one transaction: both or neither."""
        by_row: defaultdict[tuple[int, rows.Place], dict[int, Tally]] = defaultdict(dict)
        with self._transaction() as db:
            for key, tally in counted.tallies.items():
                app, release = self._names.number("app", key.app), self._names.number("release", key.release)
                by_row[key.began, rows.Place(app, schema.shard_of(key.route), release)][key.route] = tally
                total = by_row[key.began, rows.Place(app, schema.TOTAL, release)]
                total[0] = total.get(0, NOTHING) + tally
            for (began, place), tallies in sorted(by_row.items(), key=lambda item: item[0][0]):
                rows.add(db, 0, began, place, tallies)
            names.write_routes(db, known)
            names.write_position(db, position, inodes)
            db.execute("UPDATE counters SET value = value + ? WHERE name = 'lines'", (counted.lines,))
            db.execute("UPDATE counters SET value = value + ? WHERE name = 'invalid'", (counted.invalid + too_long,))
            if counted.newest:
                db.execute(_NOW, (counted.newest,))
        for routes in known.values():
            routes.changed.clear()

    def tidy(self, now: float | None = None) -> bool:
        """Roll up and remove one small piece; whether there may be more. ``now`` is the store's clock by default."""
        now = self.progress().newest if now is None else now
        with self._transaction() as db:
            names.remove_tenures(db, now - _TENURES_KEPT_S)
            is_more = tidy(db, now)
        self.attribution.forget(now - _TENURES_KEPT_S)
        return is_more

    def instance_began(self, tenure: Tenure) -> None:
        """Note that an instance has an address, before the proxy is told; idempotent while that instance has it."""
        current = self.attribution.current(tenure.address)
        if current and replace(current, began=tenure.began) == tenure:
            return
        with self._transaction() as db:
            names.write_tenure(db, tenure)
        self.attribution.add(tenure)

    def instance_ended(self, address: str, at: float) -> None:
        """Note that whatever instance has the address has ended. Idempotent."""
        current = self.attribution.current(address)
        if current:
            ended = replace(current, ended=at)
            with self._transaction() as db:
                names.write_tenure(db, ended)
            self.attribution.add(ended)

    def instances_are(self, addresses: Iterable[str], at: float) -> None:
        """Note that no instance but those at these addresses runs: after a start, some have ended unseen."""
        running = set(addresses)
        for tenure in self.attribution.currents():
            if tenure.address not in running:
                self.instance_ended(tenure.address, at)

    def add_gauges(self, gauges: Sequence[Gauge], at: float) -> None:
        """Add values that were read at one time (Unix time)."""
        by_place: defaultdict[rows.Place, list[dict[int, Reading]]] = defaultdict(list)
        with self._transaction() as db:
            for gauge in gauges:
                app, release = self._names.number("app", gauge.app), self._names.number("release", gauge.release)
                number = self._names.number("gauge", f"{gauge.name}{_SEPARATOR}{gauge.instance}")
                by_place[rows.Place(app, schema.GAUGES, release)].append({number: Reading.of(gauge.value)})
            for place, readings in by_place.items():
                rows.add(db, 0, schema.LEVELS[0].floor(at), place, rows.merge(readings))
            db.execute(_NOW, (at,))

    def tallies(
        self, app: str, began: int, ended: int, *, release: str | None = None, step_s: int | None = None,
        wanted: Callable[[str], bool] | None = None,
    ) -> Iterator[tuple[int, str, Tally]]:  # fmt: skip
        """Tallies of parts of the span that add up to it: when each part began, its route ('' for all), its tally.

        ``wanted`` chooses routes; None is for the app's totals. ``step_s``: every part lies within one such step.
        """
        levels = [level for level in schema.LEVELS if step_s is None or step_s % level.width_s == 0]
        with self._reading() as db:
            number = self._names.find("app", app)
            only = None if release is None else self._names.find("release", release) or 0
            if number is None:
                return
            called = self._called(db, app, wanted) if wanted else {0: ""}
            shards = sorted({schema.shard_of(route) for route in called}) if wanted else [schema.TOTAL]
            for shard in shards:
                for row in rows.find(db, number, shard, began, ended, levels=levels):
                    if only is None or row.release == only:
                        for key, tally in decode(row.data, called).items():
                            yield row.began, called[key], tally

    def gauges(
        self, app: str, began: int, ended: int, *, release: str | None = None, step_s: int | None = None
    ) -> Iterator[tuple[int, str, str, Reading]]:
        """Readings of parts of the span: when each began, the gauge's name, its instance, the values.

        The app '' is the machine. ``step_s`` as for :meth:`tallies`.
        """
        levels = [level for level in schema.LEVELS if step_s is None or step_s % level.width_s == 0]
        with self._reading() as db:
            number = self._names.find("app", app)
            only = None if release is None else self._names.find("release", release) or 0
            called = self._names.all("gauge")
            for row in [] if number is None else rows.find(db, number, schema.GAUGES, began, ended, levels=levels):
                if only is None or row.release == only:
                    for key, reading in rows.decode(schema.GAUGES, row.data).items():
                        name, _, instance = called[key].partition(_SEPARATOR)
                        yield row.began, name, instance, reading

    def steps(self, app: str, began: int, ended: int, *, step_s: int) -> dict[int, Step]:
        """All that is known of an app in each step of the span, by when it began; one pass over all of it.

        ``began`` is a multiple of ``step_s``, which is one of ``LEVELS[0].width_s``.
        """
        levels = [level for level in schema.LEVELS if step_s % level.width_s == 0]
        with self._reading() as db:
            if levels[-1] is schema.MINUTE and step_s % schema.TENS.width_s == 0 and began >= self._tens_from(db):
                levels.append(schema.TENS)
            apps = self._names.find("app", app), self._names.find("app", "")
            called = {
                number: (name, instance)
                for number, full in self._names.all("gauge").items()
                for name, _, instance in [full.partition(_SEPARATOR)]
            }
            return steps.read(db, apps, called, began, ended, step_s=step_s, levels=levels)

    def _tens_from(self, db: sqlite3.Connection) -> float:
        """From when on the tens have all that their minutes, once rolled up, have."""
        counters: dict[str, float] = dict(db.execute("SELECT name, value FROM counters").fetchall())
        return max(counters["tens_from"], counters["newest"] - schema.TENS.kept_s + schema.TENS.width_s)

    def releases(self, app: str, began: int, ended: int) -> dict[str, Tally]:
        """The releases that served the app in the span, with what they served."""
        with self._reading() as db:
            number, called = self._names.find("app", app), self._names.all("release")
            found: defaultdict[str, list[Tally]] = defaultdict(list)
            for row in [] if number is None else rows.find(db, number, schema.TOTAL, began, ended):
                found[called[row.release]].append(decode(row.data)[0])
            return {release: merged(tallies) for release, tallies in found.items()}

    def ever(self, app: str, releases: Collection[str]) -> dict[str, Tally]:
        """All that was ever counted of some releases of an app.

        Those never asked for are left out, and so are those that were not in 400 days.
        """
        with self._reading() as db:
            number, called = self._names.find("app", app), self._names.all("release")
            found: defaultdict[str, list[Tally]] = defaultdict(list)
            for row in [] if number is None else rows.ever(db, number, schema.TOTAL):
                if called[row.release] in releases:
                    found[called[row.release]].append(decode(row.data)[0])
            return {release: merged(tallies) for release, tallies in found.items()}

    def ever_by_route(self, app: str, routes: Collection[str]) -> dict[str, Tally]:
        """All that was ever counted of some routes of an app; those never asked for are left out."""
        with self._reading() as db:
            number, called = self._names.find("app", app), self._called(db, app, lambda name: name in routes)
            found: defaultdict[str, list[Tally]] = defaultdict(list)
            for shard in sorted({schema.shard_of(route) for route in called}):
                for row in [] if number is None else rows.ever(db, number, shard):
                    for key, tally in decode(row.data, called).items():
                        found[called[key]].append(tally)
            return {route: merged(tallies) for route, tallies in found.items()}

    def _called(self, db: sqlite3.Connection, app: str, wanted: Callable[[str], bool]) -> dict[int, str]:
        found = db.execute("SELECT number, route FROM routes WHERE app = ?", (app,)).fetchall()
        return {number: route for number, route in [(0, OTHER), *found] if wanted(route)}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read within is of one moment, whatever another connection writes meanwhile.

        Without it a query of two levels could meet a roll-up between them and count a bucket twice.
        """
        with self._reading() as db:
            db.execute("BEGIN")
            try:
                yield
            finally:
                db.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._db is None:
            raise StateError(f"the signal store {self._path} is closed")
        with translated(self._path):
            yield self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._names.forget()
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    db.execute("ROLLBACK")
                raise
