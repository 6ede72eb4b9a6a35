"""The subscriptions: one's own list, one feed of it, and bringing them from and to other readers."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from reader import opml, reading, subscribing
from reader.forms import ImportForm, SubscribeForm
from reader.models import GREATEST_ID, Entry, Feed, Subscription
from reader.paging import Cursor
from reader.text import without_controls
from reader.views.entries import PAGE_LENGTH, listed, offer_undo, with_states

# More of them wait for the schedule, which asks for them one after the other.
MOST_FETCHED_AT_ONCE = 20


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def feeds(request: HttpRequest) -> HttpResponse:
    """The subscriptions, and the forms that add some."""
    form = SubscribeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        subscription, is_new = subscribing.subscribe(request.user, form.cleaned_data["url"])
        if is_new:
            return _queue_fetch(request, subscription.feed, "Subscribed: the feed is being fetched.")
        form.add_error("url", "You are subscribed to this feed already.")
    return _page(request, form, ImportForm())


@require_POST
def import_opml(request: HttpRequest) -> HttpResponse:
    """Subscribe to the feeds of another reader's export."""
    upload = ImportForm(request.POST, request.FILES)
    if not upload.is_valid():
        return _page(request, SubscribeForm(), upload)
    new, wrong = [], []
    for outline in upload.outlines:
        try:
            subscription, is_new = subscribing.subscribe(request.user, outline.url, title=outline.title)
        except ValueError:
            wrong.append(outline.line)
            continue
        if is_new:
            new.append(subscription.feed)
    known = len(upload.outlines) - len(new) - len(wrong)
    said = f"{_feeds(len(new))} added"
    said += f", {known} known already" if known else ""
    said += f", {len(wrong)} without a usable address (line {_some(wrong)})" if wrong else ""
    messages.success(request, f"{said}.")
    _ask_for(new[:MOST_FETCHED_AT_ONCE])
    return redirect("reader:feeds")


def _some(lines: list[int]) -> str:
    """The first of these lines, for a sentence."""
    return ", ".join(map(str, lines[:8])) + (", …" if len(lines) > 8 else "")


@require_safe
@never_cache
def export_opml(request: HttpRequest) -> HttpResponse:
    """The subscriptions as a file that every reader takes."""
    document = opml.write(
        [
            opml.Outline(url=subscription.feed.url, title=str(subscription), site_url=subscription.feed.site_url)
            for subscription in subscriptions_of(request)
        ],
        title=f"Feeds of {request.user.get_username()}",
    )
    headers = {"Content-Disposition": 'attachment; filename="feeds.opml"'}
    return HttpResponse(document, content_type="text/x-opml", headers=headers)


@require_safe
@never_cache
def feed(request: HttpRequest, feed_id: int) -> HttpResponse:
    """One feed: how its fetches went, and its entries, read or not."""
    subscription = _subscription(request, feed_id)
    entries = Entry.objects.filter(feed=feed_id)
    cursor = Cursor.parse(request.GET.get("before", ""))
    if cursor:
        entries = entries.filter(published__lte=cursor.moment).exclude(published=cursor.moment, pk__gte=cursor.entry_id)
    page = list(entries.select_related("feed").defer("content")[: PAGE_LENGTH + 1])
    context = listed(request, "feed", with_states(request.user, page[:PAGE_LENGTH]))
    if len(page) > PAGE_LENGTH:
        context["next_cursor"] = Cursor(page[-2].published, page[-2].pk)
    subscription.unread = reading.unread(request.user, feed=feed_id).count()
    context |= {
        "subscription": subscription,
        "feed": subscription.feed,
        "history": subscription.feed.history.all()[:20],
    }
    context["is_due"] = subscription.feed.next_fetch_at <= timezone.now()
    return render(request, "reader/feed.html", context)


@require_POST
def rename(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Give a feed a title of one's own, or its own one back."""
    subscription = _subscription(request, feed_id)
    subscription.title = " ".join(without_controls(request.POST.get("title", "")).split())[:300]
    subscription.save(update_fields=["title"])
    messages.success(request, f"It is called {subscription}.")
    return redirect("reader:feed", feed_id)


@require_POST
def fetch_now(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Ask the worker for a fetch without waiting for it."""
    subscription = _subscription(request, feed_id)
    return _queue_fetch(request, subscription.feed, f"{subscription} is being fetched.")


@require_POST
def unsubscribe(request: HttpRequest, feed_id: int) -> HttpResponse:
    """End a subscription, which can be taken back."""
    subscription = _subscription(request, feed_id)
    said = f"Unsubscribed from {subscription}. What you starred stays."
    left = subscribing.unsubscribe(subscription)
    undo = {"url": subscription.feed.url, "title": subscription.title}
    offer_undo(request, said, undo | {"left_at": left.at.isoformat(), "newest": left.newest})
    return redirect("reader:feeds")


def subscriptions_of(request: HttpRequest) -> list[Subscription]:
    """The reader's subscriptions, by title."""
    found = Subscription.objects.filter(user=request.user).select_related("feed")
    return sorted(found, key=lambda subscription: str(subscription).casefold())


def _page(request: HttpRequest, form: SubscribeForm, upload: ImportForm) -> HttpResponse:
    unread = reading.unread_by_feed(request.user)
    subscriptions = subscriptions_of(request)
    for subscription in subscriptions:
        subscription.unread = unread.get(subscription.feed_id, 0)
    context = {"form": form, "upload": upload, "subscriptions": subscriptions}
    return render(request, "reader/feeds.html", context, status=422 if form.errors or upload.errors else 200)


def _subscription(request: HttpRequest, feed_id: int) -> Subscription:
    if feed_id > GREATEST_ID:
        raise Http404
    return get_object_or_404(Subscription.objects.select_related("feed"), user=request.user, feed=feed_id)


def _feeds(count: int) -> str:
    return "1 feed" if count == 1 else f"{count} feeds"


def _ask_for(new: list[Feed]) -> bool:
    from reader.tasks import ask_to_fetch  # Celery is a third of this process's boot, and few requests need it

    return all(ask_to_fetch(feed) for feed in new)


def _queue_fetch(request: HttpRequest, feed: Feed, done: str) -> HttpResponse:
    if _ask_for([feed]):
        messages.success(request, done)
    else:
        messages.error(request, f"{feed} cannot be fetched now: the queue does not answer. It is fetched later.")
    return redirect("reader:feed", feed.pk)
