"""Mailgun's counts: answers that make no sense."""

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.http import HttpFault
from probes.mailgun_statistics import Item, by_domain, query
from probes.observation import Why


def item(**named: str) -> Item:
    dimensions = [{"dimension": name, "value": value} for name, value in named.items()]
    return msgspec.convert({"dimensions": dimensions, "metrics": {"complained_count": 1}}, Item)


def test_days() -> None:
    items = [
        item(domain="Acme.com", time="Wed, 01 Nov 2023 00:00:00 +0000"),
        item(domain="acme.com", time="Thu, 02 Nov 2023 23:00:00 -0600"),
        item(domain="acme.com", time="Sun, 05 Nov 2023 00:00:00 -0000"),
    ]
    days = {date(2023, 11, day): {"complained": 1} for day in (1, 3, 5)}
    assert by_domain(items, "here") == {"acme.com": days}


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"domain": "acme.com"},
        {"time": "Wed, 01 Nov 2023 00:00:00 +0000"},
        {"domain": "no domain", "time": "Wed, 01 Nov 2023 00:00:00 +0000"},
        {"domain": "acme.com", "time": "2023-11-01"},
        {"domain": "acme.com", "time": "Fri, 31 Dec 9999 23:00:00 -2300"},
    ],
)
def test_items_that_name_nothing(named: dict[str, str]) -> None:
    with pytest.raises(HttpFault) as caught:
        by_domain([item(**named)], "here")
    assert caught.value.why is Why.UNREADABLE


@given(st.text(max_size=40))
def test_any_time(text: str) -> None:
    try:
        by_domain([item(domain="acme.com", time=text)], "here")
    except HttpFault as fault:
        assert fault.why is Why.UNREADABLE


def test_the_question() -> None:
    asked = query(["acme.com"], date(2026, 11, 16), datetime(2026, 11, 22, 12, tzinfo=UTC), 500)
    assert asked["pagination"] == {"sort": "domain:asc", "skip": 500, "limit": 500}
    assert asked["end"] == "Sun, 22 Nov 2026 12:00:00 +0000"
