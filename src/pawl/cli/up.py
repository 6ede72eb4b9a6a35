"""``pawl up``"""

from __future__ import annotations

import click

from pawl.cli import options, output
from pawl.client import local
from pawl.client.api import Client
from pawl.errors import Unreachable, UsageError

_port = click.IntRange(1, 65_535)


@click.command("up")
@click.option("--port", type=_port, help="The proxy's port for APP.localhost (default 8080).")
@click.option("--bind", multiple=True, metavar="ADDRESS", help="Listen there instead of on loopback only; repeatable.")
@click.option("--http-port", type=_port, help="The port that redirects to HTTPS, for apps with domains (default 80).")
@click.option("--https-port", type=_port, help="The port of HTTPS, for apps with domains (default 443).")
@click.option("--dashboard-port", type=_port, help="The dashboard's port on loopback (default: a free one near 8090).")
@click.option("--acme-email", help="The address the certificate authority may write to.")
@options.json_option
def command(
    *, port: int | None, bind: tuple[str, ...], http_port: int | None, https_port: int | None,
    dashboard_port: int | None, acme_email: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Start pawld in the background; apps that were live come up again. The options are kept for the next time."""
    wanted = {
        "--port": port, "--http-port": http_port, "--https-port": https_port, "--dashboard-port": dashboard_port,
        "--acme-email": acme_email,
    }  # fmt: skip
    arguments = [f"{name}={value}" for name, value in wanted.items() if value is not None]
    arguments += [f"--bind={address}" for address in bind]
    home = options.home()
    try:
        running = Client(home).get("ping")
    except Unreachable:
        running = None
    if running is not None:
        if arguments and (len(arguments) > 1 or running["port"] != port):
            raise UsageError(
                f"pawld runs already, on port {running['port']}", why="it takes its options when it starts",
                next_step="pawl down, then pawl up with the options",
            )  # fmt: skip
        answer, words = running, "runs already"
    else:
        answer, words = local.start(home, arguments), "is up"
    if as_json:
        output.as_json(answer)
        return
    output.result(f"pawld {words} (pid {answer['pid']}); apps answer at http://APP.localhost:{answer['port']}/")
