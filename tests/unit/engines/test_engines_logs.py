"""Logs that nobody loses a line of, that are dated, and that do not fill the disk."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.engines.process import logs
from pawl.engines.process.logs import KEPT_FILES, LONGEST_LINE_BYTES, LogFile, LogFolder, LogKeeper


def file(folder: Path, data: bytes = b"", name: str = "web.1") -> LogFile:
    path = folder / f"{name}-a1.log"
    path.write_bytes(data)
    return LogFile(path, name)


def texts(log: LogFile, start: int = 0) -> list[str]:
    return [line.text for line, _ in log.lines(start=start)]


def add(log: LogFile, data: bytes) -> None:
    with log.path.open("ab") as stream:
        stream.write(data)


# Lines

WRITTEN = {
    "nothing": (b"", []),
    "whole lines": (b"one\ntwo\n", ["one", "two"]),
    "a line still being written": (b"one\ntw", ["one", "tw"]),
    "empty lines": (b"\n\none\n\n", ["", "", "one", ""]),
    "ends of lines of Windows": (b"one\r\ntwo\r\n", ["one", "two"]),
    "bytes that are no text": (b"a\xff\xfeb\n", ["a��b"]),
    "a letter cut in two": ("ü\n".encode()[1:], ["�"]),
    "more than ASCII": ("läuft ✓\n".encode(), ["läuft ✓"]),
    "what a hole left": (b"\0\0\0one\n", ["one"]),
    "a line of the longest": (b"x" * LONGEST_LINE_BYTES + b"\n", ["x" * LONGEST_LINE_BYTES]),
    "a line too long by one": (
        b"x" * LONGEST_LINE_BYTES + b"y\nnext\n",
        ["x" * LONGEST_LINE_BYTES + " … [1 bytes more]", "next"],
    ),
    "a line of many reads": (
        b"x" * 200_000 + b"\nnext\n",
        ["x" * LONGEST_LINE_BYTES + f" … [{200_000 - LONGEST_LINE_BYTES} bytes more]", "next"],
    ),
}


@pytest.mark.parametrize(("data", "lines"), WRITTEN.values(), ids=WRITTEN)
def test_what_was_written_is_read_line_by_line(tmp_path: Path, data: bytes, lines: list[str]) -> None:
    assert texts(file(tmp_path, data)) == lines


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
def test_reading_on_from_an_offset_gives_the_rest(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int
) -> None:
    log = file(tmp_path_factory.mktemp("logs"), data)
    rows = list(log.lines())
    assert b"".join(data[:offset] for _, offset in rows[-1:]) == data
    for number, (_, offset) in enumerate(rows):
        assert [line.text for line, _ in log.lines(start=offset)] == [line.text for line, _ in rows[number + 1 :]]
    assert [offset for _, offset in log.lines(end=cut)] == [
        *[offset for _, offset in rows if offset < min(cut, len(data))],
        *([min(cut, len(data))] if data and cut else []),
    ]


def test_a_log_that_is_gone_has_no_lines(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "web.1-a1.log", "web.1")
    assert (texts(log), log.size(), log.tail_offset(5), log.index()) == ([], 0, 0, ([], []))


def test_a_line_of_a_hundred_megabytes_is_cut_in_little_memory(tmp_path: Path) -> None:
    log = file(tmp_path)
    with log.path.open("r+b") as stream:
        stream.seek(100_000_000 - 1)
        stream.write(b"x\nafter\n")
    with log.path.open("r+b") as stream:
        for offset in range(0, 100_000_000 - 4096, 4_000_000):  # data in every part, or the hole would be skipped
            stream.seek(offset)
            stream.write(b"y" * 4096)
    tracemalloc.start()
    try:
        first, second = texts(log)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert first.endswith(f" … [{100_000_000 - LONGEST_LINE_BYTES} bytes more]")
    assert second == "after"


# The last lines

TAILS = [
    (b"", 0, 0),
    (b"", 3, 0),
    (b"one\ntwo\nthree\n", 0, 14),
    (b"one\ntwo\nthree\n", 1, 8),
    (b"one\ntwo\nthree\n", 2, 4),
    (b"one\ntwo\nthree\n", 3, 0),
    (b"one\ntwo\nthree\n", 9, 0),
    (b"one\ntwo\nthr", 0, 11),
    (b"one\ntwo\nthr", 1, 8),
    (b"\n\n", 1, 1),
]


@pytest.mark.parametrize(("data", "count", "offset"), TAILS)
def test_the_last_lines_begin_here(tmp_path: Path, data: bytes, count: int, offset: int) -> None:
    assert file(tmp_path, data).tail_offset(count) == offset


def test_the_last_lines_are_looked_for_in_the_last_megabyte(tmp_path: Path) -> None:
    log = file(tmp_path, b"x" * 3_000_000)
    assert log.tail_offset(5) == 3_000_000 - 1_048_576


# When


def index(log: LogFile, text: str) -> None:
    log.path.with_suffix(".idx").write_text(text)


def test_a_line_is_dated_by_the_first_note_that_has_it(tmp_path: Path) -> None:
    log = file(tmp_path, b"one\ntwo\nthree\nfour\n")
    index(log, "4 100\n14 101\n")
    os.utime(log.path, (500, 500))
    assert [(line.text, line.at) for line, _ in log.lines()] == [
        ("one", 100.0), ("two", 101.0), ("three", 101.0), ("four", 500.0),
    ]  # fmt: skip


SINCE = {
    "before all": (50, "one"),
    "when it was noted": (100, "one"),
    "after the first note": (100.5, "two"),
    "when the last was noted": (101, "two"),
    "in the middle of a line": (101.5, "four"),
    "after all notes": (103, ""),
}


@pytest.mark.parametrize(("since", "line"), SINCE.values(), ids=SINCE)
def test_the_lines_since_then_begin_here(tmp_path: Path, since: float, line: str) -> None:
    log = file(tmp_path, b"one\ntwo\nthree\nfour\n")
    index(log, "4 100\n16 101\n19 102\n")
    assert next(iter(texts(log, log.offset_since(since, log.index()))), "") == line


def test_lines_are_read_with_the_index_that_is_given(tmp_path: Path) -> None:
    log = file(tmp_path, b"one\ntwo\n")
    index(log, "4 100\n8 101\n")
    os.utime(log.path, (500, 500))
    assert [line.at for line, _ in log.lines(index=([8], [300.0]))] == [300.0, 300.0]
    assert [line.at for line, _ in log.lines(index=logs.UNDATED)] == [500.0, 500.0]


DAMAGED = {
    "cut short in its size": ("4 100\n1", ([4], [100.0])),
    "cut short before its time": ("4 100\n14 \n20 102\n", ([4, 20], [100.0, 102.0])),
    "two rows in one": ("4 100\n14 1020 102\n30 103\n", ([4, 30], [100.0, 103.0])),
    "no numbers": ("x y\n\n4 100\n", ([4], [100.0])),
}


@pytest.mark.parametrize(("text", "rows"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_row_of_the_index_spoils_no_other(
    tmp_path: Path, text: str, rows: tuple[list[int], list[float]]
) -> None:
    log = file(tmp_path)
    index(log, text)
    assert log.index() == rows
    os.utime(log.path, (50, 50))
    assert log.last_date() == rows[1][-1]


def test_sizes_are_noted_only_when_they_have_grown(tmp_path: Path) -> None:
    log, keeper = file(tmp_path), LogKeeper()
    for now, data in ((1.0, b""), (2.0, b"one\n"), (3.0, b""), (4.0, b"two\nthree\n")):
        add(log, data)
        keeper.tick([log.path], now)
    assert log.index() == ([4, 14], [2.0, 4.0])


def test_a_log_that_cannot_be_noted_does_not_stop_the_others(tmp_path: Path) -> None:
    gone, log, keeper = tmp_path / "web.2-b2.log", file(tmp_path, b"one\n"), LogKeeper()
    keeper.tick([gone, log.path], 1.0)
    assert log.index() == ([4], [1.0])
    log.path.with_suffix(".idx").unlink()
    log.path.with_suffix(".idx").mkdir()
    add(log, b"two\n")
    keeper.tick([log.path], 2.0)


# Little disk


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A log is kept to this many bytes."""
    monkeypatch.setattr(logs, "KEPT_BYTES", 64 * 1024)
    return 64 * 1024


def used_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_the_disk_of_old_lines_is_given_back_and_the_rest_stays_where_it_is(tmp_path: Path, small: int) -> None:
    log, keeper = file(tmp_path), LogKeeper()
    written = [f"line {number:06}" for number in range(40_000)]
    for start in range(0, len(written), 500):
        add(log, "".join(f"{text}\n" for text in written[start : start + 500]).encode())
        keeper.tick([log.path], float(start))
        assert used_bytes(log.path) <= 3 * small + 3 * 8192
    found = texts(log)
    assert log.size() == 12 * len(written)
    assert found[1:] == written[-len(found) + 1 :]
    assert len(found) * 12 > small - 4096
    assert texts(log, log.tail_offset(3)) == written[-3:]
    sizes, times = log.index()
    assert sizes[0] > log.size() - 3 * small
    assert sizes == sorted(sizes)
    assert times == sorted(times)


def test_no_line_is_lost_while_a_writer_appends(tmp_path: Path, small: int) -> None:
    log, keeper = file(tmp_path), LogKeeper()
    is_done = threading.Event()

    def write() -> None:
        with log.path.open("ab", buffering=0) as stream:
            for number in range(30_000):
                stream.write(b"line %06d\n" % number)
        is_done.set()

    writer = threading.Thread(target=write)
    writer.start()
    largest, now = 0, 0.0
    while not is_done.is_set():
        keeper.tick([log.path], now := now + 1)
        largest = max(largest, used_bytes(log.path))
    writer.join()
    keeper.tick([log.path], now + 1)
    found = texts(log)
    assert found[-1] == "line 029999"
    numbers = [int(text.split()[1]) for text in found[1:]]
    assert numbers == list(range(numbers[0], 30_000))
    assert used_bytes(log.path) <= 3 * small + 3 * 8192


def test_where_no_hole_can_be_punched_the_file_is_emptied_and_grows_anew(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoHoles:
        def __init__(self, *_arguments: object, **_options: object) -> None: ...

        def fallocate(self, *_arguments: object) -> int:
            return -1

    monkeypatch.setattr("ctypes.CDLL", NoHoles)
    log, keeper = file(tmp_path, b"x" * (2 * small + 1)), LogKeeper()
    keeper.tick([log.path], 1.0)
    assert log.size() == 0
    add(log, b"after\n")
    keeper.tick([log.path], 2.0)
    assert [(line.text, line.at) for line, _ in log.lines()] == [("after", 2.0)]


# The folder


def test_the_logs_of_an_app_are_told_by_process_type_oldest_first(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "logs")
    assert folder.files() == []
    for age, name in enumerate(("web.2", "web.1", "worker.1", "build.1", "my-worker_2.10")):
        path = folder.new(name, "a1b2")
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    (tmp_path / "logs" / "failed").touch()
    (tmp_path / "logs" / "web.1-a1b2.idx").touch()
    assert [log.name for log in folder.files()] == ["my-worker_2.10", "build.1", "worker.1", "web.1", "web.2"]
    assert [log.name for log in folder.files("web")] == ["web.1", "web.2"]
    assert folder.files("we") == []
    assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700


def test_the_logs_of_the_last_failed_start_are_remembered(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path / "logs")
    assert folder.failed() == set()
    folder.note_failed(["web.1-a.log", "web.2-b.log"])
    folder.note_failed(["web.1-c.log"])
    assert folder.failed() == {"web.1-c.log"}


def test_the_oldest_logs_are_deleted_but_not_those_that_are_kept(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    for number in range(KEPT_FILES + 3):
        for kind in ("web", "worker"):
            path = folder.new(f"{kind}.1", f"{number:02}")
            path.touch()
            path.with_suffix(".idx").touch()
            os.utime(path, (number, number))
    folder.prune({"web.1-00.log", "web.1-01.log"})
    left = {log.path.name for log in folder.files("web")}
    assert len(left) == KEPT_FILES
    assert {"web.1-00.log", "web.1-01.log"} <= left
    assert {f"web.1-{number:02}.log" for number in (2, 3, 4)}.isdisjoint(left)
    assert len(list(tmp_path.glob("web*.idx"))) == KEPT_FILES
    assert len(folder.files("worker")) == KEPT_FILES
    folder.prune(set())
    assert len(folder.files("web")) == KEPT_FILES
