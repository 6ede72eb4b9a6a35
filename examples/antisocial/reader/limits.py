"""How often somebody may try to log in: counted in the database, which all instances share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone

from reader.accounts import normal
from reader.models import FailedLogin

WITHIN = timedelta(minutes=15)
RETRY_AFTER = str(int(WITHIN.total_seconds()))  # the header's value for who has to wait
# Of one account from one address; of one address, which tries many accounts; of one account, from many addresses.
# The last is high, or strangers could lock somebody out.
MOST_OF_BOTH, MOST_OF_ADDRESS, MOST_OF_ACCOUNT = 5, 30, 200


@dataclass(frozen=True)
class Attempt:
    """One attempt to log in to an account, from an address, through one door: the pages or the apps' interface."""

    both: str
    address: str
    account: str

    @classmethod
    def of(cls, request: HttpRequest, account: str, *, door: str) -> Attempt:
        """The attempt that ``request`` is."""
        where, name = address_of(request), normal(account.strip()).casefold()
        return cls(_key(door, where, name), _key(door, where), _key(door, "", name))

    def is_too_many(self) -> bool:
        """Whether it has to wait. Blocking or not does not depend on whether there is such an account."""
        since = timezone.now() - WITHIN
        limits = {self.both: MOST_OF_BOTH, self.address: MOST_OF_ADDRESS, self.account: MOST_OF_ACCOUNT}
        return any(
            FailedLogin.objects.filter(key=key, at__gt=since)[:most].count() >= most for key, most in limits.items()
        )

    def failed(self) -> None:
        """Count it; what is too old to count goes."""
        now = timezone.now()
        FailedLogin.objects.filter(at__lt=now - WITHIN).delete()
        FailedLogin.objects.bulk_create(FailedLogin(key=key, at=now) for key in (self.both, self.address, self.account))

    def succeeded(self) -> None:
        """Whoever knows the password has not been guessing."""
        FailedLogin.objects.filter(key=self.both).delete()


def address_of(request: HttpRequest) -> str:
    """Where a request comes from. Behind a proxy, on a socket or this machine, the proxy's word is taken."""
    peer = request.META.get("REMOTE_ADDR", "")
    if peer not in ("", "127.0.0.1", "::1"):
        return peer
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rpartition(",")[2].strip() or peer


def _key(*parts: str) -> str:
    """Addresses are nobody's business later: only their hash is kept."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()
