"""What a monitor is told."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from unittest.mock import patch

from django.conf import settings
from django.db import DatabaseError
from django.test import TestCase, override_settings
from kombu import Connection

from antisocial.celery import app


class HealthTests(TestCase):
    @override_settings(RELEASE="")
    def test_a_healthy_instance_says_ok(self) -> None:
        response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.content), (200, b"ok"))
        self.assertEqual(response["Content-Type"], "text/plain")
        self.assertNotIn("X-Release", response)

    @override_settings(RELEASE="a1b2c3d")
    def test_the_release_is_named_if_it_has_a_name(self) -> None:
        self.assertEqual(self.client.get("/healthz")["X-Release"], "a1b2c3d")

    def test_without_database_it_is_unhealthy_and_tells_no_secrets(self) -> None:
        with patch("antisocial.health.connection.cursor", side_effect=DatabaseError("password=hunter2")):
            response = self.client.get("/healthz")
        self.assertEqual((response.status_code, response.content), (503, b"database: no answer\n"))


class SmokeTests(TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        paths = ("data_folder_in", "data_folder_out", "processed_folder", "control_folder")
        self.enterContext(patch.dict(app.conf.broker_transport_options, {path: folder / path for path in paths}))
        self.enterContext(override_settings(STATIC_ROOT=folder / "static"))
        self.style = folder / "static" / "reader" / "style.css"
        self.style.parent.mkdir(parents=True)
        self.style.touch()

    def test_each_part_is_named(self) -> None:
        response = self.client.get("/smoketest/")
        self.assertEqual(response.status_code, 200, response.content)
        self.assertEqual(response.json(), {"database": "ok", "broker": "ok", "storage": "ok"})

    def test_the_part_that_is_not_there_is_told_from_the_others_without_secrets(self) -> None:
        self.style.unlink()
        response = self.client.get("/smoketest/")
        self.assertEqual(response.status_code, 503)
        self.assertEqual(response.json(), {"database": "ok", "broker": "ok", "storage": "failed"})
        with (
            patch("antisocial.health.connection.cursor", side_effect=DatabaseError("password=hunter2")),
            patch.object(app, "connection_for_write", side_effect=OSError("amqp://me:hunter2@mq/")),
        ):
            response = self.client.get("/smoketest/")
        self.assertEqual(set(response.json().values()), {"failed"})
        self.assertNotContains(response, "hunter2", status_code=503)

    def test_a_broker_that_does_not_answer_is_not_waited_for_long(self) -> None:
        nobody = Connection("amqp://guest:guest@127.0.0.1:1//", connect_timeout=1)
        with patch.object(app, "connection_for_write", return_value=nobody):
            self.assertEqual(self.client.get("/smoketest/").json()["broker"], "failed")


class DeployFilesTests(TestCase):
    def test_the_procfile_the_image_and_pawl_start_the_same_commands(self) -> None:
        base = Path(settings.BASE_DIR)
        with (base / "pawl.toml").open("rb") as file:
            processes = tomllib.load(file)["processes"]
        lines = dict(line.split(": ", 1) for line in (base / "Procfile").read_text().splitlines())
        self.assertEqual(lines, {name: process["command"] for name, process in processes.items()})
        words = ", ".join(f'"{word}"' for word in lines["web"].split())
        self.assertIn(f"CMD [{words}]", (base / "Dockerfile").read_text())
