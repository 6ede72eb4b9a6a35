"""Static files in a bucket, for a CDN in front of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import StaticFilesStorage
from storages.backends.s3 import S3ManifestStaticStorage


class BucketStorage(S3ManifestStaticStorage):
    """Files by the hash of their content, so that each release's links go on working, whatever is live.

    Which hash is whose is kept beside the code: in the bucket, one release would read another's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        beside_the_code = StaticFilesStorage(location=settings.STATIC_ROOT)
        super().__init__(*args, manifest_storage=beside_the_code, **kwargs)
