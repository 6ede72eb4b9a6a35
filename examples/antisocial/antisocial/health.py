"""What a monitor asks: whether this process can serve, and whether all that it depends on is there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this instance can serve: ``ok``, or 503 and the part that fails (the log says why)."""
    try:
        check_database()
    except DatabaseError:
        logger.exception("not healthy")
        return HttpResponse("database: no answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
@never_cache
def smoketest(request: HttpRequest) -> HttpResponse:
    """Whether each part is there, by its name, as JSON; 503 if one is not (the log says why)."""
    found = {name: _is_there(name, check) for name, check in CHECKS.items()}
    return JsonResponse({name: "ok" if is_there else "failed" for name, is_there in found.items()},
                        status=200 if all(found.values()) else 503)  # fmt: skip


def _is_there(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception:  # whatever a driver raises, the part is not there, and the others are still to be looked at
        logger.exception("smoke test: %s", name)
        return False
    return True


def check_database() -> None:
    """Raises DatabaseError without an answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def check_broker() -> None:
    """Raises what the transport raises without an answer within seconds."""
    from antisocial.celery import app

    with app.connection_for_write(connect_timeout=3) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=3)
        broker.default_channel.basic_qos(0, 1, False)


def check_storage() -> None:
    """That the files which pages link to are where they link to."""
    from django.contrib.staticfiles.storage import staticfiles_storage

    name = "reader/style.css"
    stored = staticfiles_storage.stored_name(name) if hasattr(staticfiles_storage, "stored_name") else name
    if not staticfiles_storage.exists(stored):
        raise FileNotFoundError(stored)


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "broker": check_broker,
    "storage": check_storage,
}
