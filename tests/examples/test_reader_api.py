"""The feed reader's API as a real client library (google-reader, by the author of Miniflux) uses it over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.examples.reader_rig import Site, client_library, reader_site

_CONVERSATION = """
import sys
import google_reader
from google_reader import STREAM_READ, STREAM_READING_LIST, STREAM_STARRED, get_long_item_id

url, name, password = sys.argv[1:]
client = google_reader.Client(url)
try:
    client.login(name, "wrong")
except google_reader.AuthenticationError:
    pass
else:
    raise AssertionError("a wrong password is taken")
auth = client.login(name, password)
token = client.get_token(auth)
assert client.get_user_info(auth).user_name == name
assert [tag.id for tag in client.list_tags(auth)] == [STREAM_STARRED]

(feed,) = client.list_subscriptions(auth)
assert feed.title == f"Feed of {name}", feed
added = client.quick_add_subscription(auth, token, "https://example.org/other.xml")
assert added.num_results == 1 and added.stream_id.startswith("feed/"), added
client.edit_subscription(auth, token, added.stream_id, "edit", title="Other")
assert {item.title for item in client.list_subscriptions(auth)} == {feed.title, "Other"}
client.edit_subscription(auth, token, added.stream_id, "unsubscribe")
assert [item.id for item in client.list_subscriptions(auth)] == [feed.id]
client.edit_subscription(auth, token, "feed/https://example.org/third.xml", "subscribe", add_label_id="user/-/label/x")
assert len(client.list_subscriptions(auth)) == 2

ids, continuation, pages = [], None, 0
while continuation != "":
    page = client.get_stream_items_ids(auth, STREAM_READING_LIST, limit=5, continuation=continuation)
    ids += [item.id for item in page.item_refs]
    continuation, pages = page.continuation, pages + 1
assert (len(ids), len(set(ids)), pages) == (12, 12, 3), (ids, pages)
items = client.get_stream_items_contents(auth, token, [get_long_item_id(int(number)) for number in ids]).items
assert {item.title for item in items} == {f"Title {n}" for n in range(12)}
assert all(item.origin.stream_id == feed.id and "Content" in item.content.content for item in items)
assert items[0].alternate[0].href.startswith("https://example.org/")

client.edit_tags(auth, token, ids[:3], add_tags=[STREAM_READ, STREAM_STARRED])
left = client.get_stream_items_ids(auth, STREAM_READING_LIST, exclude_target=STREAM_READ)
assert [item.id for item in left.item_refs] == ids[3:]
starred = client.get_stream_items_ids(auth, STREAM_STARRED)
assert [item.id for item in starred.item_refs] == ids[:3]
client.edit_tags(auth, token, [get_long_item_id(int(ids[0]))], remove_tags=[STREAM_READ, STREAM_STARRED])
(item,) = client.get_stream_items_contents(auth, token, [ids[0]]).items
assert STREAM_READ not in item.categories and STREAM_STARRED not in item.categories
client.mark_all_as_read(auth, token, feed.id)
assert client.get_stream_items_ids(auth, STREAM_READING_LIST, exclude_target=STREAM_READ).item_refs == []
print("done")
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with reader_site() as site:
        yield site


@pytest.mark.parametrize("base", ["", "/api/greader.php"])
def test_a_real_client_logs_in_subscribes_reads_and_marks(site: Site, base: str) -> None:
    name = "ada" if base else "grace"
    (reader,) = site.readers(**{name: 12}).values()
    done = subprocess.run(
        [site.python, "-c", _CONVERSATION, site.url + base, reader.name, reader.app_password],
        env=site.env | {"PYTHONPATH": str(client_library())}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == "done\n", done.stderr
    assert site.unread(reader) == []
