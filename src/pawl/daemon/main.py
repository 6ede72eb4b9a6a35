"""The program ``pawld``: runs in the foreground until it is told to stop. ``pawl up`` starts it in the background."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import os
import signal
import socket
import sys
from typing import Any

import uvicorn

from pawl import __version__
from pawl.daemon import ledgers, machine
from pawl.daemon.api import Api
from pawl.daemon.pawld import Pawld
from pawl.daemon.serving import Server
from pawl.errors import PawlError
from pawl.home import Home


def main() -> None:
    """Run pawld; exit status 1 with three lines on stderr when it cannot start."""
    arguments = _arguments()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    home = Home.from_environ(os.environ)
    try:
        home.create()
        asyncio.run(_run(home, arguments))
    except PawlError as error:
        for name, text in (("", error.what), ("why: ", error.why), ("next: ", error.next_step)):
            if text:
                print(f"pawld: {name}{text}", file=sys.stderr)  # noqa: T201
        raise SystemExit(error.exit_code) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pawld",
        description="Runs Pawl's daemon in the foreground, for the state folder named by PAWL_HOME.",
        epilog="To start it in the background: pawl up. To have it started at boot: pawl host install.",
    )
    parser.add_argument("--version", action="version", version=f"pawld {__version__}")
    parser.add_argument("--port", type=int, help="the proxy's port for APP.localhost; kept for the next start")
    parser.add_argument("--bind", action="append", help="an address to listen on in place of loopback; kept")
    parser.add_argument("--http-port", type=int, help="the port that redirects to HTTPS; kept")
    parser.add_argument("--https-port", type=int, help="the port of HTTPS; kept")
    parser.add_argument("--acme-email", help="the address the certificate authority may write to; kept")
    parser.add_argument("--dashboard-port", type=int, help="the dashboard's port on loopback; kept")
    return parser.parse_args()


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    if "bind" in given:
        given["bind"] = tuple(given["bind"])
    return given


async def _run(home: Home, arguments: argparse.Namespace) -> None:
    kept = machine.read(home)
    wanted = dataclasses.replace(kept, **_given(arguments))
    environ = dict(os.environ)
    os.environ.pop(ledgers.VARIABLE, None)  # it holds a password, which no program that pawld starts is to see
    pawld = Pawld(home, wanted, environ=environ)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, pawld.stop)
    if wanted.dashboard_port != kept.dashboard_port:
        pawld.dashboard.listen()
    await pawld.start()
    machine.write(home, wanted)  # only now: options that it could not start with must not spoil the next start
    listener = _listen(home)
    config = uvicorn.Config(
        Api(pawld).application(), log_config=None, access_log=False, lifespan="off", loop="asyncio", http="h11",
        ws="none", timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    await pawld.run()
    server.should_exit = True
    await serving
    home.socket.unlink(missing_ok=True)


def _listen(home: Home) -> socket.socket:
    """The API's socket, mode 0600 from its first moment."""
    home.socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    old = os.umask(0o177)
    try:
        listener.bind(str(home.socket))
    finally:
        os.umask(old)
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    main()
