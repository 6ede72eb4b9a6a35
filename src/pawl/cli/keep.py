"""``pawl keep``"""

from __future__ import annotations

import click

from pawl.cli import options, progress


@click.command("keep")
@click.argument("deploy")
@options.json_option
def command(deploy: str, *, as_json: bool) -> int:
    """End the watch over a change and keep it, whatever was seen of it.

    The verdict is recorded as it stood, with who decided so and when; the change is not taken back for it. A canary
    goes on to serve all requests. DEPLOY is followed to its outcome. Exit status 2 when it is not being watched.
    """
    client = options.client()
    client.post("deploys", deploy, "keep", body={"asked_by": options.asked_by()})
    return progress.follow(client.lines("deploys", deploy, "events"), deploy=deploy, as_json=as_json)
