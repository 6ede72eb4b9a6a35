"""``pawl releases``"""

from __future__ import annotations

import click

from pawl.cli import options, output


@click.command("releases")
@click.argument("app")
@options.json_option
def command(app: str, *, as_json: bool) -> None:
    """The releases of an app, newest first; those on disk can be gone back to."""
    answer = options.client().get("apps", app, "releases")
    if as_json:
        output.as_json(answer)
        return
    output.table(
        ("RELEASE", "STATE", "BUILT", "LAST LIVE", "AUTHOR", "CHANGE"),
        [
            (
                item["release"], "live" if item["is_live"] else "on disk" if item["is_on_disk"] else "deleted",
                output.moment(item["built_at"]), output.moment(item["last_live_at"]), item["commit"]["author"],
                item["commit"]["title"],
            )
            for item in answer["releases"]
        ],
    )  # fmt: skip
