"""``pawl status``"""

from __future__ import annotations

from typing import Any

import click

from pawl.cli import options, output


@click.command("status")
@click.argument("app", required=False)
@options.json_option
def command(app: str | None, *, as_json: bool) -> None:
    """What is live, since when, and its instances."""
    answer = options.client().get("status", app=app)
    if as_json:
        output.as_json(answer)
        return
    if not answer["apps"]:
        output.result("no apps yet; deploy one: pawl deploy")
    for number, item in enumerate(answer["apps"]):
        if number:
            output.result()
        _show(item)
    if not answer["ledger"].startswith("/"):
        output.result(f"ledger: {answer['ledger']}")


def _show(item: dict[str, Any]) -> None:
    live = item["live"]
    if live is None:
        output.result(f"{item['app']}  not live")
    else:
        output.result(f"{item['app']}  {item['url']}  release {live['release']}, live for {output.ago(live['since'])}")
    if item["deploying"]:
        output.result(f"  deploy {item['deploying']['deploy']} is at '{item['deploying']['stage']}'")
    for process in item["processes"]:
        for instance in process["instances"]:
            restarts = f", {instance['restarts']} restarts" if instance["restarts"] else ""
            role = "" if instance["role"] in ("live", instance["state"]) else f", {instance['role']}"
            output.result(
                f"  {instance['name']:<12}{instance['state']:<11}{output.size(instance['rss_bytes']):>7}  "
                f"pid {instance['pid'] or '-'}, {output.ago(instance['since'])}{restarts}{role}"
            )
