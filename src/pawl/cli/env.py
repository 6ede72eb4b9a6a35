"""``pawl env``"""

from __future__ import annotations

import click

from pawl.cli import options, output, settings
from pawl.errors import UsageError

_no_restart = click.option("--no-restart", is_flag=True, help="Keep the change for the next deploy.")


@click.group("env")
def command() -> None:
    """Set, unset and list environment variables.

    A change makes a new version of the app's settings and puts it live with a restart; a rollback restores the
    version that its release ran with.
    """


@command.command("set")
@click.argument("app")
@click.argument("values", nargs=-1, required=True, metavar="NAME=VALUE…")
@_no_restart
@options.json_option
def set_(app: str, *, values: tuple[str, ...], no_restart: bool, as_json: bool) -> int:
    """Set environment variables. For what must stay secret: pawl secrets set."""
    wanted = dict(_pair(text) for text in values)
    return settings.change("env", app, body={"set": wanted, "restart": not no_restart}, as_json=as_json)


@command.command("unset")
@click.argument("app")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_no_restart
@options.json_option
def unset(app: str, *, names: tuple[str, ...], no_restart: bool, as_json: bool) -> int:
    """Take environment variables out."""
    return settings.change("env", app, body={"unset": names, "restart": not no_restart}, as_json=as_json)


@command.command("list")
@click.argument("app")
@options.json_option
def list_(app: str, *, as_json: bool) -> None:
    """Show the environment variables that were set here (those of pawl.toml are in pawl.toml)."""
    answer = options.client().get("apps", app, "env")
    if as_json:
        output.as_json(answer)
        return
    settings.say_which(app, answer)
    for name, value in sorted(answer["env"].items()):
        output.result(f"{name}={output.printable(value)}")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"'{text}' is not NAME=VALUE", next_step="for example: pawl env set APP DEBUG=0")
    return name, value
