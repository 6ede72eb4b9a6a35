"""Headers that every answer carries."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

# Feeds are strangers' HTML. Should anything get past the sanitiser, it can run nothing: pictures, sound and films of
# anywhere are all that an entry may load.
_PLACES = urlsplit(settings.STATIC_URL)
_OURS = f"'self' {_PLACES.scheme}://{_PLACES.netloc}" if _PLACES.netloc else "'self'"
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_OURS}; style-src {_OURS}; connect-src 'self'; manifest-src 'self'; "
    "img-src 'self' data: http: https:; media-src http: https:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SOLO_NAME = "reader"

View = Callable[[HttpRequest], HttpResponse]


def solo(get_response: View) -> View:
    """With ``SOLO``, every request is the one reader's, who is made when first needed."""

    def answer(request: HttpRequest) -> HttpResponse:
        if settings.SOLO:
            request.user = SimpleLazyObject(solo_user)
        return get_response(request)

    return answer


def solo_user() -> User:
    """The one reader. Without a password: nobody logs in as them when ``SOLO`` is taken away."""
    user = User.objects.filter(username=SOLO_NAME).first()
    if user is None:
        user, _ = User.objects.get_or_create(username=SOLO_NAME, defaults={"password": "!"})
    return user


def headers(get_response: View) -> View:
    """Say which release served the request, and what its page may load."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        if settings.RELEASE:
            response["X-Release"] = settings.RELEASE
        return response

    return answer
