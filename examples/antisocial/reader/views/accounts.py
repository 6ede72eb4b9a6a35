"""Accounts: making one, getting in and out, passwords, and the apps that read for their owner."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from reader.accounts import heir, is_first_visit
from reader.api.auth import make_password
from reader.forms import AccountForm, SignUpForm
from reader.limits import RETRY_AFTER, WITHIN, Attempt
from reader.models import AppPassword
from reader.text import without_controls

FORM, TEXT = "reader/accounts/form.html", "reader/accounts/text.html"
MOST_APPS = 50


def may_sign_up() -> bool:
    """Whether a visitor may make an account; the very first one always may."""
    return not settings.SIGN_UP_CLOSED or is_first_visit()


def link(text: str, name: str) -> dict[str, str]:
    """A link under a form."""
    return {"text": text, "url": reverse(name)}


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class LogIn(views.LoginView):
    """Logs in, and makes whoever guesses wait."""

    template_name = FORM
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("reader:sign-up") if is_first_visit() else super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.attempt = Attempt.of(request, request.POST.get("username", ""), door="pages")
        if not self.attempt.is_too_many():
            return super().post(request, *args, **kwargs)
        minutes = int(WITHIN.total_seconds() // 60)
        intro = f"Too many attempts to log in. Wait for up to {minutes} minutes, or ask for a new password."
        context = {"heading": "Wait a little", "intro": intro, "links": [link("Forgotten password", "reader:reset")]}
        response = render(request, TEXT, context, status=429)
        response["Retry-After"] = RETRY_AFTER
        return response

    def form_invalid(self, form: Form) -> HttpResponse:
        self.attempt.failed()
        response = super().form_invalid(form)
        response.status_code = 422
        return response

    def form_valid(self, form: Form) -> HttpResponse:
        self.attempt.succeeded()
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        links = [link("Forgotten password", "reader:reset")]
        if may_sign_up():
            links.append(link("Make an account", "reader:sign-up"))
        return super().get_context_data(**kwargs) | {"heading": "Log in", "button": "Log in", "links": links}


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password1", "password2")
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account, if that is open to anybody, or if it is the very first one."""
    if request.user.is_authenticated:
        return redirect("reader:stream")
    if not may_sign_up():
        text = {"heading": "No new accounts", "intro": "This reader takes no new accounts."}
        return render(request, TEXT, text | {"links": [link("Log in", "reader:login")]}, status=403)
    form = SignUpForm(request.POST or None, instance=heir())
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            user = form.save()
        login(request, user)
        return redirect("reader:feeds")
    intro = "You are the first one here: make the first account." if is_first_visit() else ""
    context = {"form": form, "heading": "Make an account", "button": "Make the account", "intro": intro}
    if not intro:
        context["links"] = [link("Log in", "reader:login")]
    return render(request, FORM, context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """One's own account."""
    form = AccountForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("reader:account")
    return _account(request, form, status=422 if form.errors else 200)


@require_POST
@never_cache
def app_passwords(request: HttpRequest) -> HttpResponse:
    """Make a password for a reader app, and show it this once."""
    name = " ".join(without_controls(request.POST.get("name", "")).split())[:100]
    if not name:
        messages.error(request, "Give the app a name, so that you know it again.")
        return redirect("reader:account")
    if AppPassword.objects.filter(user=request.user).count() >= MOST_APPS:
        messages.error(request, f"There are {MOST_APPS} app passwords already: revoke one first.")
        return redirect("reader:account")
    secret = {"name": name, "password": make_password(request.user, name)}
    return _account(request, AccountForm(instance=request.user), secret=secret)


@require_POST
def revoke(request: HttpRequest, app_id: int) -> HttpResponse:
    """Take an app's password away: its next call is refused."""
    app = get_object_or_404(AppPassword, pk=app_id, user=request.user)
    app.delete()
    messages.success(request, f"{app.name} cannot read here any more.")
    return redirect("reader:account")


def _account(
    request: HttpRequest, form: AccountForm, *, status: int = 200, secret: dict[str, str] | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "app_passwords": AppPassword.objects.filter(user=request.user),
        "secret": secret,
        "api_url": request.build_absolute_uri("/api/greader.php"),
    }
    return render(request, "reader/accounts/account.html", context, status=status)


class Password(views.PasswordChangeView):
    """Changes the password."""

    template_name = FORM
    success_url = reverse_lazy("reader:account")
    extra_context = {"heading": "Change the password", "button": "Change it"}

    def form_valid(self, form: Form) -> HttpResponse:
        messages.success(self.request, "The password is changed. App passwords stay as they are.")
        return super().form_valid(form)


class Reset(views.PasswordResetView):
    """Sends a link to choose a new password with."""

    template_name = FORM
    subject_template_name = "reader/accounts/reset_subject.txt"
    email_template_name = "reader/accounts/reset_mail.txt"
    success_url = reverse_lazy("reader:reset-sent")
    extra_email_context = {"hours": settings.PASSWORD_RESET_TIMEOUT // 3600}
    extra_context = {
        "heading": "Forgotten password",
        "intro": "A link to choose a new one comes by e-mail, if the account has an address.",
        "button": "Send the link",
    }


class ResetSent(views.PasswordResetDoneView):
    """The same whether or not there is such an account."""

    template_name = TEXT
    extra_context = {
        "heading": "Look into your mail",
        "intro": "If an account has this address, a link is on its way to it.",
    }


class ResetConfirm(views.PasswordResetConfirmView):
    """Chooses a new password."""

    template_name = "reader/accounts/reset_confirm.html"
    success_url = reverse_lazy("reader:login")
    extra_context = {"heading": "Choose a new password", "button": "Change it"}

    def form_valid(self, form: Form) -> HttpResponse:
        messages.success(self.request, "The password is changed: log in with it.")
        return super().form_valid(form)
