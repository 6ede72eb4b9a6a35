"""Write the ``--help`` texts into docs/commands.md: ``python tools/update_docs.py``; ``--check`` only compares.

Each text stands between ``<!-- help: COMMAND -->`` and ``<!-- end -->``. A block for a command that is not there, or a
command without a block, is an error.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
from click.testing import CliRunner

from pawl.cli.main import COMMANDS, cli

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"
_BLOCK = re.compile(r"<!-- help: (?P<command>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)
_WIDTH = 96


def commands() -> list[str]:
    """Every command and subcommand, as it is typed after ``pawl``."""
    found = []
    context = click.Context(cli)
    for name in COMMANDS:
        found.append(name)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            found.extend(f"{name} {inner}" for inner in command.list_commands(context))
    return found


def help_of(command: str) -> str:
    """What ``pawl COMMAND --help`` prints, at a fixed width."""
    done = CliRunner().invoke(
        cli, [*command.split(), "--help"], prog_name="pawl", terminal_width=_WIDTH, catch_exceptions=False
    )
    return done.output.rstrip()


def rewritten(page: str) -> str:
    """The page with every block as the code has it.

    Raises:
        ValueError: the page's blocks are not those of the commands.
    """
    blocks = [match["command"] for match in _BLOCK.finditer(page)]
    if sorted(blocks) != sorted(commands()):
        odd = sorted(set(blocks) ^ set(commands())) or [name for name in blocks if blocks.count(name) > 1]
        raise ValueError(f"{PAGE.name} must have one help block for each command: look at {', '.join(odd)}")
    return _BLOCK.sub(lambda match: _block(match["command"]), page)


def _block(command: str) -> str:
    return f"<!-- help: {command} -->\n```text\n{help_of(command)}\n```\n<!-- end -->"


def main() -> None:
    old = PAGE.read_text("utf-8")
    try:
        new = rewritten(old)
    except ValueError as error:
        sys.exit(f"error: {error}")
    if new == old:
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"error: {PAGE.name} is not up to date\n  next: python tools/update_docs.py")
    PAGE.write_text(new, "utf-8")


if __name__ == "__main__":
    main()
