"""How long the queues of a Celery are, read from a real Redis."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest

from pawl.observe.services import Services
from tests.integration.services import services_rig
from tests.integration.services.services_rig import PASSWORD, Broker, relay, values

SECRET = quote(PASSWORD, safe="")


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with services_rig.redis() as broker:
        yield broker


@pytest.fixture(autouse=True)
def empty(broker: Broker) -> None:
    tell(broker, "FLUSHALL")


def tell(broker: Broker, *commands: str) -> None:
    """Commands in the server's inline form, the last one's reply read."""
    with socket.create_connection(("127.0.0.1", broker.port), 5) as line, line.makefile("rb") as replies:
        for command in (f'AUTH "{PASSWORD}"', *commands):
            line.sendall(f"{command}\r\n".encode())
            assert not replies.readline().startswith(b"-"), command


def opened(url: str, **more: str) -> closing[Services]:
    return closing(Services({"REDIS_URL": url, **more}, app="demo", release="r1"))


def test_a_queue_is_as_long_as_its_lists_of_all_priorities(broker: Broker) -> None:
    tell(broker, "LPUSH celery a b c", r'LPUSH "celery\x06\x163" d', r'LPUSH "celery\x06\x169" e f', "LPUSH mail g")
    with opened(f"redis://:{SECRET}@127.0.0.1:{broker.port}") as services:
        assert values(services.read()) == {("queue_length", "celery"): 6}
        assert services.trouble == ""
    with opened(f"redis://:{SECRET}@127.0.0.1:{broker.port}/0", CELERY_QUEUES="mail, celery, none") as services:
        lengths = {("queue_length", "mail"): 1, ("queue_length", "celery"): 6, ("queue_length", "none"): 0}
        assert values(services.read()) == lengths


def test_the_database_is_the_one_that_the_url_names(broker: Broker) -> None:
    tell(broker, "SELECT 3", "LPUSH celery a b")
    with opened(f"redis://default:{SECRET}@127.0.0.1:{broker.port}/3") as services:
        assert values(services.read()) == {("queue_length", "celery"): 2}


def test_a_socket_of_this_machine_is_asked_too(broker: Broker) -> None:
    tell(broker, "SELECT 2", "LPUSH celery a")
    path = broker.certificate.path.with_name("redis.sock")
    with opened(f"redis+socket://:{SECRET}@{path}?virtual_host=2") as services:
        assert values(services.read()) == {("queue_length", "celery"): 1}, services.trouble


def test_one_connection_is_kept_and_replaced_when_it_was_cut(broker: Broker) -> None:
    with relay(broker.port) as between, opened(f"redis://:{SECRET}@127.0.0.1:{between.port}") as services:
        for _ in range(3):
            assert services.read()
        assert between.accepted == 1
        between.cut()
        assert services.read()
        assert services.trouble == ""
        assert between.accepted == 2


def test_what_is_closed_is_not_opened_again(broker: Broker) -> None:
    with relay(broker.port) as between:
        services = Services({"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:{between.port}"})
        assert services.read()
        services.close()
        services.close()
        assert services.read() == []
        assert between.accepted == 1


def test_a_wrong_password_and_none_are_said_without_it(broker: Broker) -> None:
    with opened(f"redis://:hunter2-wrong@127.0.0.1:{broker.port}") as services:
        assert services.read() == []
        assert services.trouble.startswith(f"Redis at 127.0.0.1:{broker.port} cannot be asked: WRONGPASS")
        assert "hunter2" not in services.trouble + repr(services) + repr(vars(services))
    with opened(f"redis://127.0.0.1:{broker.port}") as services:
        assert services.read() == []
        assert "NOAUTH" in services.trouble


def test_a_key_of_that_name_that_is_no_queue_is_said(broker: Broker) -> None:
    tell(broker, "SET celery 1")
    with opened(f"redis://:{SECRET}@127.0.0.1:{broker.port}") as services:
        assert services.read() == []
        assert "WRONGTYPE" in services.trouble


def test_under_tls_the_server_has_to_be_who_it_says(broker: Broker) -> None:
    url = f"rediss://:{SECRET}@localhost:{broker.tls_port}/0"
    with opened(f"{url}?ssl_ca_certs={broker.certificate.path}") as services:
        assert services.read(), services.trouble
    with opened(f"{url}?ssl_cert_reqs=CERT_NONE") as services:
        assert services.read(), services.trouble
    with opened(url) as services:
        assert services.read() == []
        assert "certificate verify failed" in services.trouble
