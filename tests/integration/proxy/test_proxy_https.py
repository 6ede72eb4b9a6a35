"""Domains with a certificate, signed here by Caddy's own authority: no other can be reached from a test."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from pawl.proxy.routes import Route
from tests.integration.proxy.proxy_rig import App, Client, Rig, a_proxy


async def trusted_client(rig: Rig, host: str) -> Client:
    """A client that trusts the home's own authority, once the certificate for ``host`` is signed."""
    root = rig.home.path / "caddy/pki/authorities/local/root.crt"
    async with asyncio.timeout(20):
        while True:
            try:
                return await Client.connect(rig.machine.https_port, host, ssl.create_default_context(cafile=str(root)))
            except (ssl.SSLError, FileNotFoundError):  # Caddy signs in the background
                await asyncio.sleep(0.02)


def test_a_domain_is_served_with_a_certificate_of_the_homes_own_authority(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, Route("hello", ("hello.test",), "internal"), Route("plain")) as rig:
            app = App("a")
            rig.slots.assign("hello", [await rig.serve(app)])
            async with await trusted_client(rig, "hello.test") as client:
                assert (await client.ask("GET", "/x", ["X-Forwarded-Proto: http"])).text == "a"
                assert app.asked[0].all("X-Forwarded-Proto") == ["https"]
                client.host = "plain.localhost"
                assert (await client.ask("GET", "/")).status == 404
            assert (await rig.ask()).text == "a", "the local name is served without a certificate"
            assert {line["request"]["host"] for line in await rig.logged(2)} == {"hello.test", "hello.localhost"}

    asyncio.run(story())


def test_plain_http_to_such_a_domain_is_sent_to_https(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, Route("hello", ("hello.test",), "internal")) as rig:
            async with await Client.connect(rig.machine.http_port, "hello.test") as client:
                answer = await client.ask("GET", "/x?y=1")
            assert answer.status == 308
            assert answer.all("Location") == ["https://hello.test/x?y=1"], "443 is taken to be forwarded here"

    asyncio.run(story())


def test_a_domain_with_https_off_is_served_beside_the_local_name(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_proxy(tmp_path, Route("hello", ("hello.test",), "off")) as rig:
            rig.slots.assign("hello", [await rig.serve(App("a"))])
            async with await Client.connect(rig.machine.port, "hello.test") as client:
                assert (await client.ask("GET", "/")).text == "a"

    asyncio.run(story())
