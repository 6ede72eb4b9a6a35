"""Reads the access log on from where it was left, through all that can happen to a file.

A file is known by its inode and its first bytes, not by its name: Caddy rotates by renaming ``access.log`` to
``access-TIME-size.log`` and making a new one. Every file of that family is read to its end, in whichever order, for
counts add up the same; so nothing depends on noticing a rotation, and several at once are no different.

- **Torn line**: only whole lines are read; the rest waits for its end.
- **Deleted**: Caddy 2.11 goes on writing to the deleted file until it rotates; it is held open here and read on. What
  is written while no pawld runs, to a file that was deleted, cannot be found again.
- **Truncated**: other first bytes mean that what follows is new, so it is read from its beginning. Caddy does not
  append but writes on at its old place, so there is a hole of NUL bytes first; they are passed over. The same first
  bytes on a file that is now shorter mean that its end was lost (a power cut): it is read on from its new end.
- **A line longer than 1 MiB** (no request Caddy takes makes one) is skipped without being held in memory.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
_HEAD_BYTES = 256
_QUIET_READS = 300  # a deleted file that did not grow for so many reads is let go, once it has a successor


@dataclass(frozen=True, slots=True)
class Position:
    """How far a file has been read. ``head`` is the digest of its first ``head_bytes``; ``is_skipping`` a long line."""

    inode: int
    head: bytes = b""
    head_bytes: int = 0
    offset: int = 0
    is_skipping: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines, how far their file is read with them, and how many lines were too long to be among them."""

    data: bytes
    position: Position
    too_long: int = 0


@dataclass(slots=True)
class _File:
    descriptor: int
    position: Position
    quiet_reads: int = 0


class Tail:
    """Follows the log at ``path``; ``positions`` are those that were committed last.

    ``read`` gives pieces and moves on with each; whoever counts them commits each piece's position with its counts, and
    goes back with ``rewind`` if that fails.
    """

    def __init__(self, path: Path, positions: Iterable[Position] = (), *, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._path = path
        self._chunk_bytes = chunk_bytes
        self._left = {position.inode: position for position in positions}
        self._files: dict[int, _File] = {}
        rotated = re.escape(path.stem) + r"-\d{4}-.*" + re.escape(path.suffix)
        self._rotated = re.compile(rotated)

    def read(self) -> Piece | None:
        """The next piece, None if there is nothing new. Blocks for a few file reads.

        Raises:
            OSError: a file cannot be read.
        """
        listed = self._open_new()
        for inode, file in list(self._files.items()):
            piece = _next_piece(file, self._chunk_bytes)
            if piece:
                file.position = piece.position
                file.quiet_reads = 0
                return piece
            file.quiet_reads += 1
            if inode not in listed and file.quiet_reads > _QUIET_READS and self._path.exists():
                self._close(inode)
        return None

    def rewind(self, positions: Iterable[Position]) -> None:
        """Go back to the positions that were committed last. Files stay open, deleted ones too."""
        self._left = {position.inode: position for position in positions}
        for inode, file in self._files.items():
            file.position = self._left.pop(inode, Position(inode))

    @property
    def inodes(self) -> list[int]:
        """The files being read; the positions of all others may be forgotten."""
        return list(self._files)

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        for inode in list(self._files):
            self._close(inode)

    def _close(self, inode: int) -> None:
        os.close(self._files.pop(inode).descriptor)

    def _open_new(self) -> set[int]:
        listed = set()
        for entry in self._family():
            with suppress(FileNotFoundError):  # rotated away since the listing: the next read finds it
                inode = entry.stat().st_ino
                listed.add(inode)
                if inode not in self._files:
                    self._open(entry.path)
        return listed

    def _open(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        inode = os.fstat(descriptor).st_ino
        if inode in self._files:
            os.close(descriptor)
        else:
            self._files[inode] = _File(descriptor, self._left.pop(inode, Position(inode)))

    def _family(self) -> Iterator[os.DirEntry[str]]:
        """The log and what it was before, oldest first as far as the names say so."""
        try:
            with os.scandir(self._path.parent) as entries:
                found = [entry for entry in entries if self._is_ours(entry.name) and entry.is_file()]
        except FileNotFoundError:
            return
        yield from sorted(found, key=lambda entry: (entry.name == self._path.name, entry.name))

    def _is_ours(self, name: str) -> bool:
        return name == self._path.name or self._rotated.fullmatch(name) is not None


def _next_piece(file: _File, chunk_bytes: int) -> Piece | None:
    position = _checked(file)
    if position != file.position:
        return Piece(b"", position)  # committed before the file can grow past the place where it was cut
    data = os.pread(file.descriptor, chunk_bytes, position.offset)
    if len(data) == chunk_bytes and b"\n" not in data:
        data = os.pread(file.descriptor, max(chunk_bytes, LONGEST_LINE_BYTES), position.offset)
    if not data:
        return None
    if position.is_skipping:
        return _skipped(file, data, position)
    lines = data.lstrip(b"\0")
    if len(lines) < len(data):
        return Piece(b"", _moved(file, position, len(data) - len(lines)))
    end = data.rfind(b"\n") + 1
    if end:
        return Piece(data[:end], _moved(file, position, end))
    if len(data) < LONGEST_LINE_BYTES:
        return None
    return Piece(b"", _moved(file, replace(position, is_skipping=True), len(data)), too_long=1)


def _skipped(file: _File, data: bytes, position: Position) -> Piece:
    end = data.find(b"\n") + 1
    return Piece(b"", _moved(file, replace(position, is_skipping=not end), end or len(data)))


def _checked(file: _File) -> Position:
    """Where to read on, after a look whether the file is still the one that was read."""
    position = file.position
    if _digest(file.descriptor, position.head_bytes) != position.head and position.head_bytes:
        return Position(position.inode)
    size = os.fstat(file.descriptor).st_size
    return replace(position, offset=size, is_skipping=False) if size < position.offset else position


def _moved(file: _File, position: Position, by: int) -> Position:
    offset = position.offset + by
    head_bytes = min(offset, _HEAD_BYTES)
    head = position.head if head_bytes == position.head_bytes else _digest(file.descriptor, head_bytes)
    return replace(position, offset=offset, head=head, head_bytes=head_bytes)


def _digest(descriptor: int, count: int) -> bytes:
    return hashlib.blake2b(os.pread(descriptor, count, 0), digest_size=16).digest()
