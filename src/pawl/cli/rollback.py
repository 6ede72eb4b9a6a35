"""``pawl rollback``"""

from __future__ import annotations

import click

from pawl.cli import options, progress
from pawl.errors import UsageError


@click.command("rollback")
@click.argument("app")
@click.option(
    "--to", metavar="RELEASE", help="The release to go back to, by 4 digits or more (default: the one before)."
)
@options.json_option
def command(app: str, *, to: str | None, as_json: bool) -> int:
    """Go back to the release that was live before, with the env and secrets it ran with.

    While that release is kept warm this is a rename; later its instances are started first. While a candidate serves a
    part of the requests (canary), it is withdrawn. Exit status 1 when the old release did not come up, 2 when there is
    nothing to go back to.
    """
    if to is not None and not to.strip():
        raise UsageError("--to names no release", next_step=f"see: pawl releases {app}")
    client = options.client()
    answer = client.post("apps", app, "rollback", body={"to": to, "asked_by": options.asked_by()})
    return progress.follow(
        client.lines("deploys", answer["deploy"], "events"),
        deploy=answer["deploy"],
        as_json=as_json,
        good=("kept", "rolled back"),
    )
