"""What ``pawl env`` and ``pawl secrets`` share: sending a change and showing the deploy that puts it live."""

from __future__ import annotations

from typing import Any

from pawl.cli import options, output, progress
from pawl.errors import UsageError, encodable


def change(what: str, app: str, *, body: dict[str, Any], as_json: bool) -> int:
    """Send a change of settings; follows the restart it causes.

    Raises:
        UsageError: a value is no text.
    """
    for name, value in body.get("set", {}).items():
        if value != encodable(value):
            raise UsageError(f"the value of {name} is not UTF-8", next_step="write it as text, for example with base64")
    client = options.client()
    answer = client.post("apps", app, what, body={**body, "asked_by": options.asked_by()})
    if answer["deploy"]:
        return progress.follow(
            client.lines("deploys", answer["deploy"], "events"), deploy=answer["deploy"], as_json=as_json
        )
    if as_json:
        output.as_json(answer)
    else:
        names = ", ".join([*body.get("set", {}), *body.get("unset", [])])
        output.result(f"{app}: {names} kept for the next deploy (settings version {answer['version']})")
    return 0


def say_which(app: str, answer: dict[str, Any]) -> None:
    """Say so when the settings shown are not those that run."""
    live = answer["live_version"]
    if live is not None and live != answer["version"]:
        output.say(f"settings version {answer['version']}; '{app}' runs with {live} until its next deploy")
