"""What Graph answers, read: mails of lists and delta queries, headers, batches, and nothing that raises otherwise."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.graph_parse import Item, Page, batch, headers, page, words
from probes.server_time import server_time


def test_pages_of_a_list_and_of_a_delta_query() -> None:
    said = {
        "@odata.context": "x",
        "@odata.nextLink": "https://next",
        "value": [
            {"id": "a", "receivedDateTime": "2026-11-22T11:00:00Z", "isRead": True, "subject": "x"},
            {"id": "b", "@removed": {"reason": "deleted"}},
        ],
    }
    items = (Item("a", "2026-11-22T11:00:00Z", True, False), Item("b", "", False, True))
    assert page(json.dumps(said).encode()) == Page(items, "https://next", "")
    assert page(b'{"value": [], "@odata.deltaLink": "https://d"}') == Page((), "", "https://d")


def test_headers_are_put_together_again() -> None:
    said = {
        "internetMessageHeaders": [
            {"name": "From", "value": "a@b.test"},
            {"name": "Subject", "value": "one\r\n two\r\n\r\nX: y"},
            {"name": "Bad name", "value": "x"},
            {"name": "Bad:name", "value": "x"},
            {"name": "Bäd", "value": "x"},
            {"name": "", "value": "x"},
        ]
    }
    assert headers(json.dumps(said).encode()) == b"From: a@b.test\r\nSubject: one two X: y\r\n\r\n"
    assert headers(b"{}") == b"\r\n"


def test_batches_answer_in_any_order() -> None:
    said: dict[str, Any] = {
        "responses": [
            {"id": "1", "status": 429, "headers": {"Retry-After": "3"}, "body": {"error": {"message": "slow"}}},
            {"id": "0", "status": 200},
        ]
    }
    first, second = batch(json.dumps(said).encode())
    assert first[:3] == (1, 429, {"retry-after": "3"})
    assert words(first[3]) == "slow"
    assert second == (0, 200, {}, b"null")


@pytest.mark.parametrize("read", [page, headers, batch])
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b" <!DOCTYPE html>", "with a page and not with JSON"),
        (b"[]", "what cannot be read as mails .ValidationError"),
        (b"\xff", "what cannot be read as mails"),
        (b'{"value": "key-7", "internetMessageHeaders": "key-7", "responses": "key-7"}', "cannot be read"),
    ],
)
def test_what_is_not_such_an_answer(read: Any, body: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what) as fault:
        read(body)
    assert "key-7" not in str(fault.value)


def test_a_batch_with_ids_of_its_own() -> None:
    with pytest.raises(ValueError, match="an id that was not given"):
        batch(b'{"responses": [{"id": "x", "status": 200}]}')


@pytest.mark.parametrize("body", [b"", b"{}", b"[" * 5000, b'{"value": ' + b"[" * 100_000])
@pytest.mark.parametrize("read", [page, headers, batch])
def test_depth_and_emptiness(read: Any, body: bytes) -> None:
    if (read, body) == (headers, b"{}"):
        return
    with pytest.raises(ValueError, match="what cannot be read"):
        read(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "id", "status", "responses", "internetMessageHeaders", "name", "isRead", "body"]),
            inner,
            max_size=4,
        )
    ),
)


@given(st.binary(max_size=100) | _JSON.map(lambda said: json.dumps(said).encode()))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    for read in (page, headers, batch):
        try:
            read(body)
        except ValueError:
            continue
    words(body)


@pytest.mark.parametrize(
    ("date", "year"),
    [("Sun, 22 Nov 2026 11:00:00 GMT", 2026), ("Sun, 22 Nov 2026 11:00:00 -0000", 2026), ("soon", 1970), ("", 1970)],
)
def test_the_time_of_a_server(date: str, year: int) -> None:
    at = server_time({"date": date} if date else {})
    assert at.year == year and at.utcoffset() is not None


@given(st.text(max_size=60))
def test_no_date_raises(date: str) -> None:
    assert server_time({"date": date}).tzinfo is not None
