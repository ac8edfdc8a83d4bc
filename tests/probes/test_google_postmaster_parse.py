"""What is read from the answers of Google Postmaster Tools, and that nothing else can come of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.postmaster import _filter_holds as filter_holds
from peers.postmaster import check
from probes.google_postmaster_parse import (
    ESSENTIAL,
    EVERYTHING,
    LOOP_RATE,
    Unreadable,
    loop_ids,
    loop_metrics,
    merge,
    next_page,
    parse,
    parse_compliance,
    parse_domains,
)
from probes.observation import Seen, Unseen, Why

DAY = {"year": 2026, "month": 11, "day": 20}


def stat(metric: Any = "spam_rate", value: Any = None, day: Any = DAY) -> dict[str, Any]:
    return {"metric": metric, "date": day, "value": {"floatValue": 0.001} if value is None else value}


def page(*stats: Any) -> dict[str, Any]:
    return {"domainStats": list(stats)}


def read(*stats: Any) -> Any:
    return parse(page(*stats), EVERYTHING)


def test_a_page_becomes_readings_by_day() -> None:
    ids = {"stringList": {"values": ["c1", "203.0.113.7", "c1"]}}
    other = {"year": 2026, "month": 1, "day": 2}
    answer = page(
        stat(), stat("dkim_success_rate", {"doubleValue": 1}), stat("feedback_loop_ids", ids), stat(day=other)
    )
    check("QueryDomainStatsResponse", answer)
    assert parse(answer, EVERYTHING) == {
        "2026-11-20": {"spam_rate": 0.001, "dkim_success_rate": 1.0, "feedback_loop_ids": ("c1", "203.0.113.7")},
        "2026-01-02": {"spam_rate": 0.001},
    }


def test_a_present_zero_is_zero_and_a_missing_day_is_not_there() -> None:
    assert read(stat(value={"floatValue": 0})) == {"2026-11-20": {"spam_rate": 0.0}}
    assert parse({}, EVERYTHING) == {}


@pytest.mark.parametrize("extra", [stat("another"), stat(value={}), {"metric": "spam_rate"}])
def test_what_was_not_asked_for_or_has_no_value_is_passed_over(extra: dict[str, Any]) -> None:
    assert read(extra) == {}


def test_the_rate_of_a_float32_is_not_rounded_but_kept_within_one() -> None:
    assert read(stat(value={"floatValue": 0.0041067763})) == {"2026-11-20": {"spam_rate": 0.0041067763}}
    assert read(stat(value={"floatValue": 1.0000001})) == {"2026-11-20": {"spam_rate": 1.0}}


@pytest.mark.parametrize(
    "wrong",
    [
        stat(value={"floatValue": 1.1}),
        stat(value={"floatValue": -0.001}),
        stat(value={"floatValue": "NaN"}),
        stat(value={"floatValue": float("nan")}),
        stat(value={"floatValue": True}),
        stat(value={"floatValue": None}),
        stat(value={"stringValue": "0.1"}),
        stat(value="0.1"),
        stat(7),
        stat("feedback_loop_ids", {"floatValue": 1}),
        stat("feedback_loop_ids", {"stringList": {"values": "c1"}}),
        stat("feedback_loop_ids", {"stringList": {"values": [1]}}),
        stat("feedback_loop_ids", {"stringList": {"values": [""]}}),
        stat("feedback_loop_ids", {"stringList": {"values": ["c" * 201]}}),
        stat("feedback_loop_ids", {"stringList": {"values": ["c"] * 1001}}),
        stat(day=None),
        stat(day={"year": 2026, "month": 11}),
        stat(day={"year": 2026, "month": 2, "day": 30}),
        stat(day={"year": 2026, "month": "2", "day": 3}),
        stat(day={"year": True, "month": 2, "day": 3}),
        stat(day={"year": 10**30, "month": 2, "day": 3}),
        "text",
    ],
)
def test_a_page_with_something_unreadable_is_not_used(wrong: Any) -> None:
    with pytest.raises(Unreadable):
        read(stat(), wrong)


@pytest.mark.parametrize("wrong", [[], None, "page", {"domainStats": {}}])
def test_what_is_no_page_is_not_used(wrong: Any) -> None:
    with pytest.raises(Unreadable):
        parse(wrong, EVERYTHING)


def test_the_next_page() -> None:
    assert (next_page({}), next_page({"nextPageToken": "t"})) == ("", "t")
    with pytest.raises(Unreadable):
        next_page({"nextPageToken": 3})


def test_what_is_asked_for_is_what_the_document_describes() -> None:
    metrics = (*EVERYTHING, *loop_metrics(["c1"]))
    for metric in metrics:
        check("MetricDefinition", metric.definition())
        assert filter_holds(metric.standard, metric.filter), metric
    assert len({metric.name for metric in metrics}) == len(metrics)
    # What the number of calls rests on: see docs/google-postmaster.md.
    assert (len(EVERYTHING), len(ESSENTIAL)) == (20, 4)


def test_an_id_that_would_break_out_of_its_filter_is_not_asked_about() -> None:
    assert [one.name for one in loop_metrics(["a b", 'a" OR "', "a\\", "a\n"])] == [f"{LOOP_RATE}a b"]


def test_merging_tells_the_worst_feedback_loop() -> None:
    days = {"2026-11-20": {"spam_rate": 0.001}}
    merge(days, {"2026-11-20": {f"{LOOP_RATE}a": 0.0, f"{LOOP_RATE}b": 0.02}, "2026-11-21": {"spam_rate": 0.002}})
    assert days["2026-11-20"]["feedback_loop_spam_rate_max"] == 0.02
    assert days["2026-11-21"] == {"spam_rate": 0.002}


def test_the_newest_ids_come_first() -> None:
    days = {"2026-11-19": {"feedback_loop_ids": ("old", "both")}, "2026-11-20": {"feedback_loop_ids": ("new", "both")}}
    assert loop_ids({**days, "2026-11-21": {"spam_rate": 0.0}}) == ("new", "both", "old")


COMPLIANCE = {
    "name": "domains/mail.acme.com/complianceStatus",
    "complianceData": {
        "domainId": "acme.com",
        "rowData": [
            {"requirement": "SPF", "status": {"status": "COMPLIANT"}},
            {"requirement": "DMARC_POLICY", "status": {"status": "NEEDS_WORK"}},
            {"requirement": "ENCRYPTION", "status": {}},
            {"requirement": "DNS_RECORDS"},
        ],
        "oneClickUnsubscribeVerdict": {"status": {"status": "NEEDS_WORK"}, "reason": "NO_UNSUB_GENERAL"},
        "honorUnsubscribeVerdict": {"status": {"status": "COMPLIANT"}},
        "deliverabilityStatusVerdict": {"state": {"status": "NEEDS_WORK"}, "reason": "SPAM_RATE_HIGH"},
    },
    "subdomainComplianceData": {
        "domainId": "mail.acme.com",
        "rowData": [{"requirement": "ONE_CLICK_UNSUBSCRIBE", "status": {"status": "COMPLIANT"}}],
    },
}


def test_compliance_is_told_by_requirement_for_both_domains() -> None:
    check("DomainComplianceStatus", COMPLIANCE)
    assert parse_compliance(COMPLIANCE) == Seen(
        {
            "registrable_domain": "acme.com",
            "registrable_spf": "compliant",
            "registrable_dmarc_policy": "needs-work",
            "registrable_encryption": "unknown",
            "registrable_dns_records": "unknown",
            "registrable_one_click_unsubscribe": "needs-work",
            "registrable_one_click_unsubscribe_reason": "no_unsub_general",
            "registrable_honor_unsubscribe": "compliant",
            "registrable_deliverability": "needs-work",
            "registrable_deliverability_reason": "spam_rate_high",
            "subdomain_domain": "mail.acme.com",
            "subdomain_one_click_unsubscribe": "compliant",
            "needs_work": (
                "registrable_deliverability",
                "registrable_dmarc_policy",
                "registrable_one_click_unsubscribe",
            ),
        }
    )


def test_a_requirement_and_a_status_that_are_new_are_let_through() -> None:
    rows = [{"requirement": "ARC_2027", "status": {"status": "ALMOST"}}]
    answer = parse_compliance({"complianceData": {"rowData": rows}})
    assert answer == Seen({"registrable_arc_2027": "unknown", "needs_work": ()})


@pytest.mark.parametrize("answer", [{}, {"complianceData": {}}, {"complianceData": {"domainId": "acme.com"}}])
def test_nothing_said_about_compliance_is_unseen(answer: Any) -> None:
    said = parse_compliance(answer)
    assert isinstance(said, Unseen) and said.why is Why.NO_DATA


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"complianceData": []},
        {"complianceData": {"rowData": {}}},
        {"complianceData": {"rowData": ["SPF"]}},
        {"complianceData": {"rowData": [{"requirement": "spf"}]}},
        {"complianceData": {"rowData": [{"requirement": "SPF", "status": "COMPLIANT"}]}},
        {"complianceData": {"rowData": [{"requirement": "SPF", "status": {"status": 1}}]}},
        {"complianceData": {"domainId": 1}},
        {"complianceData": {"honorUnsubscribeVerdict": {"reason": "<b>"}}},
    ],
)
def test_a_compliance_status_that_is_none_is_not_used(wrong: Any) -> None:
    with pytest.raises(Unreadable):
        parse_compliance(wrong)


def test_domains_of_an_account() -> None:
    listed = [{"name": "domains/acme.com", "permission": "OWNER", "verificationState": "VERIFIED"}, {"name": "b.com"}]
    assert parse_domains({"domains": listed}) == (
        ("acme.com", "owner", True),
        ("b.com", "permission_unspecified", False),
    )
    with pytest.raises(Unreadable):
        parse_domains({"domains": [{}]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
VALUE = JSON | st.fixed_dictionaries(
    {},
    optional={
        "floatValue": JSON | st.floats(-1, 2),
        "doubleValue": JSON,
        "intValue": JSON,
        "stringList": JSON | st.fixed_dictionaries({"values": st.lists(st.text(max_size=3) | JSON, max_size=3)}),
    },
)
NUMBER = JSON | st.integers(0, 3000)
STAT = JSON | st.fixed_dictionaries(
    {},
    optional={
        "metric": JSON | st.sampled_from([metric.name for metric in EVERYTHING]),
        "date": JSON | st.fixed_dictionaries({}, optional={"year": NUMBER, "month": NUMBER, "day": NUMBER}),
        "value": VALUE,
    },
)


@given(JSON | st.fixed_dictionaries({"domainStats": st.lists(STAT, max_size=4) | JSON}))
def test_whatever_comes_there_are_readings_that_can_be_seen_or_unreadable(answer: Any) -> None:
    try:
        days = parse(answer, EVERYTHING)
    except Unreadable as fault:
        assert len(str(fault)) < 100
        return
    for day, readings in days.items():
        assert len(day) == 10 and Seen(readings)
        assert all(isinstance(value, tuple) or 0 <= float(value) <= 1 for value in readings.values())


ROW = st.fixed_dictionaries({"requirement": JSON | st.just("SPF"), "status": JSON | st.just({"status": "COMPLIANT"})})
DATA = JSON | st.fixed_dictionaries({}, optional={"rowData": st.lists(ROW, max_size=3), "domainId": JSON})


@given(JSON | st.fixed_dictionaries({"complianceData": DATA}, optional={"subdomainComplianceData": DATA}))
def test_whatever_comes_compliance_is_an_answer_or_unreadable(answer: Any) -> None:
    try:
        said = parse_compliance(answer)
    except Unreadable:
        return
    assert isinstance(said, Unseen) or json.dumps(dict(said.readings))
