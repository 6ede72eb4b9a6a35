"""``pawl logs``"""

from __future__ import annotations

import sys

import click

from pawl.cli import options, output
from pawl.cli.times import unix_time


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
        since=unix_time(since),
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
