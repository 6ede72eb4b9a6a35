"""What Pawl is compared with: an app started directly, and Caddy as one would configure it by hand."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.stage import Stage
from pawl.engines.process import launch
from pawl.proxy import admin
from pawl.proxy.launch import find_binary
from pawl.proxy.logs import logging_config
from tests.support import free_port


@dataclass(slots=True)
class Direct:
    """The web process of a live app, started by hand: the same command, files and environment, no Pawl."""

    stage: Stage
    app: str
    command: str
    dial: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None)
    _count: int = 0

    def start(self, *, path: str = "/", release: str = "") -> float:
        """Start it; seconds until its first good answer."""
        self._count += 1
        at = self.stage.folder / f"{self.app}{id(self) % 10_000}-{self._count}.sock"
        plan = self.stage.client.get("apps", self.app, "run")
        address = launch.socket_address(str(at), plan["environ"])
        environ = {**plan["environ"], **address.variables, **({"PAWL_RELEASE": release} if release else {})}
        self.dial = address.dial
        began = time.perf_counter()
        self._process = subprocess.Popen(
            launch.argv(self.command), cwd=plan["cwd"], env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        while not _answers(str(at), path, self.app):
            if self._process.poll() is not None or time.perf_counter() - began > 30:
                raise RuntimeError(f"'{self.command}' does not start by itself")
            time.sleep(0.001)
        return time.perf_counter() - began

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None


def _answers(path: str, target: str, app: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(path)
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: {app}.localhost\r\nConnection: close\r\n\r\n".encode())
            return client.recv(65_536).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def boot_times(stage: Stage, app: str, command: str, *, rounds: int, path: str = "/") -> list[float]:
    """How long the app itself takes from its start to its first good answer, in seconds."""
    found = []
    for _ in range(rounds):
        one = Direct(stage, app, command)
        try:
            found.append(one.start(path=path))
        finally:
            one.stop()
    return found


class BareCaddy:
    """Caddy with the configuration one would write by hand: one host, one upstream, the access log Pawl writes."""

    def __init__(self, folder: Path, *, host: str, is_kept_alive: bool = True) -> None:
        folder.mkdir()
        self.port = free_port()
        self._folder = folder
        self._host = host
        self._is_kept_alive = is_kept_alive
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}/"

    def start(self, dial: str) -> None:
        file = self._folder / "caddy.json"
        file.write_text(json.dumps(self._config(dial)))
        storage = str(self._folder)
        self._process = subprocess.Popen(
            [find_binary(), "run", "--config", str(file)],
            env={"HOME": storage, "XDG_DATA_HOME": storage, "XDG_CONFIG_HOME": storage, "PATH": ""},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def reload(self, dial: str) -> None:
        """What ``caddy reload`` does: load a whole new configuration."""
        status, answer = asyncio.run(admin.call(self._folder / "a.sock", "POST", "/load", self._config(dial)))
        if status != 200:
            raise RuntimeError(f"Caddy refused: {answer}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _config(self, dial: str) -> dict[str, Any]:
        transport: dict[str, Any] = {"protocol": "http"}
        if not self._is_kept_alive:
            transport["keep_alive"] = {"enabled": False}
        proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": dial}], "transport": transport}
        server = {
            "listen": [f"127.0.0.1:{self.port}"],
            "protocols": ["h1"],
            "automatic_https": {"disable": True},
            "logs": {},
            "routes": [{"match": [{"host": [self._host]}], "terminal": True, "handle": [proxy]}],
        }
        return {
            "admin": {"listen": f"unix/{self._folder}/a.sock", "config": {"persist": False}},
            "logging": logging_config(access=self._folder / "access.log", own=self._folder / "caddy.log"),
            "apps": {"http": {"servers": {"bare": server}}},
        }
