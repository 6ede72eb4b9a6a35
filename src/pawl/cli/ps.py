"""``pawl ps``"""

from __future__ import annotations

import click

from pawl.cli import options, output


@click.command("ps")
@click.argument("app", required=False)
@options.json_option
def command(app: str | None, *, as_json: bool) -> None:
    """Every instance, one per line."""
    answer = options.client().get("status", app=app)
    rows = [
        {"app": item["app"], "type": process["type"], **instance}
        for item in answer["apps"]
        for process in item["processes"]
        for instance in process["instances"]
    ]
    if as_json:
        output.as_json({"instances": rows})
        return
    output.table(
        ("APP", "INSTANCE", "PID", "STATE", "ROLE", "RELEASE", "MEMORY", "RESTARTS", "UP"),
        [
            (
                row["app"], row["name"], row["pid"] or "-", row["state"], row["role"], row["release"],
                output.size(row["rss_bytes"]), row["restarts"], output.ago(row["since"]),
            )
            for row in rows
        ],
    )  # fmt: skip
