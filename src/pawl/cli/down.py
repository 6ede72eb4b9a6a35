"""``pawl down``"""

from __future__ import annotations

import click

from pawl.cli import options, output
from pawl.client import local
from pawl.errors import PawlError, Unreachable


@click.command("down")
@click.option("--leave-running", is_flag=True, help="Stop pawld only: apps and proxy serve on for the next 'pawl up'.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for them.",
)
def command(*, leave_running: bool, timeout_s: float) -> None:
    """Stop the proxy, the apps and pawld, in this order; requests and tasks under way are finished first."""
    try:
        answer = options.client().post("stop", leave_running="1" if leave_running else None)
    except Unreachable:
        output.result("pawld is not running")
        return
    if not local.wait_gone(answer["pid"], timeout_s):
        raise PawlError(f"pawld (pid {answer['pid']}) has not ended after {timeout_s:g} s", next_step="see: pawl ps")
    output.result("pawld is down; the apps serve on" if leave_running else "pawld is down, and its apps with it")
