"""``pawl watch``"""

from __future__ import annotations

import click

from pawl.cli import options, progress


@click.command("watch")
@click.argument("deploy")
@options.json_option
def command(deploy: str, *, as_json: bool) -> int:
    """Show a deploy from its beginning to its outcome, and exit as 'pawl deploy' would."""
    client = options.client()
    return progress.follow(client.lines("deploys", deploy, "events"), deploy=deploy, as_json=as_json)
