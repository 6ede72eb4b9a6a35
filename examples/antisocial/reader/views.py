"""The pages. Whatever changes something is a POST that leads back to a page."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import DatabaseError, connection
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reader.forms import SubscribeForm
from reader.models import Entry, Feed

PAGE_LENGTH = 20

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def stream(request: HttpRequest) -> HttpResponse:
    """Every unread entry of every feed, newest first."""
    unread = Entry.objects.filter(is_read=False).select_related("feed")
    page = Paginator(unread, PAGE_LENGTH).get_page(request.GET.get("page"))
    newest = unread.order_by("-id").values_list("id", flat=True).first()
    context = {"page": page, "newest": newest, "is_subscribed": Feed.objects.exists()}
    return render(request, "reader/stream.html", context)


@require_POST
def read_one(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Mark one entry read and go on where the reader was."""
    entry = get_object_or_404(Entry, pk=entry_id)
    Entry.objects.filter(pk=entry.pk).update(is_read=True)
    page = request.GET.get("page", "")
    query = f"?page={page}" if page.isdecimal() and page != "1" else ""
    return redirect(reverse("reader:stream") + query)


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark read what was there when the page was made: what came since has not been seen."""
    newest = request.POST.get("newest", "")
    if newest.isdecimal() and len(newest) < 19:
        count = Entry.objects.filter(is_read=False, pk__lte=int(newest)).update(is_read=True)
        messages.success(request, "1 entry marked read." if count == 1 else f"{count} entries marked read.")
    return redirect("reader:stream")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def feeds(request: HttpRequest) -> HttpResponse:
    """The subscriptions, and the form that adds one."""
    form = SubscribeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _queue_fetch(request, form.save(), "Subscribed: the feed is being fetched.")
    subscriptions = Feed.objects.annotate(unread=Count("entries", filter=Q(entries__is_read=False)))
    status = 422 if form.errors else 200
    return render(request, "reader/feeds.html", {"form": form, "feeds": subscriptions}, status=status)


@require_POST
def fetch_now(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Ask the worker for a fetch without waiting for it."""
    feed = get_object_or_404(Feed, pk=feed_id)
    return _queue_fetch(request, feed, f"{feed} is being fetched.")


@require_POST
def unsubscribe(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Drop a feed and its entries."""
    feed = get_object_or_404(Feed, pk=feed_id)
    feed.delete()
    messages.success(request, f"Unsubscribed from {feed}.")
    return redirect("reader:feeds")


def _queue_fetch(request: HttpRequest, feed: Feed, done: str) -> HttpResponse:
    from reader.tasks import ask_to_fetch  # Celery is a third of this process's boot, and few requests need it

    if ask_to_fetch(feed):
        messages.success(request, done)
    else:
        messages.error(request, f"{feed} cannot be fetched now: the queue does not answer. It is fetched later.")
    return redirect("reader:feeds")


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
