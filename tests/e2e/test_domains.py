"""Domains of an app's own, with HTTPS by Caddy's certificates (its own authority: no public one can be asked here)."""

from __future__ import annotations

import socket
import ssl

from tests.support import Pawl, Repository, eventually, free_port

_CONFIG = """
app = "{app}"

[processes.web]
command = "python app.py --socket $SOCKET"
health = "/healthz"

[domains]
names = [{names}]
https = "internal"
"""


def _config(app: str, *names: str) -> str:
    return _CONFIG.format(app=app, names=", ".join(f'"{name}"' for name in names))


def _https(pawl: Pawl, name: str, port: int) -> str:
    roots = list((pawl.path / "caddy").rglob("root.crt"))
    context = ssl.create_default_context(cafile=str(roots[0]))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        secure.sendall(f"GET /headers HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while piece := secure.recv(65_536):
            answer += piece
    return answer.decode()


def _answers(pawl: Pawl, name: str, port: int) -> str:
    try:
        return _https(pawl, name, port)
    except (OSError, IndexError):
        return ""


def test_a_domain_is_served_with_https_and_the_app_is_told_so(idle_pawl: Pawl, hello: Repository) -> None:
    pawl, http, https = idle_pawl, free_port(), free_port()
    pawl.up("--http-port", str(http), "--https-port", str(https))
    hello.commit("Names of its own", pawl__toml=_config("hello", "shop.example.org"))
    pawl.ok("deploy", hello.path)
    answer = eventually(lambda: _answers(pawl, "shop.example.org", https))
    assert answer.startswith("HTTP/1.1 200")
    assert "X-Forwarded-Proto: https" in answer
    assert pawl.get("/healthz") == (200, "ok\n")
    assert pawl.status()["url"] == f"https://shop.example.org:{https}/"


def test_a_name_that_another_app_has_is_refused(idle_pawl: Pawl, hello: Repository) -> None:
    pawl = idle_pawl
    pawl.up("--http-port", str(free_port()), "--https-port", str(free_port()))
    hello.commit("One", pawl__toml=_config("hello", "shop.example.org"))
    pawl.ok("deploy", hello.path)
    hello.commit("Two", pawl__toml=_config("other", "shop.example.org"))
    done = pawl.run("deploy", hello.path)
    assert done.returncode == 2
    assert "shop.example.org cannot lead to two apps" in done.stderr
    assert [item["app"] for item in pawl.json("apps")["apps"]] == ["hello"]


def test_a_port_that_is_taken_fails_the_deploy_and_leaves_the_old_release(idle_pawl: Pawl, hello: Repository) -> None:
    pawl = idle_pawl
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        pawl.up("--http-port", str(free_port()), "--https-port", str(port))
        pawl.ok("deploy", hello.path)
        hello.commit("Names", VERSION="2", pawl__toml=_config("hello", "shop.example.org"))
        done = pawl.run("deploy", hello.path)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert pawl.get() == (200, "hello 1")
