"""Which addresses may be reached: a stranger's feed must not read what only this machine can.

The check is made where the connection is, with the address that is connected to: a name that resolves to something
else the second time, or a redirect, cannot get around it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore
import httpx

Network = IPv4Network | IPv6Network
_NAT64 = IPv6Network("64:ff9b::/96")


class Refused(httpcore.ConnectError):
    """The host has no address that may be reached."""


def is_allowed(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether a feed may be fetched from ``address``: it is on the public internet, or in one of ``allowed``."""
    ip = _inner(ip_address(address.partition("%")[0]))
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _inner(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address leads to, if it is one of that kind."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)


class _Backend(httpcore.AnyIOBackend):
    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"no address is known for {host}") from error
        addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        usable = [address for address in addresses if is_allowed(address, self._allowed)]
        if not usable:
            raise Refused(f"{host} is not on the public internet")
        for address in usable[:-1]:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await super().connect_tcp(usable[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        raise Refused("a feed is not on a socket of this machine")


@lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Whom to trust; reading that takes longer than a fetch."""
    return httpx.create_ssl_context()


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport, with a check of each address before it is connected to.

    ``allowed`` are networks like ``10.0.0.0/8`` that may be reached though they are not public.
    """

    def __init__(self, *, allowed: Sequence[str] = (), connections: int = 50) -> None:
        super().__init__(verify=_certificates())
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_certificates(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=5,
            network_backend=_Backend([ip_network(network) for network in allowed]),
        )
