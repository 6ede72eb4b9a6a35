"""Services that are down, answer otherwise or are not named at all; what an environment means."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import pytest

from pawl.observe.services import Services
from tests.integration.services.services_rig import answering, values
from tests.support import free_port

SECRET = "hunter2-secret"
KINDS = {
    "postgres": ("DATABASE_URL", "postgres://app:{secret}@127.0.0.1:{port}/news"),
    "rabbitmq": ("BROKER_URL", "amqp://app:{secret}@127.0.0.1:{port}//"),
    "redis": ("BROKER_URL", "redis://:{secret}@127.0.0.1:{port}/0"),
}
BABBLE = {
    "web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "zeros": bytes(4096),
    "noise": bytes(range(255, 0, -1)) * 20,
}


def opened(kind: str, port: int) -> closing[Services]:
    variable, url = KINDS[kind]
    return closing(Services({variable: url.format(secret=SECRET, port=port)}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_that_is_down_has_no_reading_and_says_so(kind: str) -> None:
    port = free_port()
    with opened(kind, port) as services:
        assert services
        assert services.read() == []
        assert services.read() == []
        assert services.trouble.endswith(f" at 127.0.0.1:{port} cannot be asked: Connection refused")


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_that_accepts_and_says_nothing_is_given_up(kind: str) -> None:
    with answering(b"") as port, opened(kind, port) as services:
        assert services.read() == []
        assert services.trouble.endswith("cannot be asked: no answer within 2 s")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("babble", BABBLE)
def test_something_else_at_the_port_is_no_reading_and_no_crash(kind: str, babble: str) -> None:
    with answering(BABBLE[babble]) as port, opened(kind, port) as services:
        assert services.read() == []
        assert f"127.0.0.1:{port} cannot be asked: " in services.trouble
        assert SECRET not in services.trouble
        assert services.trouble.isprintable()


def test_one_service_that_is_down_leaves_the_other_its_reading(tmp_path: Path) -> None:
    (tmp_path / "1_a.celery.msg").touch()
    url = KINDS["postgres"][1].format(secret=SECRET, port=free_port())
    environ = {"DATABASE_URL": url, "BROKER_URL": f"filesystem://localhost/{tmp_path}"}
    with closing(Services(environ)) as services:
        assert values(services.read()) == {("queue_length", "celery"): 1}
        assert services.trouble.startswith("PostgreSQL at 127.0.0.1")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"DATABASE_URL": ""},
        {"DATABASE_URL": "sqlite:///app.sqlite3"},
        {"DATABASE_URL": "mysql://app:x@127.0.0.1/news", "CELERY_BROKER_URL": "sqs://key:x@"},
        {"CELERY_BROKER_URL": "memory://", "REDIS_URL": "redis://127.0.0.1:1/0"},
        {"BROKER_URL": "filesystem://"},
    ],
)
def test_an_app_without_a_service_that_is_read_has_no_trouble(environ: dict[str, str]) -> None:
    with closing(Services(environ)) as services:
        assert not services
        assert services.read() == []
        assert services.trouble == ""


def test_the_broker_is_the_first_that_is_set() -> None:
    first, last = free_port(), free_port()
    environ = {
        "REDIS_URL": f"redis://127.0.0.1:{last}",
        "BROKER_URL": "",
        "CLOUDAMQP_URL": f"amqp://app:x@127.0.0.1:{first}/app",
    }
    with closing(Services(environ)) as services:
        services.read()
        assert services.trouble.startswith(f"RabbitMQ at 127.0.0.1:{first} ")


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("DATABASE_URL", "postgres://app:hunter2/secret@127.0.0.1/news"),
        ("DATABASE_URL", "postgres://app:hunter2?secret@127.0.0.1/news"),
        ("DATABASE_URL", "postgres://app:hunter2#secret@127.0.0.1/news"),
        ("DATABASE_URL", "postgres://app:12/hunter2@127.0.0.1/news"),
        ("DATABASE_URL", "postgres://app:hunter2[secret@127.0.0.1/news"),
        ("DATABASE_URL", "postgres://app@127.0.0.1:hunter2/news"),
        ("DATABASE_URL", "postgres://app:hunter2@127.0.0.1/news?sslmode=hunter2"),
        ("DATABASE_URL", "postgres://app:x@/news?port=hunter2"),
        ("DATABASE_URL", "postgres://app:x@127.0.0.1/news?sslmode=verify-ca&sslrootcert=/hunter2"),
        ("BROKER_URL", "amqp://app:hunter2/secret@127.0.0.1//"),
        ("BROKER_URL", "redis://:hunter2/secret@127.0.0.1/0"),
        ("BROKER_URL", "redis://127.0.0.1/hunter2"),
    ],
)
def test_a_url_that_cannot_be_read_is_said_and_nothing_of_it_repeated(variable: str, url: str) -> None:
    with closing(Services({variable: url})) as services:
        assert services.read() == []
        assert variable in services.trouble
        for part in ("hunter2", "secret"):
            assert part not in services.trouble + repr(vars(services))


def test_messages_in_a_folder_are_counted_by_queue(tmp_path: Path) -> None:
    messages = tmp_path / "queue" / "messages"
    for environ in (
        {"PAWL_DATA": str(tmp_path), "BROKER_URL": "folder://localhost/queue/messages"},
        {"PAWL_DATA": "/elsewhere", "BROKER_URL": f"filesystem://localhost/{messages}"},
    ):
        with closing(Services(environ)) as services:
            messages.mkdir(parents=True, exist_ok=True)
            for name in ("1_a.celery.msg", "2_b.celery.msg", "3_c.celery.msg.part", "4_d.mail.msg", "note"):
                (messages / name).touch()
            assert values(services.read()) == {("queue_length", "celery"): 2}
            assert services.trouble == ""


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    environ = {"PAWL_DATA": str(tmp_path), "BROKER_URL": "folder://localhost/queue/messages"}
    with closing(Services(environ)) as services:
        assert services.read() == []
        assert services.trouble == f"the queue in {tmp_path}/queue/messages cannot be read: No such file or directory"


def test_no_client_is_imported_for_an_app_without_services() -> None:
    """In a Python of its own, for here the tests have imported them."""
    import subprocess

    code = (
        "import sys; from pawl.observe.services import Services\n"
        "Services({'DATABASE_URL': 'postgres://app:x@127.0.0.1/news', 'BROKER_URL': 'amqp://app:x@127.0.0.1'})\n"
        "print(sorted({'pg8000', 'amqp', 'scramp', 'asn1crypto', 'dateutil'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
