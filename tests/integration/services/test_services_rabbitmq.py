"""How long the queues of a Celery are, read from a real RabbitMQ."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import amqp  # type: ignore[import-untyped]
import pytest

from pawl.observe.services import Services
from tests.integration.services import services_rig
from tests.integration.services.services_rig import Broker, relay, values
from tests.support import eventually

SECRET = services_rig.RabbitMQ.secret


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with services_rig.rabbitmq() as broker:
        yield broker


@pytest.fixture
def channel(broker: Broker) -> Iterator[Any]:
    """An app's own, with no queue there yet."""
    with amqp.Connection(f"127.0.0.1:{broker.port}", userid="app", password=SECRET) as connection:
        channel = connection.channel()
        yield channel
        for queue in ("celery", "mail"):
            channel.queue_delete(queue)


def url(port: int, *, scheme: str = "amqp", host: str = "127.0.0.1", secret: str = SECRET, tail: str = "//") -> str:
    return f"{scheme}://app:{secret}@{host}:{port}{tail}"


def opened(broker_url: str, **more: str) -> closing[Services]:
    return closing(Services({"CELERY_BROKER_URL": broker_url, **more}, app="demo", release="r1"))


def send(channel: Any, queue: str, number: int) -> None:
    channel.queue_declare(queue, durable=True, auto_delete=False)
    for _ in range(number):
        channel.basic_publish(amqp.Message("{}"), routing_key=queue)


def test_messages_that_wait_are_the_length_and_those_a_worker_has_taken_are_not(broker: Broker, channel: Any) -> None:
    with opened(url(broker.port)) as services:
        send(channel, "celery", 7)
        eventually(lambda: values(services.read()) == {("queue_length", "celery"): 7})
        [gauge] = services.read()
        assert (gauge.app, gauge.release) == ("demo", "r1")
        assert services.trouble == ""
        assert channel.basic_get("celery") is not None
        assert channel.basic_get("celery") is not None
        eventually(lambda: values(services.read()) == {("queue_length", "celery"): 5})


def test_a_queue_that_nobody_has_used_yet_has_no_reading_and_spoils_none(broker: Broker, channel: Any) -> None:
    with opened(url(broker.port), CELERY_TASK_DEFAULT_QUEUE="nothing", CELERY_QUEUES="mail,celery") as services:
        assert services.read() == []
        assert services.trouble.endswith("has no queue 'nothing', 'mail', 'celery': nobody has used it yet")
        send(channel, "celery", 1)
        send(channel, "mail", 2)
        both = {("queue_length", "mail"): 2, ("queue_length", "celery"): 1}
        eventually(lambda: values(services.read()) == both)
        assert services.trouble == ""


def test_one_connection_is_kept_and_replaced_when_it_was_cut(broker: Broker, channel: Any) -> None:
    send(channel, "celery", 1)
    with relay(broker.port) as between, opened(url(between.port)) as services:
        for _ in range(3):
            assert services.read()
        assert between.accepted == 1
        between.cut()
        assert services.read()
        assert services.trouble == ""
        assert between.accepted == 2


def test_asking_for_a_missing_queue_uses_up_nothing(broker: Broker) -> None:
    with relay(broker.port) as between, opened(url(between.port)) as services:
        for _ in range(10):  # a connection to this server may have 5 channels
            assert services.read() == []
        assert between.accepted == 1


@pytest.mark.parametrize("tail", ["", "/", "//", "/%2F"])
def test_the_default_virtual_host_may_be_written_in_every_way(broker: Broker, channel: Any, tail: str) -> None:
    send(channel, "celery", 1)
    with opened(url(broker.port, tail=tail)) as services:
        eventually(services.read)


def test_a_virtual_host_that_is_not_there_is_said(broker: Broker) -> None:
    with opened(url(broker.port, tail="/elsewhere")) as services:
        assert services.read() == []
        assert "vhost elsewhere not found" in services.trouble


def test_a_wrong_password_is_said_without_it(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with opened(url(broker.port, secret="hunter2-wrong")) as services:
        assert services.read() == []
        assert f"RabbitMQ at 127.0.0.1:{broker.port} cannot be asked: " in services.trouble
        assert "ACCESS_REFUSED" in services.trouble
        assert "hunter2" not in services.trouble + caplog.text + repr(services) + repr(vars(services))


def test_a_right_password_is_in_no_log(broker: Broker, channel: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    send(channel, "celery", 1)
    with opened(url(broker.port)) as services:
        eventually(services.read)
        assert SECRET not in caplog.text + repr(services) + repr(vars(services))


def test_under_tls_the_server_has_to_be_who_it_says(broker: Broker, channel: Any) -> None:
    send(channel, "celery", 1)
    secure = {"scheme": "amqps", "host": "localhost"}
    with opened(url(broker.tls_port, **secure, tail=f"//?ssl_ca_certs={broker.certificate.path}")) as services:
        eventually(services.read)
    with opened(url(broker.tls_port, **secure, tail="//?ssl_cert_reqs=none")) as services:
        eventually(services.read)
    with opened(url(broker.tls_port, **secure)) as services:
        assert services.read() == []
        assert "certificate verify failed" in services.trouble
