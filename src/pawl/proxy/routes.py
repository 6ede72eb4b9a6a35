"""From apps and domains to Caddy's JSON configuration. Pure: the same routes give the same configuration.

A request to an app goes through: drop what a client may not claim -> name the app for the log -> try a slot, and
another one while connections are refused -> once more if a GET broke off -> an error page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pawl.errors import UsageError
from pawl.home import Home
from pawl.proxy.logs import logging_config
from pawl.proxy.slots import SLOTS_PER_APP, slot_path

Json = dict[str, Any]
Hosts = tuple[str, ...]
Named = tuple["Route", Hosts]

# Said by a client these are lies: Caddy adds the true X-Forwarded-* itself. "*_*": WSGI turns both X-Forwarded-For
# and X_Forwarded_For into HTTP_X_FORWARDED_FOR, so no name with an underscore passes (nginx's default as well).
_CLAIMS = [
    "X-Forwarded-*",
    "Forwarded",
    "X-Real-Ip",
    "X-Client-Ip",
    "X-Cluster-Client-Ip",
    "True-Client-Ip",
    "Proxy",
    "*_*",
]
_PLAIN_TEXT = {"Content-Type": ["text/plain; charset=utf-8"], "X-Content-Type-Options": ["nosniff"]}
_WITHOUT_SERVER = {"handler": "headers", "response": {"delete": ["Server"]}}


@dataclass(frozen=True, slots=True)
class Machine:
    """What ``pawl up`` was told about this machine: where to listen, and who signs certificates.

    Other ports than 80 and 443 are taken to be forwarded from these: redirects to HTTPS name no port. The dashboard's
    port is None until it is opened for the first time.
    """

    port: int = 8080
    bind: tuple[str, ...] = ("127.0.0.1", "[::1]")
    http_port: int = 80
    https_port: int = 443
    acme_email: str | None = None
    acme_ca: str | None = None
    dashboard_port: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """An app and the names it answers to, besides ``APP.localhost``.

    ``https`` is for its domains: ``auto`` has a public authority sign, ``internal`` Caddy's own, ``off`` serves them
    as plain HTTP where ``APP.localhost`` is served.
    """

    app: str
    domains: tuple[str, ...] = ()
    https: Literal["auto", "internal", "off"] = "auto"

    @property
    def plain(self) -> tuple[str, ...]:
        """The names served without HTTPS: ``APP.localhost``, and domains with ``off`` or of this machine only."""
        return (f"{self.app}.localhost", *(name for name in self.domains if name not in self.secure))

    @property
    def secure(self) -> tuple[str, ...]:
        """The domains that have certificates."""
        return tuple(name for name in self.domains if self.https == "internal" or self._is_public(name))

    def _is_public(self, name: str) -> bool:
        return self.https == "auto" and name != "localhost" and not name.endswith(".localhost")


def caddy_config(routes: Sequence[Route], *, machine: Machine, home: Home) -> Json:
    """Caddy's whole configuration; the order of the routes does not matter.

    Raises:
        UsageError: two apps claim one domain.
    """
    routes = sorted(routes, key=lambda route: route.app)
    _refuse_shared(routes)
    secure = [route for route in routes if route.secure]
    servers = {"local": _local(routes, machine, home)}
    apps: Json = {"http": {"http_port": machine.http_port, "https_port": machine.https_port, "servers": servers}}
    if secure:
        servers["public"] = _public(secure, machine, home)
        apps["tls"] = {"automation": {"policies": _policies(secure, machine)}}
        apps["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return {
        "admin": {"listen": f"unix/{home.caddy_socket}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": str(home.path / "caddy")},
        "logging": logging_config(access=home.log / "access.log", own=home.log / "caddy.log"),
        "apps": apps,
    }


def listens_on(config: Json) -> list[str]:
    """The ``host:port`` addresses a configuration listens on; the host is empty for all addresses."""
    http = config["apps"]["http"]
    found = [address for server in http["servers"].values() for address in server["listen"]]
    if "public" in http["servers"]:
        found.append(f":{http['http_port']}")  # Caddy's own redirect to HTTPS
    return list(dict.fromkeys(found))


def _refuse_shared(routes: Sequence[Route]) -> None:
    owners: dict[str, str] = {}
    for route in routes:
        for name in (f"{route.app}.localhost", *route.domains):
            owner = owners.setdefault(name.lower(), route.app)
            if owner != route.app:
                raise UsageError(
                    f"{name} cannot lead to two apps",
                    why=f"both {owner!r} and {route.app!r} claim it",
                    next_step="take it out of one app's domains",
                )


def _local(routes: Sequence[Route], machine: Machine, home: Home) -> Json:
    named = [(route, route.plain) for route in routes]
    server = _server([f"{host}:{machine.port}" for host in machine.bind], named, home)
    return {**server, "protocols": ["h1"], "automatic_https": {"disable": True}}


def _public(secure: Sequence[Route], machine: Machine, home: Home) -> Json:
    server = _server([f":{machine.https_port}"], [(route, route.secure) for route in secure], home)
    return {**server, "protocols": ["h1", "h2"]}  # HTTP/3 would need a UDP port as well


def _server(listen: list[str], named: Sequence[Named], home: Home) -> Json:
    return {
        "listen": listen,
        # An upload may pause (a phone in a tunnel) longer than the minute that is Caddy's default.
        "read_idle_timeout": "10m",
        # Its default is 16 KiB; the app's own server is the one to find headers too large.
        "max_header_bytes": 131_072,
        "routes": [*(_app_route(route.app, hosts) for route, hosts in named), *_unknown_host()],
        "named_routes": {route.app: {"handle": [_proxy(route.app, home)]} for route, _ in named},
        "errors": {"routes": _error_pages()},
        "logs": {},
    }


def _app_route(app: str, hosts: Hosts) -> Json:
    invoke = {"handler": "invoke", "name": app}
    return {
        "match": [{"host": list(hosts)}],
        "terminal": True,
        "handle": [
            {"handler": "headers", "request": {"delete": _CLAIMS}},
            {"handler": "vars", "pawl_app": app},
            {"handler": "log_append", "key": "app", "value": "pawl_app"},
            {"handler": "log_append", "key": "upstream", "value": "{http.reverse_proxy.upstream.address}"},
            {"handler": "log_append", "key": "up_ms", "value": "{http.reverse_proxy.upstream.latency_ms}"},
            {
                "handler": "subroute",
                "routes": [{"handle": [invoke]}],
                "errors": {"routes": [{"match": [_BROKE_OFF], "handle": [invoke], "terminal": True}, _RAISE_AGAIN]},
            },
        ],
    }


# A GET whose connection was made and then broke is tried once more, not for seconds as Caddy's own retry would: a
# request that kills its worker must not kill them all. What else was sent once is never sent again.
_BROKE_OFF: Json = {
    "method": ["GET", "HEAD"],
    "vars": {"{http.error.status_code}": ["502"]},
    "not": [{"vars_regexp": {"{http.error.message}": {"pattern": "^(dial|making dial info)"}}}],
}
_RAISE_AGAIN: Json = {
    "handle": [
        {"handler": "error", "status_code": "{http.error.status_code}", "error": "{http.error.message}"},
    ]
}


def _proxy(app: str, home: Home) -> Json:
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"{{file.{slot_path(home.slots, app, index)}}}"} for index in range(SLOTS_PER_APP)],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            # A crashed instance is being restarted: requests wait for it instead of failing.
            "try_duration": "5s",
            "try_interval": "50ms",
            # Refused connections are retried whatever this says, for nothing was sent; nothing else matches.
            "retry_match": [{"method": ["NEVER"]}],
        },
        # A kept connection would outlive the switch. Without compression Caddy asks for what the client asked for.
        "transport": {"protocol": "http", "keep_alive": {"enabled": False}, "compression": False},
        # A reload for a new app leaves the WebSockets of the others open for as long as this.
        "stream_close_delay": "24h",
    }


def _unknown_host() -> list[Json]:
    unlogged = {"handler": "vars", "log_skip": True}
    return [
        {
            "match": [{"host": ["*.localhost"]}],
            "terminal": True,
            "handle": [unlogged, *_page("404", "no app is called {http.request.host.labels.1}")],
        },
        {"handle": [unlogged, *_page("404", "no app answers to {http.request.host}")]},
    ]


def _error_pages() -> list[Json]:
    closed = {"vars_regexp": {"{http.error.message}": {"pattern": "^making dial info"}}}
    unanswered = {"vars": {"{http.error.status_code}": ["502", "504"]}}
    return [
        {"match": [closed], "terminal": True, "handle": _page("503", "no instance of this app is running")},
        {
            "match": [unanswered],
            "terminal": True,
            "handle": _page("{http.error.status_code}", "the app did not answer"),
        },
        {"handle": _page("{http.error.status_code}", "{http.error.status_text}")},
    ]


def _page(status: str, text: str) -> list[Json]:
    return [
        _WITHOUT_SERVER,
        {"handler": "static_response", "status_code": status, "headers": _PLAIN_TEXT, "body": f"{status}: {text}\n"},
    ]


def _policies(secure: Sequence[Route], machine: Machine) -> list[Json]:
    acme: Json = {"module": "acme"}
    if machine.acme_email:
        acme["email"] = machine.acme_email
    if machine.acme_ca:
        acme["ca"] = machine.acme_ca
    issuers = {"auto": acme, "internal": {"module": "internal"}}
    return [
        {"subjects": subjects, "issuers": [issuer]}
        for https, issuer in issuers.items()
        if (subjects := [domain for route in secure if route.https == https for domain in route.secure])
    ]
