"""Who calls: an app password is exchanged for a token, which every call carries in its ``Authorization`` header."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from reader import limits
from reader.accounts import normal
from reader.models import AppPassword

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is mistaken for another when typed into a phone
_EDIT_TOKEN_LENGTH = 57  # as Google's had
_SEEN_EVERY = timedelta(hours=1)

View = Callable[..., HttpResponse]


class ApiRequest(HttpRequest):
    """A request whose token was right."""

    app: AppPassword
    user: User


def make_password(user: User, name: str) -> str:
    """A new app password, which is kept as a hash only: it cannot be shown again."""
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    AppPassword.objects.create(user=user, name=name, digest=_digest(password))
    return password


@login_not_required
@csrf_exempt
@require_POST
def client_login(request: HttpRequest) -> HttpResponse:
    """``Email`` (a user name) and ``Passwd`` (an app password) for a token; plain lines, or JSON if asked for."""
    name, password = normal(request.POST.get("Email", "")), request.POST.get("Passwd", "")
    attempt = limits.Attempt.of(request, name, door="api")
    if attempt.is_too_many():
        headers = {"Retry-After": limits.RETRY_AFTER}
        return HttpResponse("Error=Throttled\n", status=429, content_type="text/plain", headers=headers)
    right = AppPassword.objects.filter(digest=_digest(password), user__username=name, user__is_active=True)
    app = None if "\0" in name else right.first()  # PostgreSQL takes no NUL, not even to look for it
    if app is None:
        attempt.failed()
        return HttpResponse("Error=BadAuthentication\n", status=401, content_type="text/plain")
    token = _token(app)
    answer = {"SID": token, "LSID": "null", "Auth": token}
    if request.POST.get("output") == "json":
        return JsonResponse(answer)
    return HttpResponse("".join(f"{key}={value}\n" for key, value in answer.items()), content_type="text/plain")


def signed_in(view: View) -> View:
    """For whom the token is; 401 without a right one. Cookies count for nothing, so forgery has nothing to forge."""

    @login_not_required
    @csrf_exempt
    @wraps(view)
    def answer(request: ApiRequest, *args: object, **kwargs: object) -> HttpResponse:
        app = _app_of(request.headers.get("Authorization", ""))
        if app is None:
            return _unauthorized()
        request.app, request.user = app, app.user
        _note_use(app)
        return view(request, *args, **kwargs)

    return answer


def changing(view: View) -> View:
    """A POST by whom the token is for. An edit token ``T`` must be the right one; some apps send none, or x."""

    @wraps(view)
    def answer(request: ApiRequest, *args: object, **kwargs: object) -> HttpResponse:
        given = (request.POST.get("T") or request.GET.get("T") or "").strip()
        if given not in ("", "x") and not constant_time_compare(given, edit_token(request.app)):
            return _unauthorized()
        return view(request, *args, **kwargs)

    return signed_in(require_POST(answer))


def edit_token(app: AppPassword) -> str:
    """What ``T`` of a change must be."""
    return salted_hmac("reader.api.edit", app.digest).hexdigest().ljust(_EDIT_TOKEN_LENGTH, "Z")


def _token(app: AppPassword) -> str:
    return f"{app.pk}/{salted_hmac('reader.api', app.digest, algorithm='sha256').hexdigest()}"


def _app_of(header: str) -> AppPassword | None:
    found = re.fullmatch(r"GoogleLogin\s+auth=\s*((\d{1,18})/[0-9a-f]{64})", header.strip(), re.IGNORECASE)
    if found is None:
        return None
    app = AppPassword.objects.select_related("user").filter(pk=int(found[2]), user__is_active=True).first()
    return app if app is not None and constant_time_compare(found[1].lower(), _token(app)) else None


def _note_use(app: AppPassword) -> None:
    now = timezone.now()
    if app.last_used is None or now - app.last_used > _SEEN_EVERY:
        AppPassword.objects.filter(pk=app.pk).update(last_used=now)


def _unauthorized() -> HttpResponse:
    # The first header is Google's name, the second is what FreshRSS sends: apps then ask for a new token.
    headers = {"X-Reader-Google-Bad-Token": "true", "Google-Bad-Token": "true"}
    return HttpResponse("Unauthorized\n", status=401, content_type="text/plain", headers=headers)


def _digest(password: str) -> str:
    """A password of a hundred random bits needs no salt and no slow hash."""
    plain = re.sub(r"[\s-]", "", password).lower()
    return hashlib.sha256(plain.encode(errors="surrogatepass")).hexdigest()
