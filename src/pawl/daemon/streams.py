"""What goes on while somebody watches: the events of a deploy, the lines of logs."""

from __future__ import annotations

import asyncio
import bisect
import heapq
import itertools
import time
from collections.abc import AsyncIterator, Iterator

import msgspec

from pawl.daemon import shapes
from pawl.daemon.pawld import Pawld
from pawl.engines.process.logs import UNDATED, Line, LogFile, LogFolder
from pawl.ledger.events import ChangeFound, DeployEnded, DeployQueued, Switched, SwitchedBack
from pawl.ledger.observations import Observation
from pawl.ledger.records import Recorded
from pawl.settings.redaction import Redactor
from pawl.settings.versions import SettingsFolder

_FOLLOW_S = 0.25
_AT_A_TIME = 200
_LINE_BYTES = 200
_SPECIAL = ("build", "test", "task")


async def deploy_events(pawld: Pawld, deploy: str) -> AsyncIterator[bytes]:
    """JSON lines of a deploy from its beginning to its outcome, with what is seen of it from now on."""
    queue: asyncio.Queue[Recorded | tuple[str, Observation]] = asyncio.Queue()
    unsubscribe = pawld.ledger.subscribe(lambda item: queue.put_nowait(item) if item.deploy == deploy else None)
    look_away = pawld.board.subscribe(
        lambda subject, at, seen: queue.put_nowait((at, seen)) if subject == deploy else None
    )
    try:
        last = 0
        live: str | None = None
        for recorded in pawld.ledger.events(deploy=deploy):
            queue.put_nowait(recorded)
        if latest := pawld.board.latest(deploy):
            queue.put_nowait(latest)
        while True:
            found = await queue.get()
            if isinstance(found, tuple):
                yield msgspec.json.encode(shapes.look(deploy, *found)) + b"\n"
                continue
            recorded = found
            if recorded.seq <= last:
                continue
            last = recorded.seq
            live = _live_after(recorded.event, live)
            line = shapes.progress(recorded, pawld.ledger.deploy(deploy), live, pawld.url(recorded.app or ""))
            if line is not None:
                yield msgspec.json.encode(line) + b"\n"
            if isinstance(recorded.event, DeployQueued) and (first := _ahead(pawld, recorded)):
                yield (
                    msgspec.json.encode({"event": "waiting", "deploy": deploy, "at": recorded.at, "for": first}) + b"\n"
                )
            if isinstance(recorded.event, DeployEnded):
                return
    finally:
        unsubscribe()
        look_away()


def _live_after(event: object, live: str | None) -> str | None:
    """The release that serves once an event of the deploy has happened."""
    match event:
        case DeployQueued(from_live=before) | ChangeFound(from_live=before):
            return before.release if before else None
        case Switched(release=release) | SwitchedBack(release=release):
            return release
        case _:
            return live


def _ahead(pawld: Pawld, queued: Recorded) -> str | None:
    """The deploy of the same app that must end first."""
    first = next((item.id for item in pawld.ledger.unfinished() if item.app == queued.app), None)
    return None if first == queued.deploy else first


class LogQuery(msgspec.Struct, frozen=True):
    """Which lines: of one process type, written since (Unix seconds), the last ``tail`` of each file."""

    process: str | None = None
    since: float | None = None
    tail: int | None = None
    failed: bool = False
    follow: bool = False


def log_lines(pawld: Pawld, app: str, query: LogQuery) -> AsyncIterator[bytes]:
    """JSON lines ``{"at", "name", "text"}`` of an app's logs, in the order they were written, secrets masked.

    Raises:
        StateError: a settings version cannot be read, at once and not on the way.
    """
    return _log_lines(LogFolder(pawld.home.logs(app)), query, _redactor(pawld, app))


async def _log_lines(folder: LogFolder, query: LogQuery, redactor: Redactor) -> AsyncIterator[bytes]:
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    async for line in _read_aside(_stored(folder, query, offsets), redactor):
        yield line
    while query.follow:
        await asyncio.sleep(_FOLLOW_S)
        async for line in _read_aside(_added(folder, query, offsets, sizes), redactor):
            yield line


async def _read_aside(lines: Iterator[Line], redactor: Redactor) -> AsyncIterator[bytes]:
    """The lines encoded. They are read in a thread, some at a time: a long log or index must not hold up pawld."""
    encoded = (_encode(line, redactor) for line in lines)
    while some := await asyncio.to_thread(list, itertools.islice(encoded, _AT_A_TIME)):
        for line in some:
            yield line


def _added(folder: LogFolder, query: LogQuery, offsets: dict[str, int], sizes: dict[str, int]) -> Iterator[Line]:
    """Whole lines beyond ``offsets``, dated now, of the files that have grown beyond ``sizes``; both are kept up."""
    for file in _files(folder, query):
        name, size = file.path.name, file.size()
        start = offsets.get(name, 0)
        if size <= sizes.get(name, start):
            continue
        sizes[name] = size
        for line, offset in file.lines(start=start, end=size, index=UNDATED):
            if _is_whole(file, offset):
                offsets[name] = offset
                yield Line(time.time(), line.name, line.text)


def _is_whole(file: LogFile, offset: int) -> bool:
    """Whether the line that ends at ``offset`` has its newline; one that is still being written waits for it."""
    try:
        with file.path.open("rb") as stream:
            stream.seek(offset - 1)
            return stream.read(1) == b"\n"
    except OSError:
        return True


def _stored(folder: LogFolder, query: LogQuery, offsets: dict[str, int]) -> Iterator[Line]:
    sources = []
    for file in _files(folder, query):
        start = file.tail_offset(query.tail) if query.tail is not None else 0
        sources.append(_since(file, start, query.since, offsets))
    merged = heapq.merge(*sources, key=lambda line: line.at)
    if query.tail is None:
        yield from merged
        return
    kept = list(merged)
    yield from kept[-query.tail :] if query.tail else []


def _since(file: LogFile, start: int, since: float | None, offsets: dict[str, int]) -> Iterator[Line]:
    offsets[file.path.name] = file.size()
    if since is not None and file.last_date() < since:
        return
    index = file.index()
    if since is not None:
        start = max(start, file.offset_since(since, index))
    offsets[file.path.name] = start
    for line, offset in file.lines(start=start, index=index):
        offsets[file.path.name] = offset
        if since is None or line.at >= since:
            yield line


def _files(folder: LogFolder, query: LogQuery) -> list[LogFile]:
    files = folder.files(query.process)
    if query.failed:
        failed = folder.failed()
        return [file for file in files if file.path.name in failed]
    if query.process is None:
        return [file for file in files if file.name.partition(".")[0] not in _SPECIAL]
    return files


def _redactor(pawld: Pawld, app: str) -> Redactor:
    version = pawld.ledger.settings_version(app)
    folder = SettingsFolder(pawld.home.settings(app))
    values: set[str] = set()
    for number in range(version + 1):  # a log may be as old as any of them
        if number == version or folder.has(number):
            values.update(folder.read(number).secrets.values())
    return Redactor(values)


async def lines_between(
    pawld: Pawld, app: str, *, since: float, until: float, most: int
) -> list[tuple[float, str, str]]:
    """What an app's instances wrote in a span: at, name, text, secrets masked, oldest first.

    At most ``most`` lines, those in the middle of the span; of each file no more is read than so
    many ordinary lines take, and in a thread.
    """
    folder, redactor = LogFolder(pawld.home.logs(app)), _redactor(pawld, app)
    lines = await asyncio.to_thread(_lines_between, folder, since, until, most)
    return [(line.at, line.name, redactor.text(line.text)) for line in lines]


def _lines_between(folder: LogFolder, since: float, until: float, most: int) -> list[Line]:
    found: list[Line] = []
    for file in _files(folder, LogQuery()):
        if file.last_date() < since:
            continue
        begin, end = _part(file, since, until, most)
        lines = [line for line, _ in file.lines(start=begin, end=end) if since <= line.at <= until]
        found += lines
    found.sort(key=lambda line: line.at)
    middle = bisect.bisect_left(found, (since + until) / 2, key=lambda line: line.at)
    first = max(0, min(middle - most // 2, len(found) - most))
    return found[first : first + most]


def _part(file: LogFile, since: float, until: float, most: int) -> tuple[int, int]:
    """Where in a file its lines of a span are; where they are many, those about the middle of it."""
    sizes, times = file.index()
    size = file.size()
    if not sizes or file.last_write() < since:
        return (0, size) if not sizes and file.last_write() >= since else (size, size)

    def offset(at: float, *, is_end: bool) -> int:
        place = bisect.bisect_right(times, at) if is_end else bisect.bisect_left(times, at) - 1
        return 0 if place < 0 else size if place >= len(sizes) else sizes[place]

    begin, end = offset(since, is_end=False), offset(until, is_end=True)
    room = most * _LINE_BYTES
    if end - begin > 2 * room:
        middle = offset((since + until) / 2, is_end=False)
        begin, end = max(begin, middle - room), min(end, middle + room)
    return begin, end


def _encode(line: Line, redactor: Redactor) -> bytes:
    shown = {"at": shapes.iso(line.at), "name": line.name, "text": redactor.text(line.text)}
    return msgspec.json.encode(shown) + b"\n"
