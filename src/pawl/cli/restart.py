"""``pawl restart``"""

from __future__ import annotations

import click

from pawl.cli import options, progress


@click.command("restart")
@click.argument("app")
@options.json_option
def command(app: str, *, as_json: bool) -> int:
    """Replace every instance of the live release by a new one, without an interruption."""
    client = options.client()
    answer = client.post("apps", app, "restart", body={"asked_by": options.asked_by()})
    return progress.follow(
        client.lines("deploys", answer["deploy"], "events"), deploy=answer["deploy"], as_json=as_json
    )
