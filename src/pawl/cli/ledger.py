"""``pawl ledger``"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pawl.cli import options, output
from pawl.cli.times import unix_time
from pawl.errors import PawlError, UsageError

Json = dict[str, Any]
_PAGE = 200


@click.group("ledger")
def command() -> None:
    """Everything that happened: look it up, take it out, put it back."""


@command.command("list")
@click.argument("app", required=False)
@click.option("--kind", metavar="KIND", help="Events of this kind only; several with commas.")
@click.option("--deploy", metavar="DEPLOY", help="Events of this deploy only.")
@click.option("--text", metavar="WORDS", help="Events that have each of these words somewhere.")
@click.option("--since", metavar="TIME", help="Events since then: 10m, 2h, 7d, a time of day or an ISO 8601 time.")
@click.option("--place", metavar="PLACE", help="Events of another place of a team's database.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at the most.")
@options.json_option
def list_(
    app: str | None, *, kind: str | None, deploy: str | None, text: str | None, since: str | None, place: str | None,
    limit: int, as_json: bool,
) -> None:  # fmt: skip
    """The events, newest first."""
    query = {"app": app, "kind": kind, "deploy": deploy, "text": text, "since": unix_time(since), "place": place}
    events = list(_found(query, limit))
    if as_json:
        output.as_json({"events": events})
        return
    if not events:
        output.result("no such events")
        return
    output.table(
        ("SEQ", "AT", "APP", "DEPLOY", "KIND", "WHAT"),
        [
            (
                one["seq"], output.moment(one["at"]), one["app"] or "", one["deploy"] or "", one["kind"],
                _in_short(one["data"]),
            )
            for one in events
        ],
    )  # fmt: skip


def _found(query: Json, limit: int) -> Iterator[Json]:
    """The events, page by page; a page may be empty where there are few."""
    client = options.client()
    before: int | None = None
    while limit:
        answer = client.get("ledger", "events", **query, before=before, limit=min(limit, _PAGE))
        yield from answer["events"]
        limit -= len(answer["events"])
        before = answer["older"]
        if before is None:
            return


def _in_short(data: Json) -> str:
    """The values of an event that fit on a line, those that say nothing left out."""
    told = []
    for name, value in data.items():
        if name in ("kind", "schema") or value is None or value in ("", [], {}):
            continue
        shown = value.get("title") or value.get("verdict") or "…" if isinstance(value, dict) else value
        told.append(f"{name}={' '.join(str(shown).split())}")
    text = ", ".join(told)
    return text if len(text) <= 120 else f"{text[:119]}…"


@command.command("export")
@click.argument("file", default="-")
@options.json_option
def export(file: str, *, as_json: bool) -> None:
    """Write the whole ledger as JSON lines, to FILE or stdout. pawld may run or not."""
    from pawl.client import ledger

    progress = _Progress("exported")
    if file == "-":
        if as_json:
            raise UsageError("--json goes with a file", next_step="pawl ledger export FILE --json")
        answer = ledger.export(options.home(), sys.stdout.buffer, on_progress=progress)
        sys.stdout.buffer.flush()
    else:
        answer = _export_to(Path(file), progress)
    progress.end()
    if as_json:
        output.as_json(answer)
    else:
        output.say(f"{answer['events']} events of {answer['ledger']}")


def _export_to(path: Path, progress: _Progress) -> Json:
    """Write a file of this name only when it is whole."""
    from pawl.client import ledger

    part = path.with_name(f"{path.name or 'ledger'}.part")
    try:
        if path.exists() and not path.is_file():  # a pipe, a device
            with path.open("wb") as sink:
                return ledger.export(options.home(), sink, on_progress=progress)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
            answer = ledger.export(options.home(), sink, on_progress=progress)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise PawlError(f"{path} cannot be written", why=error.strerror or str(error)) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return answer


@command.command("import")
@click.argument("file")
@click.option("--check", "only_check", is_flag=True, help="Only see whether FILE is whole; change nothing.")
@options.json_option
def import_(file: str, *, only_check: bool, as_json: bool) -> None:
    """Put an export into an empty ledger. pawld must not run.

    The ledger is that of PAWL_LEDGER, else of the state folder. FILE may be - for stdin. All of it is imported, with
    the same numbers and times, or nothing.
    """
    from pawl.client import ledger

    progress = _Progress("checked" if only_check else "imported")
    try:
        with sys.stdin.buffer if file == "-" else open(file, "rb") as source:
            answer = ledger.take(
                options.home(), source, "stdin" if file == "-" else file, only_check=only_check, on_progress=progress
            )
    except OSError as error:
        raise UsageError(f"{file} cannot be read", why=error.strerror or str(error)) from error
    progress.end()
    if as_json:
        output.as_json(answer)
    elif only_check:
        output.result(f"{file} is whole: {answer['events']} events")
    else:
        output.result(f"{answer['events']} events are in {answer['ledger']}")
        output.say("  next: pawl up")


class _Progress:
    """A line that counts, on a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = False

    def __call__(self, done: int, of: int) -> None:
        if sys.stderr.isatty():
            self._is_shown = True
            sys.stderr.write(f"\r{self._what} {done} of {of} events")
            sys.stderr.flush()

    def end(self) -> None:
        if self._is_shown:
            sys.stderr.write("\n")
