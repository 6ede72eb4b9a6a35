"""Reads configuration out of environment variables, and says clearly what is wrong with them.

Pure functions of a mapping, so that they are tested without importing the settings again.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    "timeout": 10,  # seconds a writer waits for another one
    "transaction_mode": "IMMEDIATE",  # take the write lock first: waiting works, upgrading a read lock does not
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
}


def flag(environ: Mapping[str, str], name: str) -> bool:
    """Whether the variable is set to something that means yes; unset and empty mean no."""
    value = environ.get(name, "").strip().lower()
    if value in ("", "0", "false", "no", "off"):
        return False
    if value in ("1", "true", "yes", "on"):
        return True
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}")


def words(environ: Mapping[str, str], name: str, default: str = "") -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in environ.get(name, default).split(",") if word.strip()]


def positive_int(environ: Mapping[str, str], name: str, default: int) -> int:
    """A whole number above zero."""
    value = environ.get(name, "") or str(default)
    if not value.isdecimal() or int(value) == 0:
        raise ImproperlyConfigured(f"{name} must be a whole number above 0, not {value!r}")
    return int(value)


def whole_number(environ: Mapping[str, str], name: str, default: int) -> int:
    """A whole number, zero too."""
    value = environ.get(name, "") or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}")
    return int(value)


def one_of(environ: Mapping[str, str], name: str, *choices: str) -> str:
    """One of ``choices``; the first if the variable is not set."""
    value = environ.get(name, "") or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {value!r}")
    return value


def networks(environ: Mapping[str, str], name: str) -> list[str]:
    """A comma-separated list of networks like ``10.0.0.0/8``."""
    found = words(environ, name)
    for network in found:
        try:
            ip_network(network)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be networks like 10.0.0.0/8, not {network!r}") from error
    return found


def secret_key(environ: Mapping[str, str], *, throwaway: bool) -> str:
    """The key that signs cookies; a throw-away one is given to tests and DEBUG only."""
    key = environ.get("SECRET_KEY", "")
    if key:
        return key
    if throwaway:
        return "throw-away-key-of-tests-and-debug-only"
    raise ImproperlyConfigured(
        "SECRET_KEY is not set: set it to a long random string "
        "(python -c 'import secrets; print(secrets.token_urlsafe(50))'), or DEBUG=1 on your own machine"
    )


def database(url: str, data: Path) -> dict[str, object]:
    """Django's settings of the database at ``url``; without one, SQLite in the data folder.

    A relative path of ``sqlite:///name`` is taken from the data folder: a release's folder comes and goes.
    """
    parts = urlsplit(url or "sqlite:///antisocial.sqlite3")
    if parts.scheme == "sqlite":
        path = unquote(parts.path[1:])
        if not path:
            raise ImproperlyConfigured("DATABASE_URL names no file: write sqlite:///name or sqlite:////folder/name")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": data / path, "OPTIONS": SQLITE_OPTIONS}
    if parts.scheme in ("postgres", "postgresql"):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path[1:]),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    # The URL may hold a password: only its scheme is said.
    raise ImproperlyConfigured(f"DATABASE_URL must begin with sqlite:// or postgresql://, not {parts.scheme!r}")


def mail(url: str) -> dict[str, object]:
    """Django's settings of the mail server at ``url``; without one, mail is written to the log.

    ``smtp://user:password@host:587`` begins in plain text and then encrypts, ``smtps://`` encrypts from the start, and
    ``smtp+plain://`` does not, for a server on this machine.
    """
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = urlsplit(url)
    ports = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
    if parts.scheme not in ports or not parts.hostname:
        raise ImproperlyConfigured(f"EMAIL_URL must be smtp://user:password@host:port, not {parts.scheme}://…")
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or ports[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 10,
    }


def bucket(environ: Mapping[str, str]) -> dict[str, object]:
    """The options of the static files' bucket; boto3 reads AWS_ACCESS_KEY_ID and its like by itself."""
    return {
        "bucket_name": environ.get("AWS_STORAGE_BUCKET_NAME", ""),
        "endpoint_url": environ.get("AWS_S3_ENDPOINT_URL") or None,
        "region_name": environ.get("AWS_S3_REGION_NAME") or None,
        "custom_domain": environ.get("AWS_S3_CUSTOM_DOMAIN") or None,
        "location": "static",
        "addressing_style": "path" if environ.get("AWS_S3_ENDPOINT_URL") else None,
        "querystring_auth": False,
        "default_acl": None,
        "gzip": True,
        "object_parameters": {"CacheControl": "public, max-age=31536000, immutable"},
    }


def static_url(environ: Mapping[str, str]) -> str:
    """Where browsers get static files from: this app, the bucket, or the CDN in front of the bucket."""
    name, domain = environ.get("AWS_STORAGE_BUCKET_NAME"), environ.get("AWS_S3_CUSTOM_DOMAIN")
    if not name:
        return "static/"
    if domain:
        return f"https://{domain}/static/"
    endpoint = environ.get("AWS_S3_ENDPOINT_URL", "").rstrip("/")
    return f"{endpoint}/{name}/static/" if endpoint else f"https://{name}.s3.amazonaws.com/static/"
