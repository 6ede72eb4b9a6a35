"""``pawl deploys``"""

from __future__ import annotations

import click

from pawl.cli import options, output


@click.command("deploys")
@click.argument("app")
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at the most.")
@options.json_option
def command(app: str, *, limit: int, as_json: bool) -> None:
    """The deploys of an app and their outcomes, newest first."""
    answer = options.client().get("apps", app, "deploys", limit=limit)
    if as_json:
        output.as_json(answer)
        return
    output.table(
        ("DEPLOY", "KIND", "RELEASE", "OUTCOME", "QUEUED", "TOOK", "WHY OR WHAT"),
        [
            (
                item["deploy"], item["kind"], item["release"], item["outcome"] or f"at {item['status']}",
                output.moment(item["queued_at"]), output.duration(item["duration_s"]),
                item["reason"] or (item["commit"] or {}).get("title", ""),
            )
            for item in answer["deploys"]
        ],
    )  # fmt: skip
    for item in answer["deploys"]:
        for lesson in item["learned"]:
            output.result(f"learned from {item['deploy']}: {output.printable(lesson['text'])}")
