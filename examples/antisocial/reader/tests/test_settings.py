"""The environment, and the queue in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase
from kombu import Connection

from antisocial import env
from antisocial.broker import register

DATA = Path("/data")


class EnvironmentTests(SimpleTestCase):
    def test_production_does_not_start_without_a_key(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with tempfile.TemporaryDirectory() as data:
            done = subprocess.run(
                [sys.executable, "-B", "-c", "import antisocial.settings"],
                cwd=settings.BASE_DIR,
                env=kept | {"PAWL_DATA": data},
                capture_output=True,
                text=True,
                check=False,
            )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ImproperlyConfigured: SECRET_KEY is not set", done.stderr)

    def test_a_key_is_taken_or_thrown_away(self) -> None:
        self.assertEqual(env.secret_key({"SECRET_KEY": "k"}, throwaway=True), "k")
        self.assertIn("throw-away", env.secret_key({}, throwaway=True))

    def test_nonsense_is_refused_with_the_name_of_the_variable(self) -> None:
        with self.assertRaisesMessage(ImproperlyConfigured, "DEBUG must be 1 or 0, not 'maybe'"):
            env.flag({"DEBUG": "maybe"}, "DEBUG")
        for value in ("soon", "0", "-1", "1.5"):
            with self.assertRaisesMessage(ImproperlyConfigured, "N must be a whole number above 0"):
                env.positive_int({"N": value}, "N", 9)
        with self.assertRaisesMessage(ImproperlyConfigured, "not 'mysql'") as caught:
            env.database("mysql://me:hunter2@db/x", DATA)
        self.assertNotIn("hunter2", str(caught.exception))
        with self.assertRaisesMessage(ImproperlyConfigured, "names no file"):
            env.database("sqlite://", DATA)

    def test_lists_and_flags(self) -> None:
        self.assertEqual(env.words({"A": " a, ,b"}, "A"), ["a", "b"])
        self.assertEqual(env.words({}, "A", "x,y"), ["x", "y"])
        self.assertIs(env.flag({"F": "True"}, "F"), True)
        self.assertIs(env.flag({}, "F"), False)
        self.assertEqual(env.positive_int({"N": "5"}, "N", 9), 5)
        self.assertEqual(env.positive_int({}, "N", 9), 9)

    def test_sqlite_lives_in_the_data_folder(self) -> None:
        self.assertEqual(env.database("", DATA)["NAME"], DATA / "antisocial.sqlite3")
        self.assertEqual(env.database("sqlite:///a.db", DATA)["NAME"], DATA / "a.db")
        self.assertEqual(env.database("sqlite:////srv/a.db", DATA)["NAME"], Path("/srv/a.db"))

    def test_a_postgresql_address_is_taken_apart(self) -> None:
        found = env.database("postgresql://me:p%40ss@db:6543/news?sslmode=require", DATA)
        self.assertEqual(
            found,
            {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": "news",
                "USER": "me",
                "PASSWORD": "p@ss",
                "HOST": "db",
                "PORT": "6543",
                "OPTIONS": {"sslmode": "require"},
            },
        )


class MailTests(SimpleTestCase):
    def test_without_a_server_mail_goes_to_the_log(self) -> None:
        self.assertIn("console", env.mail("")["EMAIL_BACKEND"])

    def test_a_server_is_reached_by_its_url(self) -> None:
        found = env.mail("smtp://ada:p%40ss@mail.example.org")
        self.assertEqual(
            (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]), ("mail.example.org", 587, True)
        )
        self.assertEqual((found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]), ("ada", "p@ss"))
        found = env.mail("smtps://mail.example.org")
        self.assertEqual((found["EMAIL_PORT"], found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"]), (465, True, False))
        self.assertEqual(env.mail("smtp+plain://localhost:2525")["EMAIL_PORT"], 2525)

    def test_another_url_is_refused_without_saying_the_password(self) -> None:
        with self.assertRaises(ImproperlyConfigured) as caught:
            env.mail("http://ada:secret@mail.example.org")
        self.assertNotIn("secret", str(caught.exception))


class QueueTests(SimpleTestCase):
    def test_messages_go_through_a_folder_in_order_and_leave_nothing_behind(self) -> None:
        register()
        with tempfile.TemporaryDirectory() as folder:
            paths = {"data_folder_in": "m", "data_folder_out": "m", "processed_folder": "t", "control_folder": "c"}
            options = {name: Path(folder, path) for name, path in paths.items()}

            def connect() -> Connection:
                return Connection("folder://localhost", transport_options=options)

            with connect() as web, web.SimpleQueue("q") as queue:
                queue.put({"n": 1})
                queue.put({"n": 2})
                Path(folder, "m", "9_x.q.msg.part").touch()  # another process is at writing this one
                with (
                    Connection("folder://localhost", transport_options=options) as worker,
                    worker.SimpleQueue("q") as inbox,
                ):
                    for n in (1, 2):
                        message = inbox.get(block=False)
                        self.assertEqual(message.payload, {"n": n})
                        message.ack()
                    with self.assertRaises(inbox.Empty):
                        inbox.get(block=False)
            self.assertEqual([path.name for path in Path(folder).rglob("*.msg")], [])
