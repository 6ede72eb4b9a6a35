"""examples/antisocial as it is served in production, on loopback, with readers who have something to read."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support import eventually, free_port, uv

_EXAMPLE = Path(__file__).parents[2] / "examples" / "antisocial"
_KEPT = Path(tempfile.gettempdir()) / "pawl-tests-antisocial"  # environments, one for all runs on this machine
_ROWS = Path(__file__).with_name("reader_rows.py")
# The client of Miniflux's author. It asks for Python 3.12 and uses nothing of it.
_CLIENT = "google-reader==0.0.3"


@dataclass(slots=True)
class Reader:
    """Somebody with an account: ``session`` is the cookie of who is logged in, ``app_password`` is for apps."""

    name: str
    session: str
    app_password: str


@dataclass(slots=True)
class Site:
    """The feed reader at ``url``."""

    folder: Path
    python: Path
    url: str
    env: dict[str, str]
    tokens: dict[str, str] = field(default_factory=dict)

    def rows(self, action: str, **what: Any) -> Any:
        """Have rows made by the app's own code (reader_rows.py); what it says of them."""
        done = subprocess.run(
            [self.python, _ROWS, action, json.dumps(what)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def readers(self, **entries: int) -> dict[str, Reader]:
        """Readers by name, each with a feed of this many unread entries: Title 0, the newest, and so on."""
        made = self.rows("readers", entries=entries)
        return {name: Reader(name, **values) for name, values in made.items()}

    def unread(self, reader: Reader) -> list[str]:
        """The titles that the server holds for unread, newest first."""
        return self._titles(reader, "reading-list?n=1000&r=o&xt=user/-/state/com.google/read")

    def starred(self, reader: Reader) -> list[str]:
        """The titles that the server holds for starred."""
        return self._titles(reader, "starred?n=1000&r=o")

    def _titles(self, reader: Reader, stream: str) -> list[str]:
        """Of a stream, in the order its entries came, by the app's own interface: no page is touched."""
        path = f"/reader/api/0/stream/contents/user/-/state/com.google/{stream}"
        answer = json.loads(
            self._send("GET", path, headers={"Authorization": f"GoogleLogin auth={self._token(reader)}"})
        )
        return [item["title"] for item in answer["items"]]

    def _token(self, reader: Reader) -> str:
        if reader.name not in self.tokens:
            form = urlencode({"Email": reader.name, "Passwd": reader.app_password})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            lines = self._send("POST", "/accounts/ClientLogin", body=form, headers=headers).decode().split("\n")
            self.tokens[reader.name] = next(line for line in lines if line.startswith("Auth=")).removeprefix("Auth=")
        return self.tokens[reader.name]

    def _send(self, method: str, path: str, *, body: str = "", headers: dict[str, str]) -> bytes:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            return content
        finally:
            connection.close()

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return self._send("GET", "/healthz", headers={}) == b"ok"
        except OSError:
            return False


@contextmanager
def reader_site(**settings: str) -> Iterator[Site]:
    """The app with ``settings`` in its environment, until the end."""
    place = Path(tempfile.mkdtemp(prefix="pt-", dir="/tmp"))
    folder = place / "antisocial"
    ignored = shutil.ignore_patterns(".venv", "__pycache__", "var", "staticfiles")
    shutil.copytree(_EXAMPLE, folder, ignore=ignored)
    url = f"http://127.0.0.1:{free_port()}"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    env = kept | {"SECRET_KEY": "of-tests-and-of-nothing-else" * 2, "PAWL_DATA": str(place / "data")} | settings
    site = Site(folder, _environment(), url, env)
    server = None
    try:
        for task in (["migrate", "-v0"], ["collectstatic", "-v0", "--noinput"]):
            subprocess.run([site.python, "manage.py", *task], cwd=folder, env=env, check=True)
        with (place / "log").open("w") as log:
            server = subprocess.Popen(
                [site.python, "-m", "gunicorn", "antisocial.wsgi", "--bind", url.removeprefix("http://"),
                 "--threads", "4", "--no-control-socket"],
                cwd=folder, env=env, stdout=log, stderr=log,
            )  # fmt: skip
        eventually(site.answers, within_s=60)
        yield site
    finally:
        if server is not None:
            server.terminate()
            server.wait(30)
        shutil.rmtree(place, ignore_errors=True)


def client_library() -> Path:
    """A folder with a real client of the Google Reader API, to be put on the path."""
    folder = _KEPT / f"client-{_CLIENT}"
    if not folder.exists():
        part = Path(tempfile.mkdtemp(dir=_kept()))
        uv("pip", "install", "--quiet", "--target", str(part), "requests>=2")
        uv("pip", "install", "--quiet", "--target", str(part), "--no-deps", "--python-version", "3.12", _CLIENT)
        _put(part, folder)
    return folder


def _environment() -> Path:
    """The Python of an environment with what the example is locked to."""
    lock = hashlib.sha256((_EXAMPLE / "uv.lock").read_bytes()).hexdigest()[:16]
    folder = _KEPT / f"env-{lock}"
    if not folder.exists():
        part = Path(tempfile.mkdtemp(dir=_kept()))
        part.rmdir()
        uv(
            "sync", "--quiet", "--frozen", "--no-dev", "--compile-bytecode", "--project", str(_EXAMPLE),
            UV_PROJECT_ENVIRONMENT=str(part),
        )  # fmt: skip
        _put(part, folder)
    return folder / "bin" / "python"


def _put(part: Path, folder: Path) -> None:
    """Give a finished folder its name; if another run was faster, its one stays."""
    try:
        part.rename(folder)
    except OSError:
        shutil.rmtree(part)


def _kept() -> Path:
    _KEPT.mkdir(exist_ok=True)
    return _KEPT
