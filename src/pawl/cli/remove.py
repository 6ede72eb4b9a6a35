"""``pawl remove``"""

from __future__ import annotations

import sys

import click

from pawl.cli import options, output
from pawl.errors import UsageError


@click.command("remove")
@click.argument("app")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.json_option
def command(app: str, *, yes: bool, as_json: bool) -> None:
    """Stop an app and delete its releases, settings, secrets and logs. Its data folder and its history stay."""
    client = options.client()
    client.get("status", app=app)
    if not yes and not sys.stdin.isatty():
        raise UsageError(f"'{app}' is not removed without being asked to twice", next_step=f"pawl remove {app} --yes")
    if not yes:
        click.confirm(f"stop '{app}' and delete its releases, settings, secrets and logs?", abort=True, err=True)
    answer = client.delete("apps", app)
    if as_json:
        output.as_json(answer)
        return
    output.result(f"{app} is removed; its data stays in {answer['data']}")
