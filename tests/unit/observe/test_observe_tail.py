"""What can happen to the log's file, seen from what is counted."""

from __future__ import annotations

import os
import random
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.errors import StateError
from pawl.observe import tail
from pawl.observe.counting import Counting
from pawl.observe.store import SignalStore
from tests.unit.observe.observe_rig import T0, counting, line


class Log:
    """A log that is counted in a folder, by one pawld after another."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path = folder / "access.log"
        self.written = 0
        self._folder = folder
        self._options = options
        self._rotated = 0
        self.store, self.counting = counting(folder, **options)

    def write(self, number: int = 1) -> None:
        with self.path.open("ab") as file:
            for _ in range(number):
                file.write(self.next_line())

    def next_line(self) -> bytes:
        self.written += 1
        return line(T0 + self.written * 0.5, uri=f"/part{self.written % 3}/")

    def rotate(self) -> None:
        self._rotated += 1
        self.path.rename(self.path.with_name(f"access-2026-02-02T00-00-{self._rotated:06}-size.log"))

    def restart(self) -> None:
        self.close()
        self.store, self.counting = counting(self._folder, **self._options)

    def close(self) -> None:
        self.counting.close()
        self.store.close()

    @property
    def counted(self) -> int:
        self.counting.catch_up()
        return self.store.progress().lines

    @property
    def invalid(self) -> int:
        return self.store.progress().invalid


@pytest.fixture
def log(tmp_path: Path) -> Any:
    log = Log(tmp_path)
    yield log
    log.close()


def test_a_log_that_is_not_there_yet_is_waited_for(log: Log) -> None:
    assert log.counted == 0
    log.write(3)
    assert log.counted == 3
    assert log.counted == 3


def test_a_folder_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    store = SignalStore(tmp_path / "signals.db")
    waiting = Counting(store, tmp_path / "log" / "access.log")
    waiting.catch_up()
    assert waiting.counted().lines == 0
    store.close()


def test_a_restart_goes_on_where_the_last_one_ended(log: Log) -> None:
    for _ in range(3):
        log.write(4)
        assert log.counted == log.written
        log.restart()
    assert log.counted == log.written == 12


def test_a_torn_line_waits_for_its_end(log: Log) -> None:
    whole = log.next_line()
    for part in (whole[:50], whole[50:-1]):
        with log.path.open("ab") as file:
            file.write(part)
        assert log.counted == 0
        log.restart()
    with log.path.open("ab") as file:
        file.write(b"\n")
    assert (log.counted, log.invalid) == (1, 0)


@pytest.mark.parametrize("is_watched", [True, False])
def test_rotations_lose_nothing_watched_or_not(log: Log, is_watched: bool) -> None:
    for _ in range(4):
        log.write(5)
        if is_watched:
            log.counting.step()
        log.write(5)
        log.rotate()
    log.write(5)
    if not is_watched:
        log.restart()
    assert log.counted == log.written == 45


def test_the_old_file_is_read_to_its_end_when_the_new_one_is_there_already(log: Log) -> None:
    log.write(2)
    assert log.counted == 2
    with log.path.open("ab") as old:
        log.rotate()
        log.write(3)
        assert log.counted == 5
        old.write(log.next_line())
    assert log.counted == log.written == 6


def test_a_rotated_file_that_is_removed_is_finished_first(log: Log) -> None:
    log.write(1)
    assert log.counted == 1
    log.write(4)
    log.rotate()
    next(log.path.parent.glob("access-*")).unlink()
    log.write(2)
    assert log.counted == 7


def test_a_deleted_file_that_is_written_to_is_read_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_QUIET_READS", 3)
    with log.path.open("ab", buffering=0) as caddy:
        caddy.write(log.next_line())
        assert log.counted == 1
        log.path.unlink()
        for _ in range(10):
            caddy.write(log.next_line())
            assert log.counted == log.written
        deleted = os.fstat(caddy.fileno()).st_ino
    log.write(5)
    for _ in range(6):
        assert log.counted == log.written == 16
    assert deleted not in log.counting._tail.inodes, "it has a successor and is quiet, so it is let go"


def test_a_truncated_file_is_read_from_its_beginning(log: Log) -> None:
    log.write(9)
    assert log.counted == 9
    os.truncate(log.path, 0)
    assert log.counted == 9
    log.write(3)
    assert log.counted == 12
    log.restart()
    assert (log.counted, log.invalid) == (12, 0)


def test_a_truncated_file_that_caddy_writes_on_at_its_old_place(log: Log) -> None:
    """Measured with Caddy 2.11.7: it does not append, so a hole of NUL bytes is left in front of the next line."""
    with log.path.open("wb", buffering=0) as caddy:
        for _ in range(2000):
            caddy.write(log.next_line())
        assert log.counted == 2000
        caddy.write(log.next_line())  # lost: cut off before anybody read it
        os.truncate(log.path, 0)
        caddy.write(log.next_line())
        assert log.path.read_bytes()[:1] == b"\0"
        assert log.counted == 2001
        caddy.write(log.next_line())
        log.restart()
        assert (log.counted, log.invalid) == (2002, 0)


def test_a_file_whose_end_was_lost_is_not_counted_again(log: Log) -> None:
    log.write(10)
    assert log.counted == 10
    os.truncate(log.path, log.path.stat().st_size - 500)  # as a power cut may do it
    assert log.counted == 10
    with log.path.open("ab") as file:
        file.write(b"\n")
    log.write(2)
    assert log.counted == 12


def test_another_file_of_the_same_inode_is_another_file(log: Log) -> None:
    log.write(3)
    assert log.counted == 3
    lines = b"".join(log.next_line() for _ in range(8))
    log.path.write_bytes(lines)  # the same inode, and longer than what was read
    assert log.counted == 11


def test_an_endless_line_is_skipped_without_being_held(log: Log) -> None:
    log.write(2)
    with log.path.open("ab") as file:
        for _ in range(100):
            file.write(b"x" * 2**20)
    tracemalloc.start()
    assert log.counted == 2
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    log.restart()  # in the middle of it
    with log.path.open("ab") as file:
        file.write(b"y" * 1000 + b"\n")
    log.write(3)
    assert (log.counted, log.invalid) == (5, 1)
    assert peak_bytes < 8 * 2**20


def test_invalid_lines_are_counted_and_passed_over(log: Log) -> None:
    for _ in range(50):
        log.write(3)
        with log.path.open("ab") as file:
            file.write(b'{"ts": nonsense\n\n')
    assert (log.counted, log.invalid) == (150, 50)


def test_other_files_in_the_folder_are_left_alone(log: Log) -> None:
    for name in ("caddy.log", "access.log.bak", "access-notes.log", "xaccess-2026-02-02.log"):
        log.path.with_name(name).write_bytes(line(T0))
    log.path.with_name("access-2026-folder.log").mkdir()
    assert log.counted == 0


def test_a_log_that_may_not_be_read_is_said_and_tried_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(3)
    assert log.counted == 3
    log.write(2)

    def refused(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", refused)
        with pytest.raises(StateError, match="cannot be read"):
            log.counting.step()
    assert log.counted == 5


def test_what_could_not_be_committed_is_counted_once_it_can(log: Log) -> None:
    log.write(3)
    with closing(sqlite3.connect(log.store._path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert log.store._db is not None
        log.store._db.execute("PRAGMA busy_timeout = 1")
        for _ in range(3):
            with pytest.raises(StateError, match="signal store"):
                log.counting.step()
        other.execute("ROLLBACK")
    assert log.counted == 3


WHOLE = b"".join(
    line(
        T0 + number * 0.37,
        uri=f"/{'abcdefgh'[number % 8] * (1 + number % 5)}/{number}",
        status=(200, 404, 500, 302)[number % 7 % 4],
        duration=0.001 * (1 + number % 97),
    )
    for number in range(300)
).replace(b'"method":"GET","host":"www.example.org","uri":"/a/0"', b'"method":GET')  # one is invalid


def contents(folder: Path, cuts: list[tuple[int, str]]) -> dict[str, Any]:
    """What the store holds after the file came in these pieces, with something happening after each."""
    log = Log(folder, chunk_bytes=4096)
    began = 0
    for cut, then in [*cuts, (len(WHOLE), "count")]:
        with log.path.open("ab") as file:
            file.write(WHOLE[began:cut])
        began = max(began, cut)
        if then == "restart":
            log.counting.catch_up()
            log.restart()
        elif then == "step":
            log.counting.step()
        elif then == "rotate" and WHOLE[:cut].endswith(b"\n"):
            log.rotate()
    log.counting.catch_up()
    log.close()
    with closing(sqlite3.connect(folder / "signals.db")) as db:
        tables = ("buckets_5", "buckets_60", "buckets_3600")
        columns = "began, app, shard, release, data"
        found: dict[str, Any] = {one: sorted(db.execute(f"SELECT {columns} FROM {one}")) for one in tables}
        found |= {one: sorted(db.execute(f"SELECT * FROM {one}")) for one in ("routes", "counters", "names")}
    return found


LINE_ENDS = [at + 1 for at, byte in enumerate(WHOLE) if byte == 10]
CUT = st.tuples(
    st.one_of(st.integers(0, len(WHOLE)), st.sampled_from(LINE_ENDS)), st.sampled_from(["restart", "step", "rotate"])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CUT, max_size=6).map(sorted))
def test_the_store_is_the_same_however_the_file_comes(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, str]]
) -> None:
    assert contents(tmp_path_factory.mktemp("cut"), cuts) == contents(tmp_path_factory.mktemp("whole"), [])


def test_many_rotations_at_random_times_lose_and_double_nothing(log: Log) -> None:
    chance = random.Random(11)
    for _ in range(200):
        log.write(chance.randrange(4))
        action = chance.random()
        if action < 0.2 and log.path.exists():
            log.rotate()
        elif action < 0.4:
            log.restart()
        elif action < 0.7:
            log.counting.step()
        elif action < 0.8:
            for old in sorted(log.path.parent.glob("access-*"))[:-3]:
                log.counting.catch_up()
                old.unlink()
    assert log.counted == log.written
