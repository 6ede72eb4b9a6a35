"""The log files that instances write themselves, so that no line waits for pawld or is lost with it.

Beside each ``NAME.log`` stands ``NAME.idx``: pawld notes the file's size once a second when it has grown, as
``<size> <Unix seconds>`` rows, which dates lines to the second. A file is kept short by punching holes into its
beginning: sizes and offsets stay as they are, only the disk's blocks are given back, and no line written meanwhile can
be lost (a truncation could lose some).
"""

from __future__ import annotations

import bisect
import ctypes
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Index = tuple[list[int], list[float]]
UNDATED: Index = ([], [])
KEPT_BYTES = 16 * 1024 * 1024
KEPT_FILES = 12
LONGEST_LINE_BYTES = 16_384
_BLOCK = 4096
_PUNCH_HOLE_KEEP_SIZE = 0x03  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, fallocate(2)
_NAME = re.compile(r"(?P<process>[a-z][a-z0-9_-]*)\.(?P<number>[0-9a-z]+)-(?P<id>[0-9a-z]+)\.log")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log; ``at`` is Unix seconds, the moment by which it had been written."""

    at: float
    name: str
    text: str


@dataclass(slots=True)
class LogFile:
    """One instance's log."""

    path: Path
    name: str

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def last_write(self) -> float:
        """When it was written to last: the date of lines that no row of the index dates."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return time.time()

    def last_date(self) -> float:
        """No line is dated later: when it was written to last, or when that was noted."""
        try:
            with self.path.with_suffix(".idx").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 256))
                rows = file.read().decode("ascii", "replace").splitlines()
        except OSError:
            rows = []
        last = next(filter(None, map(_noted, reversed(rows))), (0, 0.0))
        return max(self.last_write(), last[1])

    def index(self) -> Index:
        """Sizes and the times they were noted at, both ascending. Of an old log it takes a good part of a second."""
        sizes: list[int] = []
        times: list[float] = []
        try:
            with self.path.with_suffix(".idx").open() as rows:
                for row in rows:  # one by one: split at once, they would hold up the other threads
                    if noted := _noted(row):
                        sizes.append(noted[0])
                        times.append(noted[1])
        except OSError:
            pass
        return sizes, times

    def lines(
        self, *, start: int = 0, end: int | None = None, index: Index | None = None
    ) -> Iterator[tuple[Line, int]]:
        """Whole lines from a byte offset on, each with the offset behind it; the last may lack its newline.

        ``index`` is what :meth:`index` gave, where it has been asked already; with ``UNDATED`` it is not read, and the
        lines have the date of the last write. A line over 16 kB is cut, and says by how much; bytes that are not UTF-8
        are shown as replacements.
        """
        sizes, times = self.index() if index is None else index
        last_write = max(self.last_write(), times[-1] if times else 0.0)
        for offset, raw, dropped in _raw_lines(self.path, start, self.size() if end is None else end):
            place = bisect.bisect_left(sizes, offset)
            at = times[place] if place < len(times) else last_write
            text = raw.decode("utf-8", "replace").rstrip("\r\n").lstrip("\0")
            if dropped:
                text += f" … [{dropped} bytes more]"
            yield Line(at, self.name, text), offset

    def offset_since(self, since: float, index: Index) -> int:
        """Where the first line begins that was not noted before ``since`` (Unix seconds); looks back 64 kB for it."""
        sizes, times = index
        place = bisect.bisect_left(times, since)
        noted = sizes[place - 1] if place else 0
        start = max(0, noted - 65_536)
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                block = file.read(noted - start)
        except OSError:
            return 0
        return start + block.rfind(b"\n") + 1  # a size may have been noted in the middle of a line

    def tail_offset(self, count: int) -> int:
        """Where the last ``count`` lines begin; looks back 1 MB at most."""
        size = self.size()
        start = max(0, size - 1_048_576)
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                block = file.read(size - start)
        except OSError:
            return 0
        if count == 0:
            return size
        position = len(block) - (1 if block.endswith(b"\n") else 0)
        for _ in range(count):
            position = block.rfind(b"\n", 0, position)
            if position < 0:
                return start
        return start + position + 1


def _noted(row: str) -> tuple[int, float] | None:
    """A row of the index; None for one that a full disk or a kill cut short."""
    size, _, at = row.partition(" ")
    try:
        return int(size), float(at)
    except ValueError:
        return None


def _raw_lines(path: Path, start: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """Rows of (offset behind the line, its first bytes, bytes left out); memory stays at one chunk."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        offset = _first_data(file.fileno(), start)
        file.seek(offset)
        line, dropped = b"", 0
        while offset < end:
            piece = file.readline(min(65_536, end - offset))
            if not piece:
                break
            offset += len(piece)
            room = LONGEST_LINE_BYTES - len(line)
            line += piece[:room] if room > 0 else b""
            dropped += max(0, len(piece.rstrip(b"\n")) - max(0, room))
            if piece.endswith(b"\n"):
                yield offset, line, dropped
                line, dropped = b"", 0
        if line:
            yield offset, line, dropped


def _first_data(descriptor: int, start: int) -> int:
    """Skip the holes that were punched."""
    try:
        return os.lseek(descriptor, start, os.SEEK_DATA)
    except OSError:
        return start


class LogFolder:
    """All logs of one app."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str, instance_id: str) -> Path:
        """The path of a new instance's log; the folder is made when it is missing."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / f"{name}-{instance_id}.log"

    def files(self, process: str | None = None) -> list[LogFile]:
        """Log files of one process type or of all, oldest first."""
        try:
            paths = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        except OSError:
            return []
        named = ((path, _NAME.fullmatch(path.name)) for path in paths)
        return [
            LogFile(path, f"{match['process']}.{match['number']}")
            for path, match in named
            if match is not None and process in (None, match["process"])
        ]

    def note_failed(self, names: list[str]) -> None:
        """Remember which logs belong to the last failed start."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._folder / "failed").write_text("".join(f"{name}\n" for name in names))

    def failed(self) -> set[str]:
        """The file names of the last failed start's logs."""
        try:
            return set((self._folder / "failed").read_text().split())
        except OSError:
            return set()

    def prune(self, keep: set[str]) -> None:
        """Delete the oldest logs of each process type beyond twelve; those in ``keep`` (file names) stay."""
        by_process: dict[str, list[Path]] = {}
        for file in self.files():
            by_process.setdefault(file.name.partition(".")[0], []).append(file.path)
        for paths in by_process.values():
            ended = [path for path in paths if path.name not in keep]
            for path in ended[: max(0, len(paths) - KEPT_FILES)]:
                path.unlink(missing_ok=True)
                path.with_suffix(".idx").unlink(missing_ok=True)


class LogKeeper:
    """Notes sizes and punches holes for the logs of running instances; ``tick`` is called once a second."""

    def __init__(self) -> None:
        self._noted: dict[Path, int] = {}
        self._punched: dict[Path, int] = {}

    def tick(self, paths: list[Path], now: float) -> None:
        for path in paths:
            self.note(path, now)
        for gone in self._noted.keys() - set(paths):
            del self._noted[gone]
            self._punched.pop(gone, None)

    def note(self, path: Path, now: float) -> None:
        """Write down the size a log has by now, when it has grown since the last time."""
        try:
            size = path.stat().st_size
            if size == self._noted.get(path, 0):
                return
            with path.with_suffix(".idx").open("a") as index:
                index.write(f"{size} {now:.2f}\n")
            self._noted[path] = size
            if size - self._punched.get(path, 0) > 2 * KEPT_BYTES:
                self._punched[path] = _punch(path, size - KEPT_BYTES)
                _shorten(path.with_suffix(".idx"), upto=self._punched[path] or size)
        except OSError:
            return  # a full disk must not stop the supervision


def _punch(path: Path, upto: int) -> int:
    """Give the disk back what lies before ``upto``; where the file system cannot, the file is emptied."""
    length = upto // _BLOCK * _BLOCK
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb+") as file:
        done = libc.fallocate(file.fileno(), _PUNCH_HOLE_KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(length))
        if done != 0:
            file.truncate(0)
            return 0
    return length


def _shorten(index: Path, *, upto: int) -> None:
    """Drop the rows that date nothing any more."""
    rows = index.read_text().splitlines(keepends=True)
    kept = [row for row in rows if (size := row.partition(" ")[0]).isdecimal() and int(size) > upto]
    temporary = index.with_suffix(".tmp")
    temporary.write_text("".join(kept))
    os.replace(temporary, index)
