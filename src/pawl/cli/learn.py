"""``pawl learn``"""

from __future__ import annotations

import click

from pawl.cli import options, output


@click.command("learn")
@click.argument("deploy")
@click.argument("text")
@options.json_option
def command(deploy: str, *, text: str, as_json: bool) -> None:
    """Keep what was learned from a deploy, in a sentence; there may be several.

    It is shown with the deploy by 'pawl observe' and 'pawl deploys'.
    """
    answer = options.client().post("deploys", deploy, "lessons", body={"text": text, "asked_by": options.asked_by()})
    if as_json:
        output.as_json(answer)
    else:
        output.result(f"{answer['app']}: kept with deploy {answer['deploy']}")
