"""The entry point: finds the command, and turns errors into three lines and an exit status."""

from __future__ import annotations

import importlib
import os
import sys

import click

from pawl import __version__
from pawl.cli import output
from pawl.errors import PawlError

# Name: (module, section, what --help says). The modules are imported only when their command runs.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("init", "Start", "Write a pawl.toml for the app in this folder and add the git remote 'pawl'."),
    "up": ("up", "Start", "Start pawld in the background; apps that were live come up again."),
    "down": ("down", "Start", "Stop the proxy, the apps and pawld."),
    "host": ("host", "Start", "Have pawld started at boot (systemd)."),
    "demo": ("demo", "Start", "Show the whole loop on a real app, in a folder of its own."),
    "deploy": ("deploy", "Deploy", "Put a commit live with no dropped request."),
    "rollback": ("rollback", "Deploy", "Go back to the release that was live before, with its settings."),
    "restart": ("restart", "Deploy", "Restart the live release without an interruption."),
    "watch": ("watch", "Deploy", "Watch a deploy that is under way."),
    "observe": ("observe", "Deploy", "What was seen of a change in production, and the verdict."),
    "learn": ("learn", "Deploy", "Keep what was learned from a deploy."),
    "incident": ("incident", "Deploy", "Write down what went wrong in production, and when it was over."),
    "keep": ("keep", "Deploy", "End the watch over a change and keep it, whatever was seen."),
    "scale": ("scale", "Deploy", "Run so many instances: pawl scale APP web=3 worker=2."),
    "open": ("open", "Look", "Open the dashboard in the browser."),
    "status": ("status", "Look", "What is live, and its instances."),
    "ps": ("ps", "Look", "Every instance, one per line."),
    "apps": ("apps", "Look", "The apps and their addresses."),
    "releases": ("releases", "Look", "The releases of an app, newest first."),
    "deploys": ("deploys", "Look", "The deploys of an app, newest first."),
    "signals": ("signals", "Look", "Requests, errors, latency and saturation of an app, for any span."),
    "backtest": ("backtest", "Look", "How often the judge would have been wrong on an app's own history."),
    "dora": ("dora", "Look", "How changes get live and how they fare: the DORA measures."),
    "ledger": ("ledger", "Look", "Everything that happened: look it up, export it, import it."),
    "logs": ("logs", "Look", "What an app's instances, builds, tests and tasks wrote."),
    "run": ("run", "Settings", "Run a command in the live release with its production environment."),
    "env": ("env", "Settings", "Set, unset and list environment variables."),
    "secrets": ("secrets", "Settings", "Set, unset and list secrets; values are never shown."),
    "remove": ("remove", "Settings", "Stop an app and delete its releases and settings."),
    "doctor": ("doctor", "Settings", "Check this machine and the state folder."),
}


class _Commands(click.Group):
    """A group that imports a command's module when the command runs, and lists them without."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pawl.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(
                f"no command '{args[0]}'" + (f", did you mean '{near[0]}'?" if near else ""), ctx
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section in dict.fromkeys(row[1] for row in COMMANDS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items() if row[1] == section])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="State lives in PAWL_HOME (default ~/.local/state/pawl). Exit status: 0 good, 1 failed or rolled back, "
    "2 wrong use or configuration, 3 pawld not reachable.",
)
@click.version_option(__version__, prog_name="pawl")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(*, debug: bool) -> None:
    """Pawl: continuous deployment for Python web apps that turns one way only."""
    if debug:
        os.environ["PAWL_DEBUG"] = "1"


def main() -> None:
    """Run a command and exit with its status."""
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Exit as wish:
        status = wish.exit_code
    except click.ClickException as error:
        output.usage(error)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        output.interrupted()
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except PawlError as error:
        if os.environ.get("PAWL_DEBUG"):
            raise
        output.error(error)
        status = error.exit_code
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
