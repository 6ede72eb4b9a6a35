"""The Google Reader API: what apps ask, as their sources and FreshRSS's documentation have it, and what they get."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import SimpleTestCase, TestCase
from django.urls import reverse

from reader import reading
from reader.api.auth import make_password
from reader.api.ids import BadNameError, entry_id, long_id, stream
from reader.api.streams import moment
from reader.limits import MOST_OF_BOTH
from reader.models import AppPassword, Entry, State, Subscription
from reader.tests.rows import make_entries, make_reader, subscribed_to

API = "/api/greader.php/reader/api/0/"
READING_LIST = "user/-/state/com.google/reading-list"
READ = "user/-/state/com.google/read"
STARRED = "user/-/state/com.google/starred"


class NameTests(SimpleTestCase):
    def test_an_item_is_meant_in_every_form_that_apps_send(self) -> None:
        for name in (long_id(43981), "tag:google.com,2005:reader/item/abcd", "000000000000ABCD", "43981"):
            self.assertEqual(entry_id(name), 43981, name)

    def test_what_is_no_item_is_refused(self) -> None:
        for name in ("", "x", "-1", "tag:google.com,2005:reader/item/", "1" * 20, "ffffffffffffffff", "١٢٣"):
            with self.subTest(name), self.assertRaises(BadNameError):
                entry_id(name)

    def test_a_stream_is_meant_with_or_without_a_user(self) -> None:
        for name in (STARRED, "user/1234/state/com.google/starred", "starred"):
            self.assertEqual(stream(name).kind, "starred")
        self.assertEqual(stream("feed/http://example.org/a/b").name, "http://example.org/a/b")
        self.assertEqual(stream("user/-/label/News / World").name, "News / World")
        with self.assertRaises(BadNameError):
            stream("user/-/what")

    def test_times_come_in_seconds_milliseconds_and_microseconds(self) -> None:
        for text in ("1700000000", "1700000000.25", "1700000000000", "1700000000000000"):
            self.assertEqual(moment(text).year, 2023, text)
        for text in ("", "0", "soon", "9" * 30):
            self.assertIsNone(moment(text))


class ApiTestCase(TestCase):
    """A reader with an app that is logged in."""

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = make_reader("ada")
        cls.other = make_reader("grace")
        cls.feed = subscribed_to("https://example.org/feed", cls.user, title="A feed")
        cls.password = make_password(cls.user, "an app")
        cls.entries = make_entries(cls.feed, 5)  # ids rise, times fall

    def setUp(self) -> None:
        self.auth = self.log_in(self.user.username, self.password)

    def log_in(self, name: str, password: str) -> str:
        answer = self.client.post("/api/greader.php/accounts/ClientLogin", {"Email": name, "Passwd": password})
        self.assertEqual(answer.status_code, 200, answer.content)
        return dict(line.split("=") for line in answer.content.decode().split("\n") if line)["Auth"]

    def get(self, call: str, **query: Any) -> HttpResponse:
        headers = {"Authorization": f"GoogleLogin auth={self.auth}"}
        return self.client.get(f"{API}{call}", query, headers=headers)

    def json(self, call: str, **query: Any) -> Any:
        answer = self.get(call, output="json", **query)
        self.assertEqual(answer.status_code, 200, answer.content)
        return answer.json()

    def post(self, call: str, **form: Any) -> HttpResponse:
        headers = {"Authorization": f"GoogleLogin auth={self.auth}"}
        body = urlencode(form, doseq=True)
        return self.client.post(f"{API}{call}", body, content_type="application/x-www-form-urlencoded", headers=headers)

    def ids(self, **query: Any) -> list[int]:
        return [int(item["id"]) for item in self.json("stream/items/ids", **query)["itemRefs"]]

    def unread(self) -> set[int]:
        return set(State.objects.filter(user=self.user, read_at=None).values_list("entry", flat=True))


class LogInTests(ApiTestCase):
    def test_a_token_comes_in_lines_or_as_json(self) -> None:
        form = {"Email": "ada", "Passwd": self.password.upper().replace("-", " "), "output": "json"}
        answer = self.client.post("/accounts/ClientLogin", form)
        self.assertEqual(answer.json()["Auth"], self.auth)

    def test_the_accounts_own_password_does_not_open_it(self) -> None:
        for name, password in (
            ("ada", "a long password"),
            ("ada", ""),
            ("nobody", self.password),
            ("grace", self.password),
            ("ada\0", self.password),
        ):
            answer = self.client.post("/accounts/ClientLogin", {"Email": name, "Passwd": password})
            self.assertContains(answer, "BadAuthentication", status_code=401)

    def test_whoever_guesses_has_to_wait_and_the_pages_are_still_open(self) -> None:
        for _ in range(MOST_OF_BOTH):
            self.client.post("/accounts/ClientLogin", {"Email": "ada", "Passwd": "guess"})
        answer = self.client.post("/accounts/ClientLogin", {"Email": "ada", "Passwd": self.password})
        self.assertEqual(answer.status_code, 429)
        self.assertTrue(answer["Retry-After"].isdecimal())
        form = {"username": "ada", "password": "a long password"}
        self.assertEqual(self.client.post(reverse("reader:login"), form).status_code, 302)

    def test_no_call_works_without_a_right_token_whatever_the_cookies(self) -> None:
        self.client.force_login(self.user)
        app = AppPassword.objects.get()
        for auth in ("", "x", f"{app.pk}/{'0' * 64}", self.auth[:-1], f"9{self.auth}"):
            self.auth = auth
            for answer in (self.get("subscription/list"), self.get("token"), self.post("edit-tag", i="1", a=READ)):
                self.assertEqual(answer.status_code, 401)
                self.assertEqual(answer["X-Reader-Google-Bad-Token"], "true")

    def test_a_revoked_password_ends_its_token_at_once(self) -> None:
        self.assertEqual(self.get("user-info").status_code, 200)
        AppPassword.objects.get().delete()
        self.assertEqual(self.get("user-info").status_code, 401)

    def test_an_account_that_is_off_is_off_for_apps_too(self) -> None:
        User.objects.update(is_active=False)
        self.assertEqual(self.get("user-info").status_code, 401)

    def test_changes_take_the_edit_token_or_none_but_no_wrong_one(self) -> None:
        token = self.get("token").content.decode().strip()
        self.assertEqual(len(token), 57)
        for given, status in ((token, 200), ("", 200), ("x", 200), (token[:-1], 401), ("wrong", 401)):
            self.assertEqual(self.post("edit-tag", i=self.entries[0].pk, a=READ, T=given).status_code, status, given)
        self.assertEqual(self.get("edit-tag").status_code, 405)

    def test_who_it_is(self) -> None:
        info = self.json("user-info")
        self.assertEqual((info["userName"], info["userEmail"]), ("ada", "ada@example.org"))


class SubscriptionTests(ApiTestCase):
    def test_the_list(self) -> None:
        (found,) = self.json("subscription/list")["subscriptions"]
        self.assertEqual(
            (found["id"], found["title"], found["url"], found["categories"]),
            (f"feed/{self.feed.pk}", "A feed", "https://example.org/feed", []),
        )

    def test_an_app_subscribes_renames_and_unsubscribes(self) -> None:
        with patch("reader.tasks.ask_to_fetch", return_value=True) as ask:
            answer = self.post(
                "subscription/edit", ac="subscribe", s="feed/https://example.org/new", t="Mine", a="user/-/label/News"
            )
        self.assertEqual(answer.content, b"OK")
        ask.assert_called_once()
        added = Subscription.objects.get(user=self.user, title="Mine")
        self.post("subscription/edit", ac="edit", s=f"feed/{added.feed_id}", t="You\0rs")
        titles = {found["id"]: found["title"] for found in self.json("subscription/list")["subscriptions"]}
        self.assertEqual(titles[f"feed/{added.feed_id}"], "Yours")
        self.post("subscription/edit", ac="unsubscribe", s="feed/https://example.org/new")
        self.assertEqual(Subscription.objects.get(user=self.user).feed, self.feed)

    def test_quickadd_takes_any_address_of_the_web(self) -> None:
        with patch("reader.tasks.ask_to_fetch", return_value=True):
            answer = self.post("subscription/quickadd", quickadd="example.org/other").json()
        feed = Subscription.objects.latest("pk").feed
        self.assertEqual((answer["numResults"], answer["streamId"]), (1, f"feed/{feed.pk}"))
        self.assertEqual(self.post("subscription/quickadd", quickadd="javascript:x").json()["numResults"], 0)

    def test_an_address_that_is_too_long_is_refused_with_the_reason(self) -> None:
        address = f"https://example.org/{'x' * 1000}"
        answer = self.post("subscription/quickadd", quickadd=address).json()
        self.assertEqual((answer["numResults"], "1000 characters" in answer["error"]), (0, True))
        answer = self.post("subscription/edit", ac="subscribe", s=f"feed/{address}")
        self.assertContains(answer, "1000 characters", status_code=400)

    def test_what_is_not_there_is_said(self) -> None:
        for form in (
            {"ac": "unsubscribe", "s": "feed/999"},
            {"ac": "edit", "s": "feed/https://nowhere.example", "t": "x"},
            {"ac": "subscribe", "s": "feed/javascript:x"},
            {"ac": "subscribe", "s": STARRED},
            {"ac": "paint", "s": f"feed/{self.feed.pk}"},
            {"ac": "edit"},
        ):
            self.assertEqual(self.post("subscription/edit", **form).status_code, 400, form)

    def test_nobody_touches_anothers_subscriptions(self) -> None:
        theirs = subscribed_to("https://example.org/theirs", self.other)
        self.assertEqual(self.post("subscription/edit", ac="unsubscribe", s=f"feed/{theirs.pk}").status_code, 400)
        self.assertEqual(self.ids(s=f"feed/{theirs.pk}"), [])

    def test_counts_of_unread(self) -> None:
        reading.mark_read(self.user, [self.entries[0].pk])
        answer = self.json("unread-count")
        counts = {item["id"]: item["count"] for item in answer["unreadcounts"]}
        self.assertEqual(counts, {f"feed/{self.feed.pk}": 4, READING_LIST: 4})
        self.assertEqual(answer["max"], 4)
        self.assertGreater(int(answer["unreadcounts"][0]["newestItemTimestampUsec"]), 10**15)


class StreamTests(ApiTestCase):
    def test_ids_come_newest_first_or_oldest_first_in_pages(self) -> None:
        expected = [entry.pk for entry in self.entries]
        for query, order in (({}, expected[::-1]), ({"r": "o"}, expected)):
            found, continuation, pages = [], "", 0
            while pages < 5:
                more = {"c": continuation} if continuation else {}
                answer = self.json("stream/items/ids", s=READING_LIST, n=2, **query, **more)
                found += [int(item["id"]) for item in answer["itemRefs"]]
                continuation, pages = answer.get("continuation", ""), pages + 1
                if not continuation:
                    break
            self.assertEqual((found, pages), (order, 3))

    def test_states_include_and_exclude(self) -> None:
        one, two, *rest = [entry.pk for entry in self.entries]
        reading.mark_read(self.user, [one, two])
        reading.star(self.user, [two])
        self.assertEqual(self.ids(s=READING_LIST, xt=READ), rest[::-1])
        self.assertEqual(self.ids(s=READING_LIST, it=READ), [two, one])
        self.assertEqual(self.ids(s=READ, xt=[STARRED]), [one])
        self.assertEqual(self.ids(s=STARRED), [two])
        self.assertEqual(self.ids(s=f"feed/{self.feed.pk}", xt=[READ, STARRED]), rest[::-1])
        self.assertEqual(self.ids(s="feed/https://example.org/feed"), [*rest[::-1], two, one])
        self.assertEqual(self.ids(s="user/-/label/None"), [])

    def test_an_entry_without_a_row_of_its_own_is_read(self) -> None:
        State.objects.filter(entry=self.entries[0]).delete()
        self.assertEqual(self.ids(s=READ), [self.entries[0].pk])
        (item,) = self.json("stream/items/contents", i=self.entries[0].pk)["items"]
        self.assertIn(READ, item["categories"])

    def test_times_are_when_an_entry_came(self) -> None:
        came = self.entries[2].fetched_at or Entry.objects.get(pk=self.entries[2].pk).fetched_at
        self.assertEqual(self.ids(s=READING_LIST, ot=int(came.timestamp()) + 100), [])
        self.assertEqual(len(self.ids(s=READING_LIST, nt=int(came.timestamp()) + 100)), 5)

    def test_contents_have_all_that_apps_read(self) -> None:
        entry = self.entries[0]
        Entry.objects.filter(pk=entry.pk).update(content="<p>Hello</p>", link="https://example.org/1", author="Grace")
        (item,) = self.post("stream/items/contents", i=long_id(entry.pk), output="json").json()["items"]
        self.assertEqual(item["id"], long_id(entry.pk))
        self.assertEqual(item["summary"]["content"], "<p>Hello</p>")
        self.assertEqual(item["alternate"][0]["href"], "https://example.org/1")
        self.assertEqual(item["canonical"], [{"href": "https://example.org/1"}])
        self.assertEqual(item["origin"]["streamId"], f"feed/{self.feed.pk}")
        self.assertEqual(item["origin"]["title"], "A feed")
        self.assertEqual(item["published"], int(entry.published.timestamp()))
        self.assertEqual(len(item["timestampUsec"]), 16)
        self.assertEqual(item["categories"], [READING_LIST])

    def test_a_whole_stream_by_its_path(self) -> None:
        for path in (f"stream/contents/{READING_LIST}", "stream/contents/reading-list", "stream/contents"):
            answer = self.json(path, n=2)
            self.assertEqual([item["title"] for item in answer["items"]], ["Title 4.", "Title 3."], path)
            self.assertTrue(answer["continuation"])
        answer = self.json("stream/contents/feed/https%3A%2F%2Fexample.org%2Ffeed")
        self.assertEqual(len(answer["items"]), 5)

    def test_many_items_take_few_queries(self) -> None:
        self.get("token")  # notes that the app was used
        with self.assertNumQueries(5):  # token, stream, states, titles, entries
            self.get("stream/contents/reading-list", n=5)

    def test_nobody_reads_what_they_do_not_subscribe_to(self) -> None:
        (secret,) = make_entries(subscribed_to("https://example.org/secret", self.other), 1)
        self.assertEqual(self.json("stream/items/contents", i=secret.pk)["items"], [])
        self.assertNotIn(secret.pk, self.ids(s=READING_LIST, n=100))

    def test_nonsense_is_explained(self) -> None:
        self.assertContains(self.get("stream/items/ids", s="user/-/what"), "not a stream", status_code=400)
        self.assertContains(self.get("stream/items/ids", s="nonsense"), "not a stream", status_code=400)
        self.assertContains(self.post("stream/items/contents", i="nonsense"), "not an item id", status_code=400)
        self.assertEqual(len(self.ids(s=READING_LIST, n="many", c="-1", ot="soon")), 5)


class MarkTests(ApiTestCase):
    def test_read_and_star_and_back_in_all_forms_of_ids(self) -> None:
        one, two, three = (entry.pk for entry in self.entries[:3])
        forms = [long_id(one), f"{two:016x}", str(three)]
        self.assertEqual(self.post("edit-tag", i=forms, a=[READ, STARRED]).content, b"OK")
        self.assertEqual(self.unread(), {entry.pk for entry in self.entries[3:]})
        self.assertEqual(reading.starred(self.user).count(), 3)
        self.post("edit-tag", i=forms, r=[READ, STARRED])
        self.assertEqual(len(self.unread()), 5)
        self.assertEqual(reading.starred(self.user).count(), 0)

    def test_kept_unread_is_unread(self) -> None:
        one = self.entries[0].pk
        reading.mark_read(self.user, [one])
        self.post("edit-tag", i=one, a="user/-/state/com.google/kept-unread")
        self.assertIn(one, self.unread())

    def test_labels_are_taken_and_do_nothing(self) -> None:
        self.assertEqual(self.post("edit-tag", i=self.entries[0].pk, a="user/-/label/News").content, b"OK")
        self.assertEqual(self.post("edit-tag", a="user/-/label/Made by an app").content, b"OK")
        self.assertEqual(self.post("disable-tag", s="user/-/label/News").content, b"OK")

    def test_thousands_of_items_in_one_call(self) -> None:
        forms = [long_id(entry.pk) for entry in self.entries] * 600
        self.assertEqual(self.post("edit-tag", i=forms, a=READ).content, b"OK")
        self.assertEqual(self.unread(), set())

    def test_all_is_read_until_a_time(self) -> None:
        came = Entry.objects.get(pk=self.entries[0].pk).fetched_at
        self.post("mark-all-as-read", s=READING_LIST, ts=str(int((came.timestamp() - 100) * 1_000_000)))
        self.assertEqual(len(self.unread()), 5)
        self.post("mark-all-as-read", s="user/-/label/None")
        self.assertEqual(len(self.unread()), 5)
        self.post("mark-all-as-read", s=f"feed/{self.feed.pk}", ts=str(int((came.timestamp() + 100) * 1_000_000)))
        self.assertEqual(self.unread(), set())
        self.assertEqual(self.post("mark-all-as-read", s="feed/999").status_code, 404)

    def test_what_somebody_reads_stays_unread_for_others(self) -> None:
        subscribed_to("https://example.org/feed", self.other)
        self.post("mark-all-as-read", s=READING_LIST)
        self.assertEqual(reading.count_unread(self.other), 5)


class ConversationTests(ApiTestCase):
    """The calls of apps in their order, as their sources have them."""

    def test_netnewswire(self) -> None:
        self.assertEqual(self.json("tag/list")["tags"], [{"id": STARRED}])
        self.assertEqual(len(self.json("subscription/list")["subscriptions"]), 1)
        everything = self.ids(s=READING_LIST, n=1000, ot=1700000000)
        unread = self.ids(s=READING_LIST, n=1000, xt=READ)
        self.assertEqual(everything, unread)
        self.assertEqual(self.ids(s=STARRED, n=1000), [])
        token = self.get("token").content.decode().strip()
        wanted = "&".join(f"i=tag:google.com,2005:reader/item/{pk:x}" for pk in everything)
        headers = {"Authorization": f"GoogleLogin auth={self.auth}"}
        answer = self.client.post(
            f"{API}stream/items/contents", f"T={token}&output=json&{wanted}",
            content_type="application/x-www-form-urlencoded", headers=headers,
        )  # fmt: skip
        items = answer.json()["items"]
        self.assertEqual([int(item["id"].rpartition("/")[2], 16) for item in items], everything)
        read = f"i=tag:google.com,2005:reader/item/{everything[0]:016x}"
        self.client.post(
            f"{API}edit-tag", f"T={token}&{read}&a={READ}",
            content_type="application/x-www-form-urlencoded", headers=headers,
        )  # fmt: skip
        self.assertEqual(self.ids(s=READING_LIST, n=1000, xt=READ), everything[1:])

    def test_readrops(self) -> None:
        answer = self.client.post(
            "/api/greader.php/accounts/ClientLogin", {"Email": "ada", "Passwd": self.password}, format="multipart"
        )
        self.assertIn(b"\nAuth=", answer.content)
        most = 2**31 - 1
        items = self.json("stream/contents/user/-/state/com.google/reading-list", xt=[READ, STARRED], n=most)["items"]
        self.assertEqual(len(items), 5)
        for item in items:
            self.assertTrue(item["title"])
            self.assertLessEqual({"id", "published", "summary", "alternate", "categories", "origin"}, set(item))
        self.assertEqual(self.ids(xt="user/-/state/com.google/unread", s=READING_LIST, n=2500), [])
        reading.mark_read(self.user, [self.entries[0].pk])
        self.assertEqual(self.ids(xt="user/-/state/com.google/unread", s=READING_LIST, n=2500), [self.entries[0].pk])

    def test_news_plus(self) -> None:
        for call in ("preference/list", "preference/stream/list", "friend/list", "unread-count", "tag/list"):
            self.json(call, client="newsplus", ck="1538982165918")
        items = self.json("stream/contents/user/-/state/com.google/starred", client="newsplus", n=1000, r="n")["items"]
        self.assertEqual(items, [])
