"""Lists of entries, one entry, and what a reader does to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from reader import reading, subscribing
from reader.models import Entry, State, Subscription
from reader.paging import Cursor
from reader.search import search as find

PAGE_LENGTH = 50
MOST_MARKS = 1000


@require_safe
@never_cache
def stream(request: HttpRequest) -> HttpResponse:
    """Every unread entry of every feed, newest first."""
    context = _page(request, "unread", reading.unread(request.user), by="published")
    is_subscribed = bool(context["entries"]) or Subscription.objects.filter(user=request.user).exists()
    return render(request, "reader/stream.html", context | {"heading": "Unread", "is_subscribed": is_subscribed})


@require_safe
@never_cache
def starred(request: HttpRequest) -> HttpResponse:
    """What was starred, read or not, the last one first."""
    context = _page(request, "starred", reading.starred(request.user), by="starred_at")
    return render(request, "reader/stream.html", context | {"heading": "Starred"})


@require_safe
@never_cache
def search(request: HttpRequest) -> HttpResponse:
    """Entries with all of some words, the last to arrive first."""
    words = request.GET.get("words", "").strip()[:200]
    before = request.GET.get("before", "")
    start = int(before) if before.isdecimal() and len(before) < 19 else None
    found = find(request.user, words, before=start, limit=PAGE_LENGTH + 1) if words else []
    context = listed(request, "search", with_states(request.user, found[:PAGE_LENGTH]))
    if len(found) > PAGE_LENGTH:
        context["next_cursor"] = found[-2].pk
    return render(request, "reader/search.html", context | {"words": words})


@require_safe
@never_cache
def entry(request: HttpRequest, entry_id: int) -> HttpResponse:
    """One entry; for a script, only what was sanitised when it was stored."""
    found = _visible(request.user, entry_id)
    # What is content was sanitised when it was stored; a summary is text.
    content = mark_safe(found.content) if found.content else escape(found.summary)  # noqa: S308
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(content or "<p>Nothing but a title.</p>")
    (shown,) = _with_sources(request.user, with_states(request.user, [found]))
    return render(request, "reader/entry.html", {"entry": shown, "content": content})


@require_safe
@never_cache
def news(request: HttpRequest) -> HttpResponse:
    """How many unread entries came after the entry with the id ``since``: asked often, so it has to be cheap."""
    since = request.GET.get("since", "")
    if not since.isdecimal() or len(since) > 18:
        return HttpResponse("since must be the id of an entry\n", status=400, content_type="text/plain")
    fresh = State.objects.filter(user=request.user, read_at=None, entry__gt=int(since)).count()
    return JsonResponse({"fresh": fresh})


@require_POST
def mark(request: HttpRequest) -> HttpResponse:
    """Mark entries ``read``, ``unread``, ``star`` or ``unstar``: ids with commas between; or ``all`` read up to an id.

    A script gets 204; a form goes to ``next``, with a way to undo what went out of sight.
    """
    user = request.user
    marked, marked_at = reading.mark_read(user, _ids(request, "read"))
    reading.mark_unread(user, _ids(request, "unread"))
    reading.star(user, _ids(request, "star"))
    reading.star(user, _ids(request, "unstar"), starred=False)
    if newest := request.POST.get("all"):
        marked, marked_at = reading.mark_all_read(user, newest=_number(newest), feed=_feed(request))
    if request.headers.get("X-Requested-With") == "fetch":
        return HttpResponse(status=204)
    if marked:
        said = "1 entry marked read." if marked == 1 else f"{marked} entries marked read."
        offer_undo(request, said, {"marked_at": marked_at.isoformat()})
    return redirect(next_page(request))


@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    """Take back what was done last: marks, or the end of a subscription."""
    last = request.session.pop("undo", None) or {}
    if "marked_at" in last:
        count = reading.undo(request.user, datetime.fromisoformat(last["marked_at"]))
        messages.success(request, "1 entry is unread again." if count == 1 else f"{count} entries are unread again.")
        return redirect("reader:stream")
    if "left_at" in last:
        left = subscribing.Left(datetime.fromisoformat(last["left_at"]), last["newest"])
        subscription = subscribing.subscribe_again(request.user, last["url"], left, title=last["title"])
        messages.success(request, f"Subscribed to {subscription} again.")
        return redirect("reader:feeds")
    messages.info(request, "There is nothing to undo.")
    return redirect("reader:stream")


def offer_undo(request: HttpRequest, said: str, what: dict[str, str | int]) -> None:
    """Say what was done, with a button that takes it back."""
    request.session["undo"] = what
    messages.success(request, said, extra_tags="undo")


def next_page(request: HttpRequest) -> str:
    """Where a form leads: ``next`` if it is a page of this site."""
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if is_ours else reverse("reader:stream")


def _page(request: HttpRequest, kind: str, states: QuerySet[State], *, by: str) -> dict[str, Any]:
    """One page of ``states``, which are ordered by the time ``by``, from the cursor of the request on."""
    cursor = Cursor.parse(request.GET.get("before", ""))
    if cursor:
        states = reading.after(states, cursor.moment, cursor.entry_id, by=by)
    page = list(states.defer("entry__content")[: PAGE_LENGTH + 1])
    context = listed(request, kind, _entries_of(page[:PAGE_LENGTH]))
    if len(page) > PAGE_LENGTH:
        context["next_cursor"] = Cursor(getattr(page[-2], by), page[-2].entry_id)
    return context


def with_states(user: User, entries: Iterable[Entry]) -> list[Entry]:
    """``entries`` with their marks."""
    found = list(entries)
    states = {state.entry_id: state for state in State.objects.filter(user=user, entry__in=[item.pk for item in found])}
    return [_shown(item, states.get(item.pk)) for item in found]


def _entries_of(states: list[State]) -> list[Entry]:
    for state in states:
        state.entry.feed = state.feed  # the same, and here already
    return [_shown(state.entry, state) for state in states]


def _shown(item: Entry, state: State | None) -> Entry:
    item.is_read = state is None or state.read_at is not None
    item.is_starred = state is not None and state.starred_at is not None
    return item


def _with_sources(user: User, entries: list[Entry]) -> list[Entry]:
    """``entries`` with what ``user`` calls their feeds."""
    own = dict(
        Subscription.objects.filter(user=user, feed__in={item.feed_id for item in entries})
        .exclude(title="")
        .values_list("feed", "title")
    )
    for item in entries:
        item.source = own.get(item.feed_id) or str(item.feed)
    return entries


def listed(request: HttpRequest, kind: str, entries: list[Entry]) -> dict[str, Any]:
    """What a page with a list of entries shows. ``newest`` is the last entry that came before it was made."""
    return {
        "kind": kind,
        "entries": _with_sources(request.user, entries),
        "page_ids": ",".join(str(item.pk) for item in entries),
        "newest": Entry.objects.aggregate(Max("pk"))["pk__max"] or 0,
        "unread": reading.count_unread(request.user),
        "poll_ms": settings.LOOK_FOR_NEWS_S * 1000,
    }


def _visible(user: User, entry_id: int) -> Entry:
    found = get_object_or_404(Entry.objects.select_related("feed"), pk=entry_id)
    if not reading.is_subscribed_to(user, found):
        raise Http404
    return found


def _ids(request: HttpRequest, name: str) -> list[int]:
    """The ids of all fields of this name; what is none is left out."""
    numbers = ",".join(request.POST.getlist(name)).split(",")[:MOST_MARKS]
    return [number for number in map(_number, numbers) if number]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0


def _feed(request: HttpRequest) -> int | None:
    return _number(request.POST.get("feed", "")) or None
