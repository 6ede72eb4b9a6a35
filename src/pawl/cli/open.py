"""``pawl open``"""

from __future__ import annotations

import os
import sys

import click

from pawl.cli import options, output
from pawl.errors import UsageError


@click.command("open")
@click.argument("app", required=False)
@click.option("--deploy", metavar="DEPLOY", help="Open the page of this deploy.")
@click.option("--print-url", is_flag=True, help="Print the one-time address instead of opening a browser.")
@click.option("--revoke", is_flag=True, help="End every session; links that were not used yet are taken back.")
@options.json_option
def command(app: str | None, *, deploy: str | None, print_url: bool, revoke: bool, as_json: bool) -> None:
    """Open the dashboard in the browser, at APP where one is named.

    The address is good once and for five minutes; the browser then stays signed in for 30 days. The dashboard listens
    on loopback only, on a port near 8090 that is chosen the first time (pawl up --dashboard-port gives another).
    """
    client = options.client()
    if revoke:
        if app or deploy or print_url:
            raise UsageError("--revoke stands alone", next_step="pawl open --revoke, then pawl open")
        answer = client.post("dashboard", "revoke")
        output.as_json(answer) if as_json else output.result("every session of the dashboard has ended")
        return
    answer = client.post("dashboard", "link", body={"app": app, "deploy": deploy})
    if as_json:
        output.as_json(answer)
    elif print_url or not _opened(answer["url"]):
        output.result(answer["url"])
        output.say("good once, for five minutes")
    else:
        output.result(f"opened http://127.0.0.1:{answer['port']}/ in the browser")
        output.say(f"if none came up: {answer['url']}")


def _opened(url: str) -> bool:
    """Whether a browser of this desktop was asked to open the address."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # webbrowser would take a text browser, which would take the terminal
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
