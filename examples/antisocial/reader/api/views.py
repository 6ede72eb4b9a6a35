"""The calls of the Google Reader API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps

from django.db.models import Count, Max
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods, require_safe

from reader import reading, subscribing
from reader.api import ids
from reader.api.auth import ApiRequest, View, changing, edit_token, signed_in
from reader.api.items import item, titles
from reader.api.streams import asked, feed_id, moment, page_of
from reader.models import Entry, State, Subscription
from reader.text import without_controls

MOST_IDS = 50_000
MOST_ITEMS = 1000  # contents can be long
USUAL = 20


def explained(view: View) -> View:
    """400 and the reason for what the call names wrongly."""

    @wraps(view)
    def answer(request: ApiRequest, *args: object, **kwargs: object) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except ids.BadNameError as error:
            return _bad(str(error))

    return answer


def _bad(reason: str) -> HttpResponse:
    return HttpResponse(f"Error={reason}\n", status=400, content_type="text/plain")


def _ok() -> HttpResponse:
    return HttpResponse("OK", content_type="text/plain")


# --- who ---


@signed_in
@require_safe
def token(request: ApiRequest) -> HttpResponse:
    """The edit token."""
    return HttpResponse(f"{edit_token(request.app)}\n", content_type="text/plain")


@signed_in
@require_safe
def user_info(request: ApiRequest) -> HttpResponse:
    """Who the token is for."""
    user = request.user
    number = str(user.pk)
    return JsonResponse(
        {"userId": number, "userName": user.username, "userProfileId": number, "userEmail": user.email or user.username}
    )


def nothing(**answer: object) -> Callable[..., HttpResponse]:
    """A call for something that is not kept here: a right answer without anything in it."""

    @signed_in
    @require_safe
    def view(request: ApiRequest) -> HttpResponse:
        return JsonResponse(answer)

    return view


@signed_in
@require_safe
def tag_list(request: ApiRequest) -> HttpResponse:
    """The states an app may show as a stream."""
    return JsonResponse({"tags": [{"id": ids.STARRED}]})


@changing
def tag_change(request: ApiRequest) -> HttpResponse:
    """There are no folders to rename or to drop."""
    return _ok()


# --- subscriptions ---


@signed_in
@require_safe
def subscription_list(request: ApiRequest) -> HttpResponse:
    """All subscriptions."""
    found = Subscription.objects.filter(user=request.user).select_related("feed").order_by("feed")
    return JsonResponse(
        {
            "subscriptions": [
                {
                    "id": f"feed/{subscription.feed_id}",
                    "title": str(subscription),
                    "categories": [],
                    "url": subscription.feed.url,
                    "htmlUrl": subscription.feed.site_url or subscription.feed.url,
                    "iconUrl": "",
                    "sortid": f"{subscription.pk:08X}",
                    "firstitemmsec": str(int(subscription.since.timestamp() * 1000)),
                }
                for subscription in found
            ]
        }
    )


@changing
@explained
def subscription_edit(request: ApiRequest) -> HttpResponse:
    """Subscribe, unsubscribe or rename, each of the streams ``s``; ``t`` are their titles."""
    action = request.POST.get("ac") or request.GET.get("ac", "")
    actions = {"subscribe": _subscribe, "unsubscribe": _unsubscribe, "edit": _rename}
    names = request.POST.getlist("s") or request.GET.getlist("s")
    titles_given = request.POST.getlist("t") or request.GET.getlist("t")
    if action not in actions or not names:
        return _bad("ac must be subscribe, unsubscribe or edit, and s a stream")
    for at, name in enumerate(names):
        wanted = ids.stream(name)
        if wanted.kind != "feed":
            return _bad(f"{name[:80]!r} is not a feed")
        title = without_controls(titles_given[at])[:300] if at < len(titles_given) else ""
        if not actions[action](request, wanted.name, title):
            return _bad(f"there is no subscription {name[:80]!r}")
    return _ok()


@signed_in
@require_http_methods(["GET", "POST"])
def quickadd(request: ApiRequest) -> HttpResponse:
    """Subscribe to the feed at an address, or to that of the site there."""
    address = request.POST.get("quickadd") or request.GET.get("quickadd", "")
    try:
        found = _subscribe(request, address.removeprefix("feed/"), "")
    except ids.BadNameError as error:
        return JsonResponse({"numResults": 0, "query": address, "error": str(error)})
    return JsonResponse(
        {"numResults": 1, "query": address, "streamId": f"feed/{found.feed_id}", "streamName": str(found)}
    )


def _subscribe(request: ApiRequest, address: str, title: str) -> Subscription:
    from reader.tasks import ask_to_fetch  # Celery is a third of this process's boot, and few requests need it

    try:
        subscription, is_new = subscribing.subscribe(request.user, address, title=title)
    except ValueError as error:
        raise ids.BadNameError(str(error)) from error
    if is_new:
        ask_to_fetch(subscription.feed)
    return subscription


def _unsubscribe(request: ApiRequest, name: str, title: str) -> bool:
    found = Subscription.objects.filter(user=request.user, feed=feed_id(request.user, name) or 0).first()
    if found is not None:
        subscribing.unsubscribe(found)
    return found is not None


def _rename(request: ApiRequest, name: str, title: str) -> bool:
    found = Subscription.objects.filter(user=request.user, feed=feed_id(request.user, name) or 0)
    return bool(found.update(title=title) if title else found.exists())


@signed_in
@require_safe
def unread_count(request: ApiRequest) -> HttpResponse:
    """How many entries of each feed, and of all, are unread, and when the last of them came."""
    unread = State.objects.filter(user=request.user, read_at=None).order_by()
    counts = list(unread.values_list("feed").annotate(count=Count("*"), newest=Max("entry")))
    came = dict(Entry.objects.filter(pk__in=[newest for *_, newest in counts]).values_list("pk", "fetched_at"))
    found = [(f"feed/{feed}", count, came[newest]) for feed, count, newest in counts if newest in came]
    total = sum(count for _, count, _ in found)
    newest = max((when for *_, when in found), default=datetime.fromtimestamp(0, tz=UTC))
    found.append((ids.READING_LIST, total, newest))
    return JsonResponse(
        {
            "max": total,
            "unreadcounts": [
                {"id": name, "count": count, "newestItemTimestampUsec": str(int(when.timestamp() * 1_000_000))}
                for name, count, when in found
            ],
        }
    )


# --- streams ---


@signed_in
@require_safe
@explained
def item_ids(request: ApiRequest) -> HttpResponse:
    """The ids of a stream's entries, in decimal."""
    wanted = asked(request.GET, request.GET.get("s", ids.READING_LIST), usual=USUAL, most=MOST_IDS)
    found, continuation = page_of(request.user, wanted)
    answer: dict[str, object] = {"itemRefs": [{"id": str(entry_id)} for entry_id in found]}
    return JsonResponse(answer | ({"continuation": continuation} if continuation else {}))


@signed_in
@require_safe
@explained
def contents(request: ApiRequest, name: str = "") -> HttpResponse:
    """The entries of a stream."""
    stream_id = name or request.GET.get("s", "") or ids.READING_LIST
    wanted = asked(request.GET, stream_id, usual=USUAL, most=MOST_ITEMS)
    found, continuation = page_of(request.user, wanted)
    return _contents(request, stream_id, found, continuation=continuation)


@signed_in
@require_http_methods(["GET", "POST"])
@explained
def item_contents(request: ApiRequest) -> HttpResponse:
    """The entries with the ids ``i``."""
    wanted = request.POST.getlist("i") or request.GET.getlist("i")
    found = [ids.entry_id(name) for name in wanted]
    if len(found) > MOST_ITEMS:
        return _bad(f"at most {MOST_ITEMS} items can be asked for at once")
    is_oldest_first = (request.POST.get("r") or request.GET.get("r")) == "o"
    return _contents(request, ids.READING_LIST, sorted(set(found), reverse=not is_oldest_first))


def _contents(request: ApiRequest, stream_id: str, found: list[int], *, continuation: str = "") -> HttpResponse:
    """Those of these entries that the user may see, in this order."""
    states = {state.entry_id: state for state in State.objects.filter(user=request.user, entry__in=found)}
    names = titles(request.user)
    entries = Entry.objects.filter(pk__in=found).select_related("feed").in_bulk()
    items = [
        item(entries[pk], states.get(pk), names)
        for pk in found
        if pk in entries and (entries[pk].feed_id in names or pk in states)
    ]
    answer: dict[str, object] = {
        "direction": "ltr",
        "id": stream_id,
        "title": "Antisocial",
        "self": [{"href": request.build_absolute_uri()}],
        "updated": int(time.time()),
        "author": request.user.username,
        "items": items,
    }
    return JsonResponse(answer | ({"continuation": continuation} if continuation else {}))


# --- marks ---


@changing
@explained
def edit_tag(request: ApiRequest) -> HttpResponse:
    """Give the tags ``a`` to the items ``i`` and take the tags ``r`` away; only read and starred mean anything."""
    entry_ids = [ids.entry_id(name) for name in request.POST.getlist("i") or request.GET.getlist("i")]
    changes = [(ids.stream(name).kind, True) for name in request.POST.getlist("a") or request.GET.getlist("a") if name]
    changes += [
        (ids.stream(name).kind, False) for name in request.POST.getlist("r") or request.GET.getlist("r") if name
    ]
    for kind, is_given in changes:
        _tag(request, entry_ids, kind, is_given=is_given)
    return _ok()


def _tag(request: ApiRequest, entry_ids: Iterable[int], kind: str, *, is_given: bool) -> None:
    if kind == "starred":
        reading.star(request.user, entry_ids, starred=is_given)
    elif (kind == "read" and is_given) or (kind in ("kept-unread", "unread") and not is_given):
        reading.mark_read(request.user, entry_ids)
    elif kind in ("read", "kept-unread", "unread"):
        reading.mark_unread(request.user, entry_ids)


@changing
@explained
def mark_all_as_read(request: ApiRequest) -> HttpResponse:
    """Mark read what came into the stream ``s`` until ``ts``, or until now."""
    wanted = ids.stream(request.POST.get("s") or request.GET.get("s", ""))
    until = moment(request.POST.get("ts") or request.GET.get("ts", ""))
    if wanted.kind not in ("reading-list", "feed"):
        return _ok()
    feed = feed_id(request.user, wanted.name) if wanted.kind == "feed" else None
    if wanted.kind == "feed" and feed is None:
        return HttpResponse("Error=no such feed\n", status=404, content_type="text/plain")
    unread = State.objects.filter(user=request.user, read_at=None)
    if feed is not None:
        unread = unread.filter(feed=feed)
    if until is not None:
        unread = unread.filter(entry__fetched_at__lte=until)
    newest = unread.aggregate(Max("entry"))["entry__max"]
    if newest is not None:
        reading.mark_all_read(request.user, newest=newest, feed=feed)
    return _ok()
