"""``pawl observe``"""

from __future__ import annotations

from typing import Any

import click

from pawl.cli import observation, options, output, progress


@click.command("observe")
@click.argument("deploy")
@options.json_option
def command(deploy: str, *, as_json: bool) -> int:
    """Show what was seen of a change in production, and the verdict.

    While DEPLOY is under way it is followed to its outcome. Exit status: 0 kept, 1 taken back or failed.
    """
    client = options.client()
    seen = client.get("deploys", deploy, "observation")
    if seen["outcome"] is None and not as_json:
        return progress.follow(client.lines("deploys", deploy, "events"), deploy=deploy, as_json=False)
    if as_json:
        output.as_json(seen)
    else:
        for text in _report(seen):
            output.result(text)
    return 0 if seen["outcome"] in (None, "kept") else 1


_INCIDENTS = {"caused": "caused incident", "ended": "ended incident", "meanwhile": "during incident"}


def _report(seen: dict[str, Any]) -> list[str]:
    texts = [f"{seen['app']}: deploy {seen['deploy']}, release {seen['release']}: {seen['outcome']}"]
    verdicts = seen["verdicts"]
    for verdict in verdicts:
        where = "canary: " if verdict["stage"] == "canary" else ""
        texts += [
            f"{where}{text}" if number == 0 else f"  {text}" for number, text in enumerate(observation.report(verdict))
        ]
        if verdict["note"]:
            is_bad = verdict["verdict"] in observation.BAD
            texts.append(f"{'not taken back: ' if is_bad else ''}{output.printable(verdict['note'])}")
    if not verdicts:
        texts.append(f"not watched{': ' + output.printable(str(seen['reason'])) if seen['reason'] else ''}")
    if restored := seen["restored"]:
        texts.append(
            "the release that was restored is as bad: the cause was elsewhere, not this change"
            if restored["is_cause_elsewhere"]
            else f"the release that was restored: {restored['verdict']} ({output.printable(restored['why'])})"
        )
    for incident in seen["incidents"]:
        texts.append(f"{_INCIDENTS[incident['what']]} {incident['incident']}: {output.printable(incident['title'])}")
    texts += [f"learned: {output.printable(lesson['text'])}" for lesson in seen["learned"]]
    return texts
