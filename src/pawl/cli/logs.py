"""``pawl logs``"""

from __future__ import annotations

import re
import sys
import time
from datetime import UTC, datetime

import click

from pawl.cli import options, output
from pawl.errors import UsageError

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.command("logs")
@click.argument("app")
@click.option("--process", metavar="TYPE", help="One process type; or build, test, task.")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written.")
@click.option("--since", metavar="TIME", help="Lines since then: 30s, 10m, 2h, 1d, or an ISO 8601 time.")
@click.option("--tail", type=click.IntRange(0, 100_000), help="The last so many lines (default 200 without --since).")
@click.option("--failed", is_flag=True, help="The last start that failed.")
@options.json_option
def command(
    app: str, *, process: str | None, follow: bool, since: str | None, tail: int | None, failed: bool, as_json: bool
) -> None:
    """What an app's instances wrote, in the order they wrote it; secrets are masked."""
    if tail is None and since is None:
        tail = 200
    lines = options.client().lines(
        "apps",
        app,
        "logs",
        process=process,
        since=_since(since),
        tail=tail,
        follow=follow or None,
        failed=failed or None,
    )
    for line in lines:
        if as_json:
            output.as_json(line)
        else:
            output.result(f"{output.moment(line['at'])} {line['name']:<9} {output.printable(line['text'])}")
        if follow:
            sys.stdout.flush()


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    if match := _SPAN.fullmatch(text):
        return time.time() - float(match[1]) * _UNITS[match[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is not a time", next_step="write 30s, 10m, 2h, 1d or 2026-05-09T07:35:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
