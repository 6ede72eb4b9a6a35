"""``pawl secrets``"""

from __future__ import annotations

import sys

import click

from pawl.cli import options, output, settings
from pawl.errors import UsageError

_no_restart = click.option("--no-restart", is_flag=True, help="Keep the change for the next deploy.")


@click.group("secrets")
def command() -> None:
    """Set, unset and list secrets. Values come from stdin or a prompt, never from an argument, and are never shown."""


@command.command("set")
@click.argument("app")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_no_restart
@options.json_option
def set_(app: str, *, names: tuple[str, ...], no_restart: bool, as_json: bool) -> int:
    """Set secrets; asks for each value, or reads it from stdin.

    From stdin: the value itself for one NAME, NAME=VALUE lines for several.
    """
    for name in names:
        if "=" in name:
            raise UsageError(
                f"'{name.partition('=')[0]}' was given with its value on the command line",
                why="a command line can be read by other users and is kept in the shell's history",
                next_step=f"pawl secrets set {app} {name.partition('=')[0]}   (then type or pipe the value)",
            )
    values = _prompted(names) if sys.stdin.isatty() else _piped(names, _stdin())
    return settings.change("secrets", app, body={"set": values, "restart": not no_restart}, as_json=as_json)


def _prompted(names: tuple[str, ...]) -> dict[str, str]:
    return {name: click.prompt(name, hide_input=True, err=True) for name in names}


def _stdin() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def _piped(names: tuple[str, ...], text: str) -> dict[str, str]:
    if len(names) == 1 and not text.startswith(f"{names[0]}="):
        value = text.removesuffix("\n").removesuffix("\r")
        if not value:
            raise UsageError(
                f"no value for {names[0]} on stdin", next_step=f"printf %s VALUE | pawl secrets set APP {names[0]}"
            )
        return {names[0]: value}
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"no value for {missing[0]} on stdin", next_step="give a line NAME=VALUE for each")
    return {name: found[name] for name in names}


@command.command("unset")
@click.argument("app")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_no_restart
@options.json_option
def unset(app: str, *, names: tuple[str, ...], no_restart: bool, as_json: bool) -> int:
    """Take secrets out."""
    return settings.change("secrets", app, body={"unset": names, "restart": not no_restart}, as_json=as_json)


@command.command("list")
@click.argument("app")
@options.json_option
def list_(app: str, *, as_json: bool) -> None:
    """The names of the secrets that are set, and of those pawl.toml asks for."""
    answer = options.client().get("apps", app, "secrets")
    if as_json:
        output.as_json(answer)
        return
    settings.say_which(app, answer)
    output.table(
        ("SECRET", "STATE"), [(item["name"], "set" if item["is_set"] else "not set") for item in answer["secrets"]]
    )
