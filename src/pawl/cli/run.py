"""``pawl run``"""

from __future__ import annotations

import os
import sys

import click

from pawl.cli import options, output
from pawl.errors import PawlError, UsageError


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("app")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD…")
def command(app: str, *, words: tuple[str, ...]) -> None:
    """Run a command in the live release's folder with its production environment; exits as the command does.

    For example: pawl run blog -- python manage.py shell
    """
    words = words[1:] if words[0] == "--" else words
    if not words:
        raise UsageError("no command to run", next_step="for example: pawl run APP -- python manage.py shell")
    place = options.client().get("apps", app, "run")
    environ = {**place["environ"], **{name: os.environ[name] for name in ("TERM",) if name in os.environ}}
    try:
        os.chdir(place["cwd"])
        sys.stdout.flush()
        os.execvpe(words[0], list(words), environ)  # noqa: S606  the command is the user's own
    except FileNotFoundError:
        output.error(
            PawlError(
                f"'{words[0]}' is not found in release {place['release']}",
                next_step="is it installed by the app's dependencies?",
            )
        )
        sys.exit(127)
    except OSError as error:
        output.error(PawlError(f"'{words[0]}' could not be run", why=error.strerror or str(error)))
        sys.exit(126)
