"""The first account: its making, and what the one reader leaves to it who read here before there were accounts."""

from __future__ import annotations

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ImproperlyConfigured, ValidationError


def is_first_visit() -> bool:
    """Whether nobody can log in yet."""
    return not User.objects.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX).exists()


def heir() -> User | None:
    """The one reader without a password, whose feeds become the first account's, if there is one."""
    return User.objects.order_by("pk").first() if is_first_visit() else None


def normal(name: str) -> str:
    """A user name as accounts have it, and as Django's forms make it: the same for other forms of the same letters.

    What is too long for a name stays as it is: it is nobody's, and work for nothing.
    """
    return User.normalize_username(name) if len(name) <= User.username.field.max_length else name


def make_first(name: str, password: str) -> User | None:
    """Make the first account, or do nothing if there is one.

    Raises ImproperlyConfigured if the password is too weak.
    """
    if not is_first_visit():
        return None
    user = heir() or User()
    user.username = normal(name)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ImproperlyConfigured(f"FIRST_PASSWORD is too weak: {' '.join(error.messages)}") from error
    user.set_password(password)
    user.save()
    return user
