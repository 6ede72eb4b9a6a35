"""What a monitor asks: whether this process can serve."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@login_not_required
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Whether this instance can serve: ``ok``, or 503 and the part that fails (the log says why)."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        logger.exception("not healthy")
        return HttpResponse("database: no answer\n", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")
