"""Getting an account, getting in, and getting a forgotten password back."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import TestCase, override_settings
from django.urls import reverse

from reader import limits, reading
from reader.accounts import make_first
from reader.api.auth import make_password
from reader.middleware import solo_user
from reader.models import AppPassword, FailedLogin
from reader.tests.rows import make_entries, make_reader, subscribed_to

LOG_IN, SIGN_UP, ACCOUNT, RESET = (reverse(f"reader:{name}") for name in ("login", "sign-up", "account", "reset"))
STREAM = reverse("reader:stream")
PASSWORD = "a long password"
FINN = "\N{LATIN SMALL LIGATURE FI}nn"
NEW = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}


class FirstVisitTests(TestCase):
    def test_the_first_visitor_makes_the_first_account(self) -> None:
        page = self.client.get(STREAM, follow=True)
        self.assertEqual(page.redirect_chain[-1][0], SIGN_UP)
        self.assertContains(page, "You are the first one here")
        self.assertRedirects(self.client.post(SIGN_UP, NEW), reverse("reader:feeds"))
        self.assertContains(self.client.get(STREAM), "No subscriptions yet")

    @override_settings(SIGN_UP_CLOSED=True)
    def test_later_ones_only_if_it_is_open(self) -> None:
        self.client.post(SIGN_UP, NEW)
        self.client.logout()
        for answer in (self.client.get(SIGN_UP), self.client.post(SIGN_UP, NEW | {"username": "eve"})):
            self.assertContains(answer, "takes no new accounts", status_code=403)
        self.assertNotContains(self.client.get(LOG_IN), "Make an account")
        self.assertEqual(User.objects.count(), 1)

    def test_who_read_here_without_an_account_leaves_their_feeds_to_the_first_one(self) -> None:
        before = solo_user()
        make_entries(subscribed_to("https://example.org/feed", before), 3)
        self.client.post(SIGN_UP, NEW)
        user = User.objects.get()
        self.assertEqual((user.pk, user.username, reading.count_unread(user)), (before.pk, "ada", 3))

    def test_the_environment_makes_the_first_account_once(self) -> None:
        self.assertEqual(make_first("ada", PASSWORD), User.objects.get())
        self.assertIsNone(make_first("eve", PASSWORD))
        self.assertTrue(self.client.login(username="ada", password=PASSWORD))

    def test_the_environment_may_write_the_name_in_other_forms_of_its_letters(self) -> None:
        make_first(FINN, PASSWORD)
        self.assertRedirects(self.client.post(LOG_IN, {"username": FINN, "password": PASSWORD}), STREAM)

    def test_a_weak_password_in_the_environment_is_refused(self) -> None:
        with self.assertRaisesMessage(ImproperlyConfigured, "FIRST_PASSWORD is too weak"):
            make_first("ada", "12345")


class SignUpTests(TestCase):
    def test_mistakes_are_explained(self) -> None:
        make_reader("Ada")
        for change, why in (
            ({}, "This name is taken."),
            ({"username": "a/b"}, "valid username"),
            ({"username": "bob", "password2": "other"}, "match"),
            ({"username": "bob", "password1": "password", "password2": "password"}, "too common"),
            ({"username": "bob", "email": "nowhere"}, "valid email"),
        ):
            with self.subTest(why):
                self.assertContains(self.client.post(SIGN_UP, NEW | change), why, status_code=422)
        self.assertEqual(User.objects.count(), 1)

    def test_a_name_is_the_same_in_other_forms_of_its_letters(self) -> None:
        self.client.post(SIGN_UP, NEW | {"username": FINN})
        password = make_password(User.objects.get(), "phone")
        self.client.logout()
        self.assertContains(self.client.post(SIGN_UP, NEW | {"username": "finn"}), "is taken", status_code=422)
        for name in ("finn", FINN):
            self.assertRedirects(self.client.post(LOG_IN, {"username": name, "password": PASSWORD}), STREAM)
            self.client.logout()
            answer = self.client.post("/accounts/ClientLogin", {"Email": name, "Passwd": password})
            self.assertContains(answer, "Auth=")


class LogInTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_reader("ada")

    def attempt(self, name: str = "ada", password: str = PASSWORD, address: str = "192.0.2.1") -> HttpResponse:
        form = {"username": name, "password": password}
        return self.client.post(LOG_IN, form, REMOTE_ADDR="", headers={"X-Forwarded-For": f"10.0.0.1, {address}"})

    def test_every_page_leads_to_it_and_back(self) -> None:
        for name in ("stream", "starred", "search", "feeds", "account"):
            page = reverse(f"reader:{name}")
            self.assertRedirects(self.client.get(page), f"{LOG_IN}?next={page}")
        answer = self.client.post(f"{LOG_IN}?next=/feeds/", {"username": "ada", "password": PASSWORD})
        self.assertRedirects(answer, "/feeds/")
        self.client.post(reverse("reader:logout"))
        self.assertRedirects(self.client.get(STREAM), f"{LOG_IN}?next={STREAM}")

    def test_it_leads_nowhere_else(self) -> None:
        answer = self.client.post(f"{LOG_IN}?next=https://evil.example/", {"username": "ada", "password": PASSWORD})
        self.assertRedirects(answer, STREAM)

    @override_settings(SOLO=True)
    def test_solo_everybody_is_the_one_reader(self) -> None:
        User.objects.all().delete()
        self.assertContains(self.client.get(STREAM), "No subscriptions yet")
        self.assertNotContains(self.client.get(ACCOUNT), "Log out")

    def test_whoever_guesses_has_to_wait_and_others_do_not(self) -> None:
        for _ in range(limits.MOST_OF_BOTH):
            self.assertContains(self.attempt(password="guess"), "correct", status_code=422)
        for name in ("ada", "\N{FULLWIDTH LATIN SMALL LETTER A}da"):
            answer = self.attempt(name)
            self.assertContains(answer, "Too many attempts", status_code=429)
        self.assertTrue(answer["Retry-After"].isdecimal())
        self.assertEqual(self.attempt(address="192.0.2.2").status_code, 302)

    def test_an_address_that_tries_many_accounts_has_to_wait(self) -> None:
        request = self.attempt(name="user", password="guess").wsgi_request
        for n in range(limits.MOST_OF_ADDRESS - 1):
            limits.Attempt.of(request, f"user{n}", door="pages").failed()
        self.assertEqual(self.attempt().status_code, 429)
        self.assertEqual(self.attempt(address="192.0.2.2").status_code, 302)

    def test_an_account_that_many_addresses_try_is_closed_for_a_while(self) -> None:
        self.attempt(password="guess")
        key = limits.Attempt.of(self.client.get(LOG_IN).wsgi_request, "ADA ", door="pages").account
        at = FailedLogin.objects.get(key=key).at
        FailedLogin.objects.bulk_create(FailedLogin(key=key, at=at) for _ in range(limits.MOST_OF_ACCOUNT))
        self.assertEqual(self.attempt(address="192.0.2.99").status_code, 429)

    def test_who_knows_the_password_begins_anew_and_time_heals(self) -> None:
        for _ in range(limits.MOST_OF_BOTH - 1):
            self.attempt(password="guess")
        self.assertEqual(self.attempt().status_code, 302)
        self.client.logout()
        for _ in range(limits.MOST_OF_BOTH):
            self.attempt(password="guess")
        self.assertEqual(self.attempt().status_code, 429)
        for row in FailedLogin.objects.all():
            FailedLogin.objects.filter(pk=row.pk).update(at=row.at - limits.WITHIN)
        self.assertEqual(self.attempt().status_code, 302)

    def test_a_visitor_cannot_lie_about_where_they_come_from(self) -> None:
        request = self.client.get(
            LOG_IN, REMOTE_ADDR="203.0.113.5", headers={"X-Forwarded-For": "1.2.3.4"}
        ).wsgi_request
        self.assertEqual(limits.address_of(request), "203.0.113.5")
        request = self.client.get(LOG_IN, REMOTE_ADDR="", headers={"X-Forwarded-For": "1.2.3.4, 5.6.7.8"}).wsgi_request
        self.assertEqual(limits.address_of(request), "5.6.7.8")


class PasswordTests(TestCase):
    def setUp(self) -> None:
        self.user = make_reader("ada")

    def test_a_forgotten_one_is_changed_by_a_link_that_works_once(self) -> None:
        self.assertRedirects(self.client.post(RESET, {"email": "ada@example.org"}), reverse("reader:reset-sent"))
        (message,) = mail.outbox
        self.assertIn("ada", message.body)
        link = re.search(r"http://testserver(/reset/\S+)", message.body)[1]
        page = self.client.get(link, follow=True)
        form = {"new_password1": "another long one", "new_password2": "another long one"}
        self.assertRedirects(self.client.post(page.redirect_chain[-1][0], form), LOG_IN)
        self.assertTrue(self.client.login(username="ada", password="another long one"))
        self.assertContains(self.client.get(link, follow=True), "does not work any more")

    def test_nobody_learns_who_has_an_account(self) -> None:
        self.assertRedirects(self.client.post(RESET, {"email": "nobody@example.org"}), reverse("reader:reset-sent"))
        self.assertEqual(mail.outbox, [])

    def test_it_is_changed_by_who_knows_the_old_one(self) -> None:
        self.client.force_login(self.user)
        url = reverse("reader:password")
        form = {"old_password": "guess", "new_password1": "another long one", "new_password2": "another long one"}
        self.assertContains(self.client.post(url, form), "incorrectly")
        self.assertRedirects(self.client.post(url, form | {"old_password": PASSWORD}), ACCOUNT)


class AccountTests(TestCase):
    def setUp(self) -> None:
        self.user = make_reader("ada")
        self.client.force_login(self.user)

    def test_the_address_for_mail_is_changed(self) -> None:
        self.assertContains(self.client.post(ACCOUNT, {"email": "x"}), "valid email", status_code=422)
        self.client.post(ACCOUNT, {"email": "new@example.org"})
        self.assertEqual(User.objects.get().email, "new@example.org")

    def test_an_app_password_is_shown_once_and_kept_as_a_hash(self) -> None:
        page = self.client.post(reverse("reader:app-passwords"), {"name": " My\nph\0one "}).content.decode()
        password = re.search(r"([a-z2-9]{5}(?:-[a-z2-9]{5}){3})", page)[1]
        self.assertNotContains(self.client.get(ACCOUNT), password)
        self.assertContains(self.client.get(ACCOUNT), "My phone")
        self.assertNotIn(password, str(AppPassword.objects.values()))
        answer = self.client.post("/accounts/ClientLogin", {"Email": "ada", "Passwd": password})
        self.assertEqual(answer.status_code, 200)
        self.client.post(reverse("reader:revoke", args=[AppPassword.objects.get().pk]))
        answer = self.client.post("/accounts/ClientLogin", {"Email": "ada", "Passwd": password})
        self.assertEqual(answer.status_code, 401)

    def test_an_app_has_a_name(self) -> None:
        page = self.client.post(reverse("reader:app-passwords"), {"name": " "}, follow=True)
        self.assertContains(page, "Give the app a name")

    def test_nobody_revokes_anothers(self) -> None:
        theirs = AppPassword.objects.create(user=make_reader("grace"), name="x", digest="x")
        self.assertEqual(self.client.post(reverse("reader:revoke", args=[theirs.pk])).status_code, 404)
