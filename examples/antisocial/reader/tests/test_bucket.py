"""Static files in a real bucket (SeaweedFS), through the same two release tasks."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from unittest import skipUnless

from django.conf import settings
from django.test import SimpleTestCase, tag

from reader.tests.server import free_port

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testtesttest"}
WEED = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@tag("slow", "elsewhere")
@skipUnless(WEED and find_spec("storages"), "SeaweedFS or the extra is not installed")
class BucketTests(SimpleTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (cls.folder / "s3.json").write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "app",
                            "credentials": [{"accessKey": "test", "secretKey": "testtesttest"}],
                            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                        },
                        {"name": "anonymous", "actions": ["Read"]},
                    ]
                }
            )
        )
        ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        cls.endpoint = f"http://127.0.0.1:{ports['s3']}"
        cls.weed = subprocess.Popen(
            [
                str(WEED), "server", f"-dir={cls.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
                f"-s3.config={cls.folder / 's3.json'}", "-volume.max=5", "-master.volumeSizeLimitMB=64",
                "-s3.port.iceberg=0", "-s3.port.lance=0", *(f"-{name}.port={port}" for name, port in ports.items()),
            ],
            cwd=cls.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(cls.folder)},
        )  # fmt: skip
        cls.addClassCleanup(cls.forget_sockets, [number for port in ports.values() for number in (port, port + 10_000)])
        cls.addClassCleanup(cls.weed.wait)
        cls.addClassCleanup(cls.weed.kill)
        cls.make_bucket()

    @staticmethod
    def forget_sockets(ports: list[int]) -> None:
        """Remove what SeaweedFS leaves in /tmp, whatever folder it is told."""
        for port in ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()

    @classmethod
    def make_bucket(cls) -> None:
        """Wait for the server, and make a bucket on it."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        retries = Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10)
        s3 = boto3.client(
            "s3", endpoint_url=cls.endpoint, aws_access_key_id="test", aws_secret_access_key="testtesttest",
            region_name="us-east-1", config=retries,
        )  # fmt: skip
        deadline = time.monotonic() + 90
        while True:
            try:
                s3.create_bucket(Bucket="static-of-a-test")
                s3.put_object(Bucket="static-of-a-test", Key="probe", Body=b"1")
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > deadline or cls.weed.poll() is not None:
                    raise AssertionError(f"no S3 server within 90 s: {error}") from error
                time.sleep(0.3)
            else:
                return

    def manage(self, *arguments: str, **environ: str) -> str:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-B", str(settings.BASE_DIR / "manage.py"), *arguments],
            env=kept | KEYS | {
                "PAWL_DATA": str(self.folder / "data"), "SECRET_KEY": "k", "NO_PROXY": "127.0.0.1",
                "AWS_STORAGE_BUCKET_NAME": "static-of-a-test", "AWS_S3_ENDPOINT_URL": self.endpoint,
                "AWS_S3_REGION_NAME": "us-east-1", "STATIC_ROOT": str(self.folder / "static"),
            } | environ,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_pages_link_to_packed_files_with_hashed_names_in_the_bucket(self) -> None:
        self.assertIn("static file", self.manage("collectstatic", "--noinput"))
        self.assertIn("on their way to the bucket", self.manage("compress"))
        shown = self.manage(
            "shell", "--command",
            "from django.templatetags.static import static; from antisocial.health import check_storage;"
            "check_storage(); print(static('reader/style.css'))",
        )  # fmt: skip
        url = shown.split()[-1]
        self.assertRegex(url, rf"^{self.endpoint}/static-of-a-test/static/reader/style\.[0-9a-f]{{12}}\.css$")
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            self.assertIn("immutable", answer.headers["Cache-Control"])
            self.assertEqual(answer.headers["Content-Encoding"], "gzip")
            style = gzip.decompress(answer.read()).decode()
        self.assertEqual(style, (settings.BASE_DIR / "reader/static/reader/style.css").read_text())

    def test_an_image_that_was_built_without_the_bucket_knows_its_names(self) -> None:
        self.manage("collectstatic", "--noinput")
        plain = self.folder / "plain"
        self.manage("collectstatic", "--noinput", AWS_STORAGE_BUCKET_NAME="", STATIC_ROOT=str(plain))
        names = [json.loads((at / "staticfiles.json").read_text())["paths"] for at in (self.folder / "static", plain)]
        self.assertEqual(*names)


@tag("slow", "elsewhere")
class WhiteNoiseTests(SimpleTestCase):
    def test_the_two_release_tasks_leave_packed_files_with_hashed_names(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with tempfile.TemporaryDirectory() as folder:
            environ = kept | {"PAWL_DATA": folder, "SECRET_KEY": "k", "STATIC_ROOT": f"{folder}/static"}
            for arguments in (["collectstatic", "--noinput"], ["compress"]):
                done = subprocess.run(
                    [sys.executable, "-B", str(settings.BASE_DIR / "manage.py"), *arguments],
                    env=environ, capture_output=True, text=True, check=False,
                )  # fmt: skip
                self.assertEqual(done.returncode, 0, done.stderr)
            names = json.loads(Path(folder, "static", "staticfiles.json").read_text())["paths"]
            style = Path(folder, "static", names["reader/style.css"])
            self.assertRegex(style.name, r"^style\.[0-9a-f]{12}\.css$")
            packed = style.with_name(f"{style.name}.gz")
            self.assertEqual(gzip.decompress(packed.read_bytes()), style.read_bytes())

    def test_compressing_before_collecting_says_what_to_do(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-B", str(settings.BASE_DIR / "manage.py"), "compress"],
                env=kept | {"PAWL_DATA": folder, "SECRET_KEY": "k", "STATIC_ROOT": f"{folder}/static"},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        self.assertEqual(done.returncode, 1)
        self.assertIn("run collectstatic first", done.stderr)
