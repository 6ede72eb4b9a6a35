"""``pawl scale``"""

from __future__ import annotations

import click

from pawl.cli import options, output
from pawl.errors import UsageError


@click.command("scale")
@click.argument("app")
@click.argument("counts", nargs=-1, required=True, metavar="TYPE=COUNT…")
@options.json_option
def command(app: str, *, counts: tuple[str, ...], as_json: bool) -> None:
    """Run so many instances of each process type from now on, also after the next deploy."""
    wanted = dict(_count(text) for text in counts)
    answer = options.client().post("apps", app, "scale", body={"processes": wanted})
    if as_json:
        output.as_json(answer)
        return
    output.result(f"{app}: " + ", ".join(f"{kind}={count}" for kind, count in answer["processes"].items()))


def _count(text: str) -> tuple[str, int]:
    kind, sign, count = text.partition("=")
    if not sign or not count.isascii() or not count.isdigit() or len(count) > 6:
        raise UsageError(f"'{text}' is not TYPE=COUNT", next_step="for example: pawl scale APP web=3 worker=2")
    return kind, int(count)
