"""The published-rate guard: what others say of a day, and where exactly the line is."""

from datetime import date
from typing import Any

import pytest
from core.builders import day, never_seen, published_rule
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.published import Figure, figure, published
from deliverd.model import Look, Standing

YESTERDAY, FIRST = date(2026, 11, 21), date(2026, 11, 15)


@pytest.mark.parametrize(
    ("rate", "sent", "standing", "rule"),
    [
        pytest.param(0.0, 5000, Standing.HEALTHY, "published", id="no complaint"),
        pytest.param(0.00079, 10**6, Standing.HEALTHY, "published", id="under the watch rate"),
        pytest.param(0.0008, 10**6, Standing.WATCH, "published-watch", id="0.08 % is exactly the watch rate"),
        pytest.param(0.000800000037997961, 1, Standing.WATCH, "published-watch", id="0.08 % as a float of 32 bits"),
        pytest.param(0.0008, 0, Standing.WATCH, "published-watch", id="0.08 %, volume not known"),
        pytest.param(0.00099, 10**6, Standing.WATCH, "published-watch", id="under the throttle rate"),
        pytest.param(0.001, 3000, Standing.THROTTLED, "published-throttle", id="0.10 % and exactly 3 implied"),
        pytest.param(0.001, 2999, Standing.WATCH, "published-watch", id="0.10 % and 2.999 implied"),
        pytest.param(0.001, 0, Standing.WATCH, "published-watch", id="0.10 %, volume not known"),
        pytest.param(0.0012, 2500, Standing.THROTTLED, "published-throttle", id="3 implied, a hair less as floats"),
        pytest.param(0.00299, 10**6, Standing.THROTTLED, "published-throttle", id="under the pause rate"),
        pytest.param(0.003, 1000, Standing.PAUSED, "published-pause", id="0.30 % and exactly 3 implied"),
        pytest.param(0.003, 999, Standing.THROTTLED, "published-throttle", id="0.30 % and 2.997 implied"),
        pytest.param(0.003, 0, Standing.THROTTLED, "published-throttle", id="0.30 %, volume not known"),
        pytest.param(0.003000000026077032, 1000, Standing.PAUSED, "published-pause", id="0.30 % as 32 bits"),
        pytest.param(1.0, 2, Standing.THROTTLED, "published-throttle", id="2 complaints pause nobody, at 100 %"),
        pytest.param(1.0, 3, Standing.PAUSED, "published-pause", id="3 do"),
        pytest.param(0.30, 9, Standing.THROTTLED, "published-throttle", id="30 %, which is not 0.30 %: 2.7 implied"),
    ],
)
def test_published(rate: float, sent: int, standing: Standing, rule: str) -> None:
    days = [(4, day("2026-11-21", spam_rate=rate))]
    verdict = published(published_rule(), days, {YESTERDAY: sent} if sent else {}, FIRST)
    assert (verdict.standing, verdict.rule) == (standing, rule)
    assert verdict.observation_ids == (() if standing is Standing.HEALTHY else (4,))


def test_a_published_verdict_carries_the_numbers_it_stands_on() -> None:
    days = [(4, day("2026-11-21", spam_rate=0.0035))]
    verdict = published(published_rule(), days, {YESTERDAY: 2000}, FIRST)
    assert verdict.reason == (
        "Google Postmaster published a spam rate of 0.35 % for 2026-11-21, about 7 complaints of 2,000 messages sent; "
        "the pause threshold is 0.3 % with at least 3 complaints"
    )
    assert verdict.evidence == {
        "source": "google_postmaster",
        "day": "2026-11-21",
        "spam_rate": 0.0035,
        "sent_that_day": 2000,
        "implied_complaints": 7.0,
        "threshold": 0.003,
        "complaints_needed": 3,
        "threshold_source": "a test",
        "threshold_date": "2026-11-22",
    }


def test_a_published_verdict_does_not_make_up_a_volume() -> None:
    verdict = published(published_rule(), [(4, day("2026-11-21", spam_rate=0.0009))], {}, FIRST)
    assert verdict.reason.endswith("for 2026-11-21, volume not known; the watch threshold is 0.08 %")
    known = ("sent_that_day", "implied_complaints", "complaints_needed")
    assert [verdict.evidence[key] for key in known] == [None, None, None]


@pytest.mark.parametrize(
    ("rate", "sent", "words"),
    [
        pytest.param(0.003, 999, "about 2.9 complaints of 999 messages", id="2.997 are not 3"),
        pytest.param(0.01, 1_234_567, "about 12,345.6 complaints of 1,234,567 messages", id="many"),
    ],
)
def test_implied_complaints_are_rounded_down(rate: float, sent: int, words: str) -> None:
    days = [(4, day("2026-11-21", spam_rate=rate))]
    assert words in published(published_rule(), days, {YESTERDAY: sent}, FIRST).reason


GOOD_DAY, MILD_DAY, BAD_DAY = (
    (1, day("2026-11-21", spam_rate=0.0001)),
    (2, day("2026-11-20", spam_rate=0.0009)),
    (3, day("2026-11-15", spam_rate=0.0035)),
)
VOLUME = {date(2026, 11, number): 2000 for number in range(10, 22)}


@pytest.mark.parametrize(
    ("days", "rule", "ids"),
    [
        pytest.param([], "published", (), id="nothing published"),
        pytest.param([GOOD_DAY], "published", (), id="a good day"),
        pytest.param([GOOD_DAY, MILD_DAY, BAD_DAY], "published-pause", (3,), id="a good day excuses no bad one"),
        pytest.param([(9, day("2026-11-14", spam_rate=0.9))], "published", (), id="a day before the first"),
        pytest.param([(9, day("2026-11-21", tls_inbound_rate=1.0))], "published", (), id="a day without the rate"),
        pytest.param([(9, never_seen("google_postmaster", "2026-11-21"))], "published", (), id="an unseen day"),
        pytest.param(
            [(8, day("2026-11-19", spam_rate=0.0009)), MILD_DAY], "published-watch", (2,), id="the newest of equals"
        ),
    ],
)
def test_the_worst_published_day_counts(days: list[tuple[int, Look]], rule: str, ids: tuple[int, ...]) -> None:
    for order in (days, days[::-1]):
        verdict = published(published_rule(), order, VOLUME, FIRST)
        assert (verdict.rule, verdict.observation_ids) == (rule, ids)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6))
def test_a_day_revised_upward_never_loosens_and_nobody_is_paused_on_fewer_than_three(
    rate: float, other: float, sent: int
) -> None:
    low, high = sorted((rate, other))
    ranks = []
    for told in (low, high):
        days = [(1, day("2026-11-21", spam_rate=told))]
        verdict = published(published_rule(), days, {YESTERDAY: sent}, FIRST)
        ranks.append(verdict.standing.rank)
        assert verdict.standing is not Standing.PAUSED or round(told * sent, 6) >= 3
    assert ranks[0] <= ranks[1]


@pytest.mark.parametrize(
    ("readings", "sent", "found"),
    [
        pytest.param({"spam_rate": 0.002}, 1000, Figure(0.002, 2.0, 1000), id="a provider's, of all that was sent"),
        pytest.param({"spam_rate": 0.002}, 0, Figure(0.002, 0.0, 0), id="of nobody knows how many"),
        pytest.param({"spam_rate": "0.002"}, 0, None, id="no number"),
        pytest.param({"complained": 3, "delivered": 900, "sent": 1000}, 5, Figure(3 / 900, 3, 900), id="of delivered"),
        pytest.param({"complained": 3, "sent": 1000}, 5, Figure(0.003, 3, 1000), id="of sent"),
        pytest.param({"complained": 3}, 5, Figure(1.0, 3, 3), id="more complaints than mail"),
        pytest.param({"complained": 0, "delivered": 0}, 5, None, id="a day without mail says nothing"),
        pytest.param(
            {"complaint_rate_low": 0.004, "message_recipients": 500}, 5, Figure(0.004, 2.0, 500), id="low end"
        ),
        pytest.param({"complaint_rate_low": 0.0, "shared": 2}, 5, Figure(0.0, 0.0, 0, 2), id="nothing, of two domains"),
        pytest.param({"code": "ok"}, 5, None, id="no figure"),
    ],
)
def test_figures(readings: dict[str, Any], sent: int, found: Figure | None) -> None:
    assert figure(readings, sent) == found


@pytest.mark.parametrize(
    ("part", "source", "readings", "standing", "words"),
    [
        pytest.param(
            "2026-11-21",
            "sendgrid",
            {"complained": 4, "delivered": 1000},
            Standing.PAUSED,
            "Sendgrid published a spam rate of 0.4 % for 2026-11-21, about 4 complaints of 1,000 messages sent; ",
            id="a platform's own counts pause",
        ),
        pytest.param(
            "2026-11-21",
            "sendgrid",
            {"complained": 2, "delivered": 200},
            Standing.THROTTLED,
            "about 2 complaints of 200 messages",
            id="two complaints pause nobody",
        ),
        pytest.param(
            "2026-11-21/192.0.2.1",
            "microsoft_snds",
            {"complaint_rate_low": 0.01, "message_recipients": 1000, "shared": 1},
            Standing.PAUSED,
            "Microsoft Snds published a spam rate of 1 % for 2026-11-21 and 192.0.2.1, about 10 complaints of 1,000",
            id="an address of one's own pauses",
        ),
        pytest.param(
            "2026-11-21/192.0.2.1",
            "microsoft_snds",
            {"complaint_rate_low": 0.01, "message_recipients": 1000, "shared": 3},
            Standing.WATCH,
            "1,000 messages sent, shared by 3 domains; the watch threshold is 0.08 %",
            id="a shared address is watched",
        ),
        pytest.param(
            "2026-11-21/192.0.2.1",
            "microsoft_snds",
            {"complaint_rate_low": 0.0, "complaint_rate_high": 0.001, "message_recipients": 10**6, "shared": 3},
            Standing.HEALTHY,
            "",
            id="under 0.1 % may be nothing",
        ),
    ],
)
def test_what_each_kind_of_source_calls_for(
    part: str, source: str, readings: dict[str, Any], standing: Standing, words: str
) -> None:
    verdict = published(published_rule(), [(4, day(part, source=source, **readings))], {}, FIRST)
    assert verdict.standing is standing
    assert words in verdict.reason
    if "/" in part and standing is not Standing.HEALTHY:
        assert (verdict.evidence["part"], verdict.evidence["shared"]) == (part, readings["shared"])
