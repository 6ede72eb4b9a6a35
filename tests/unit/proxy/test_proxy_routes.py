"""From apps and domains to Caddy's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import UsageError
from pawl.home import Home
from pawl.proxy.routes import Machine, Route, caddy_config, listens_on

HOME = Home(Path("/nowhere/pawl"))


def config(*routes: Route, machine: Machine | None = None) -> dict[str, Any]:
    return caddy_config(routes, machine=machine or Machine(), home=HOME)


def servers(*routes: Route) -> dict[str, Any]:
    found: dict[str, Any] = config(*routes)["apps"]["http"]["servers"]
    return found


def hosts(server: dict[str, Any]) -> list[list[str]]:
    return [route["match"][0]["host"] for route in server["routes"] if "match" in route]


def test_an_app_without_domains_is_served_locally_and_nowhere_else() -> None:
    found = servers(Route("hello"))
    assert list(found) == ["local"]
    assert hosts(found["local"]) == [["hello.localhost"], ["*.localhost"]]
    assert found["local"]["automatic_https"] == {"disable": True}


def test_domains_with_https_get_a_public_server_and_those_without_stay_local() -> None:
    found = servers(
        Route("a", ("a.test",)), Route("b", ("b.test", "c.test"), "off"), Route("d", ("d.test",), "internal")
    )
    assert hosts(found["public"]) == [["a.test"], ["d.test"], ["*.localhost"]]
    assert hosts(found["local"])[1] == ["b.localhost", "b.test", "c.test"]


def test_the_order_of_the_routes_does_not_matter() -> None:
    assert config(Route("a"), Route("b")) == config(Route("b"), Route("a"))


def test_an_app_is_dialled_through_its_own_twenty_slots() -> None:
    (proxy,) = servers(Route("hello"))["local"]["named_routes"]["hello"]["handle"]
    dials = [upstream["dial"] for upstream in proxy["upstreams"]]
    assert len(set(dials)) == 20
    assert dials[0] == "{file./nowhere/pawl/run/s/hello/00}"


def test_certificates_come_from_whom_each_app_asked_for() -> None:
    machine = Machine(acme_email="ops@example.com", acme_ca="https://pebble/dir")
    found = config(Route("a", ("a.test",)), Route("b", ("b.test",), "internal"), machine=machine)
    assert found["apps"]["tls"]["automation"]["policies"] == [
        {
            "subjects": ["a.test"],
            "issuers": [{"module": "acme", "email": "ops@example.com", "ca": "https://pebble/dir"}],
        },
        {"subjects": ["b.test"], "issuers": [{"module": "internal"}]},
    ]
    assert found["apps"]["pki"] == {"certificate_authorities": {"local": {"install_trust": False}}}


def test_nothing_is_kept_outside_the_home() -> None:
    found = config(Route("hello"))
    assert found["storage"] == {"module": "file_system", "root": "/nowhere/pawl/caddy"}
    assert found["admin"] == {"listen": "unix//nowhere/pawl/run/caddy.sock|0600", "config": {"persist": False}}
    writers = [log["writer"] for log in found["logging"]["logs"].values()]
    assert {writer["filename"] for writer in writers} == {"/nowhere/pawl/log/caddy.log", "/nowhere/pawl/log/access.log"}
    assert {writer["mode"] for writer in writers} == {"0600"}


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        (Route("a", ("x.test",)), Route("b", ("X.test",)), "X.test"),
        (Route("a"), Route("b", ("a.localhost",), "off"), "a.localhost"),
    ],
)
def test_a_domain_of_two_apps_is_refused(one: Route, other: Route, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot lead to two apps"):
        config(one, other)


def test_the_addresses_to_listen_on_are_known_before_caddy_is_asked() -> None:
    machine = Machine(port=8080, bind=("127.0.0.1", "[::1]"), http_port=81, https_port=444)
    local = ["127.0.0.1:8080", "[::1]:8080"]
    assert listens_on(config(Route("a"), machine=machine)) == local
    assert listens_on(config(Route("a", ("a.test",)), machine=machine)) == [*local, ":444", ":81"]


def test_the_configuration_is_plain_json() -> None:
    found = config(Route("a", ("a.test",)), Route("b"))
    assert json.loads(json.dumps(found)) == found
