"""Shows a deploy as it goes: plain lines when piped, a moving line on a terminal, JSON lines with ``--json``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pawl.cli import observation, output
from pawl.errors import Unreachable

Json = dict[str, Any]
_QUIET = ("stage began", "task began")
_LOOKS_EVERY_S = 30.0


def follow(
    lines: Iterable[Json],
    *,
    deploy: str,
    as_json: bool,
    to_live: bool = False,
    seen: list[Json] | None = None,
    good: Collection[str] = ("kept",),
) -> int:
    """Show the events of a deploy to its outcome; the exit status of the command that asked for it.

    ``to_live``: only until it is live and the watch over it has begun. ``seen`` is added every event. ``good`` are
    the outcomes that were wanted.

    Raises:
        Unreachable: pawld went away before the outcome.
        KeyboardInterrupt: after saying that the deploy goes on without us.
    """
    show = _Json() if as_json else _Terminal() if sys.stderr.isatty() else _Plain()
    try:
        with show:
            for line in lines:
                show.event(line)
                if seen is not None:
                    seen.append(line)
                if line["event"] == "outcome":
                    return 0 if line["outcome"] in good else 1
                if to_live and line["event"] == "look" and line["canary_percent"] is None:
                    output.say(f"watched for {line['duration_s']:g} s from here on: pawl observe {deploy}")
                    return 0
    except KeyboardInterrupt:
        output.say(f"\nthe deploy goes on in pawld; watch it with: pawl watch {deploy}")
        raise
    raise Unreachable(
        f"pawld went away during deploy {deploy}",
        why="when it is back it finishes the deploy or restores what was live",
        next_step="pawl up, then: pawl status",
    )


class _Json(nullcontext[None]):
    def event(self, line: Json) -> None:
        output.as_json(line)


class _Plain(nullcontext[None]):
    """One aligned line per event on stderr, a look now and then; the outcome on stdout."""

    def __init__(self) -> None:
        super().__init__()
        self._next_look_s = 0.0

    def event(self, line: Json) -> None:
        if line["event"] == "look":
            self._look(line)
        elif line["event"] == "outcome":
            _outcome(line)
        elif line["event"] not in _QUIET:
            for text in _TOLD.get(line["event"], _one_row)(line):
                output.say(text)

    def _look(self, line: Json) -> None:
        if line["elapsed_s"] >= self._next_look_s:
            self._next_look_s = line["elapsed_s"] + _LOOKS_EVERY_S
            output.say(f"  {'watching':<12}{output.duration(line['elapsed_s']):>8}  {observation.line(line)}")


class _Terminal(_Plain):
    """The same, with the stage that is under way and its seconds on a moving last line."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True)
        self._status: AbstractContextManager[Any] | None = None
        self._began = time.monotonic()

    def event(self, line: Json) -> None:
        self._clear()
        if line["event"] == "look":
            self._show(f"{line['elapsed_s']:.0f} of {line['duration_s']:.0f} s: {observation.line(line)}")
            return
        super().event(line)
        if line["event"] in ("stage began", "task began"):
            self._show(f"{line.get('command') or line['stage']} …")

    def _show(self, what: str) -> None:
        from rich.markup import escape

        self._status = self._console.status(f"[dim]{escape(output.printable(what))}[/dim]", spinner="dots")
        self._status.__enter__()

    def __exit__(self, *_exception: object) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._status is not None:
            self._status.__exit__(None, None, None)
            self._status = None


def _change(line: Json) -> list[str]:
    change = line["change"]
    head = f"{line['app']}: {line['kind']} {line['deploy']}, release {line['release']}"
    texts = [head + (f", from {line['previous']}" if line["previous"] else ", the first")]
    texts += [
        output.dim(f"  {item['sha'][:7]}  {item['title']} ({item['author']})") for item in map(_plain, change[:5])
    ]
    if len(change) > 5:
        texts.append(output.dim(f"  and {len(change) - 5} more"))
    if len(change) > 1:
        authors = f" by {len(line['authors'])} authors" if len(line["authors"]) > 1 else ""
        texts.append(f"  this deploy bundles {len(change)} changes{authors}; each by itself: pawl deploy --one-by-one")
    return texts


def _plain(commit: Json) -> Json:
    return {name: output.printable(value) for name, value in commit.items()}


def _migrations(line: Json) -> list[str]:
    """What the release tasks are about to do to the database, the dangerous part in red."""
    if line["trouble"]:
        return [f"  {'migrations':<12}{'':>8}  the plan could not be read: {output.printable(line['trouble'])}"]
    texts = [f"  {'migrations':<12}{len(line['pending']):>8}  {output.printable(', '.join(line['pending']))}"]
    texts += [output.bad(f"    {output.printable(text)}") for text in (*line["destructive"], *line["irreversible"])]
    texts += [f"    {output.printable(text)}" for text in line["unknown"]]
    if line["destructive"] or line["irreversible"]:
        texts.append("    so this change will not be taken back by itself")
    return texts


def _verdict(line: Json) -> list[str]:
    """The verdict with its numbers; the line of the stage says it in short."""
    head, *rest = observation.report(line)
    colour = output.bad if line["verdict"] in observation.BAD else output.good if line["verdict"] == "keep" else str
    return [
        f"  {'verdict':<12}{output.duration(line['elapsed_s']):>8}  {colour(head)}",
        *(f"    {text}" for text in rest),
    ]


def _row(line: Json) -> str:
    if line["event"] == "waiting":
        return f"  {'queued':<12}{'':>8}  waits for deploy {line['for']}"
    if line["event"] == "change":
        count, since = len(line["change"]), f"since {line['previous']}" if line["previous"] else "and nothing is live"
        return f"  {'now':<12}{'':>8}  {count} {'change' if count == 1 else 'changes'} {since}"
    if line["event"] == "task":
        return f"  {'':<12}{output.duration(line['duration_s']):>8}  task {line['index'] + 1}"
    if line["event"] == "keep asked":
        return f"  {'keep':<12}{'':>8}  asked for by {output.printable(line['by'])}"
    if line["event"] == "taken back":
        return output.bad(f"  {'taken back':<12}{'':>8}  release {line['release']} serves again")
    if line["event"] == "switched":
        return output.good(f"  {'live':<12}{'':>8}  {line['url']}")
    detail = output.dim(output.printable(line["detail"]))
    return f"  {line['stage']:<12}{output.duration(line['duration_s']):>8}  {detail}".rstrip()


def _outcome(line: Json) -> None:
    took = output.duration(line["duration_s"])
    if line["outcome"] == "kept":
        release = line["live"]
        output.result(f"{line['app']} is live: {line['url']} (release {release}, deploy {line['deploy']}, {took})")
        if line["reason"]:
            output.say(f"but: {output.printable(line['reason'])}")
        return
    stage = f" at '{line['failed_stage']}'" if line["failed_stage"] else ""
    output.say(output.bad(f"{line['outcome']}{stage}: ") + output.printable(line["reason"]))
    for text in line["detail"].splitlines():
        output.say(output.dim(f"  | {output.printable(text)}"))
    if line["next"]:
        output.say(output.next_line(line["next"]))
    serving = f"release {line['live']} goes on serving" if line["live"] else "nothing was live before"
    output.result(f"{line['app']}: deploy {line['deploy']} {line['outcome']} after {took}; {serving}")


def _one_row(line: Json) -> list[str]:
    return [_row(line)]


_TOLD: dict[str, Callable[[Json], list[str]]] = {
    "queued": _change, "migrations": _migrations, "verdict": _verdict,
}  # fmt: skip
