"""``pawl open``"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import click

from pawl.cli import options, output
from pawl.errors import Unreachable, UsageError


@click.command("open")
@click.argument("app", required=False)
@click.option("--deploy", metavar="DEPLOY", help="Open the page of this deploy.")
@click.option("--print-url", is_flag=True, help="Print the one-time address instead of opening a browser.")
@click.option("--revoke", is_flag=True, help="End every session; links that were not used yet are taken back.")
@click.option("--ssh", "host", metavar="[USER@]HOST", help="The dashboard of another machine, through SSH.")
@click.option("--far-pawl", metavar="PATH", help="Where pawl is on that machine, if it is in no usual place.")
@options.json_option
def command(
    app: str | None, *, deploy: str | None, print_url: bool, revoke: bool, host: str | None, far_pawl: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Open the dashboard in the browser, at APP where one is named.

    The address is good once and for five minutes; the browser then stays signed in for 30 days. The dashboard listens
    on loopback only, on a port near 8090 that is chosen the first time (pawl up --dashboard-port gives another).

    With --ssh the dashboard of another machine is opened: your own ssh asks the pawl there and forwards the port, for
    as long as this command runs.
    """
    if revoke:
        if app or deploy or print_url or host:
            raise UsageError("--revoke stands alone", next_step="pawl open --revoke, then pawl open")
        answer = options.client().post("dashboard", "revoke")
        output.as_json(answer) if as_json else output.result("every session of the dashboard has ended")
        return
    if host is not None:
        words = [*([app] if app else []), *(["--deploy", deploy] if deploy else [])]
        _open_far(host, words, far_pawl, print_url=print_url, as_json=as_json)
        return
    if far_pawl:
        raise UsageError("--far-pawl is for another machine", next_step="pawl open --ssh HOST --far-pawl PATH")
    answer = options.client().post("dashboard", "link", body={"app": app, "deploy": deploy})
    _show(answer, print_url=print_url, as_json=as_json)


def _show(answer: dict[str, Any], *, print_url: bool, as_json: bool) -> None:
    if as_json:
        output.as_json(answer)
    elif print_url or not _opened(answer["url"]):
        output.result(answer["url"])
        output.say("good once, for five minutes")
    else:
        output.result(f"opened http://127.0.0.1:{answer['port']}/ in the browser")
        output.say(f"if none came up: {answer['url']}")


def _open_far(host: str, words: list[str], pawl: str | None, *, print_url: bool, as_json: bool) -> None:
    """Hold a road to another machine's dashboard until Ctrl-C."""
    from pawl.client.far import Far

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended either way, the road is closed
    far = Far(host, pawl=pawl)
    link = far.link(words)
    with far.forwarded(link.port) as tunnel:
        url = f"http://127.0.0.1:{tunnel.port}{link.path}"
        try:
            _show({"url": url, "port": tunnel.port, "path": link.path}, print_url=print_url, as_json=as_json)
            output.say(f"the dashboard of '{host}' is at http://127.0.0.1:{tunnel.port}/ until Ctrl-C")
            sys.stdout.flush()
            why = tunnel.wait()
        except KeyboardInterrupt:
            output.say("closed")
            return
    raise Unreachable(f"the connection to '{host}' has ended", why=why, next_step=f"pawl open --ssh {host}")


def _opened(url: str) -> bool:
    """Whether a browser of this desktop was asked to open the address."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False  # webbrowser would take a text browser, which would take the terminal
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
