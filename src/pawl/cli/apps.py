"""``pawl apps``"""

from __future__ import annotations

import click

from pawl.cli import options, output


@click.command("apps")
@options.json_option
def command(*, as_json: bool) -> None:
    """The apps, their addresses and what is live."""
    answer = options.client().get("apps")
    if as_json:
        output.as_json(answer)
        return
    output.table(
        ("APP", "URL", "RELEASE", "LIVE SINCE"),
        [
            (
                item["app"], item["url"], item["live"]["release"] if item["live"] else "not live",
                output.moment(item["live"]["since"]) if item["live"] else "",
            )
            for item in answer["apps"]
        ],
    )  # fmt: skip
