"""The pages. Whatever changes something is a POST that leads back to a page."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reader import reading, subscribing
from reader.forms import SubscribeForm
from reader.models import Entry, Feed, Subscription

PAGE_LENGTH = 20


@require_safe
@never_cache
def stream(request: HttpRequest) -> HttpResponse:
    """Every unread entry of every feed, newest first."""
    unread = reading.unread(request.user)
    page = Paginator(unread, PAGE_LENGTH).get_page(request.GET.get("page"))
    newest = Entry.objects.order_by("-pk").values_list("pk", flat=True).first() if page.paginator.count else None
    is_subscribed = Subscription.objects.filter(user=request.user).exists()
    context = {"page": page, "newest": newest, "is_subscribed": is_subscribed}
    return render(request, "reader/stream.html", context)


@require_POST
def read_one(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Mark one entry read and go on where the reader was."""
    entry = get_object_or_404(Entry, pk=entry_id)
    reading.mark_read(request.user, [entry.pk])
    page = request.GET.get("page", "")
    query = f"?page={page}" if page.isdecimal() and page != "1" else ""
    return redirect(reverse("reader:stream") + query)


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    """Mark read what was there when the page was made: what came since has not been seen."""
    newest = request.POST.get("newest", "")
    if newest.isdecimal() and len(newest) < 19:
        count, _ = reading.mark_all_read(request.user, newest=int(newest))
        messages.success(request, "1 entry marked read." if count == 1 else f"{count} entries marked read.")
    return redirect("reader:stream")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def feeds(request: HttpRequest) -> HttpResponse:
    """The subscriptions, and the form that adds one."""
    form = SubscribeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        subscription, is_new = subscribing.subscribe(request.user, form.cleaned_data["url"])
        if is_new:
            return _queue_fetch(request, subscription.feed, "Subscribed: the feed is being fetched.")
        form.add_error("url", "You are subscribed to this feed already.")
    unread = reading.unread_by_feed(request.user)
    subscriptions = sorted(
        Subscription.objects.filter(user=request.user).select_related("feed"), key=lambda item: str(item).casefold()
    )
    for subscription in subscriptions:
        subscription.unread = unread.get(subscription.feed_id, 0)
    context = {"form": form, "subscriptions": subscriptions}
    return render(request, "reader/feeds.html", context, status=422 if form.errors else 200)


@require_POST
def fetch_now(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Ask the worker for a fetch without waiting for it."""
    subscription = get_object_or_404(Subscription, user=request.user, feed=feed_id)
    return _queue_fetch(request, subscription.feed, f"{subscription} is being fetched.")


@require_POST
def unsubscribe(request: HttpRequest, feed_id: int) -> HttpResponse:
    """End a subscription."""
    subscription = get_object_or_404(Subscription.objects.select_related("feed"), user=request.user, feed=feed_id)
    subscribing.unsubscribe(subscription)
    messages.success(request, f"Unsubscribed from {subscription}.")
    return redirect("reader:feeds")


def _queue_fetch(request: HttpRequest, feed: Feed, done: str) -> HttpResponse:
    from reader.tasks import ask_to_fetch  # Celery is a third of this process's boot, and few requests need it

    if ask_to_fetch(feed):
        messages.success(request, done)
    else:
        messages.error(request, f"{feed} cannot be fetched now: the queue does not answer. It is fetched later.")
    return redirect("reader:feeds")
