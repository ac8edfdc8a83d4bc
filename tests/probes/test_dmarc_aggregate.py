"""What DMARC aggregate reports say is read as written: sums by source, sloppy reporters, and never half a number."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.aggregate_report import Source, Unpackable
from probes.aggregates import read as read_any
from probes.dmarc_aggregate import MAX_ELEMENTS, MAX_ROWS, read
from probes.mail_report import read as read_mail

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "dmarc"
# As read in the files by eye: begin and end in seconds, policy, source, messages, SPF, DKIM, passed.
SAMPLES = {
    "!example.com!1538204542!1538463818.xml": (1538413632, 1538413632, "none", "12.20.127.122", 1, 0, 0, 0),
    "estadocuenta1.infonacot.gob.mx!example.com!1536853302!1536939702!2940.xml.zip": (
        *(1536853302, 1536939702, "none"),
        *("148.243.137.254", 1, 0, 0, 0),
    ),
    "fastmail.com!example.com!1516060800!1516147199!102675056.xml.gz": (
        *(1516060800, 1516147199, "none"),
        *("104.195.80.20", 1, 0, 0, 0),
    ),
    "invalid_utf_8.xml": (1538413632, 1538413632, "none", "12.20.127.122", 1, 0, 0, 0),
    "mimecast-weird-gzip.eml": (1693353600, 1693439999, "reject", "40.93.199.22", 1, 1, 1, 1),
    "rfc9990-sample.xml": (302832000, 302918399, "quarantine", "192.0.2.123", 123, 0, 123, 123),
}


def row(ip: str = "192.0.2.1", count: str = "1", spf: str = "pass", dkim: str = "pass", name: str = "acme.test") -> str:
    return (
        f"<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><disposition>none"
        f"</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row><identifiers><header_from>{name}"
        "</header_from></identifiers><auth_results><spf><domain>x.test</domain><result>pass</result></spf>"
        "</auth_results></record>"
    )


def report(*rows: str, begin: str = "1795132800", end: str = "1795219199", policy: str = "reject") -> bytes:
    return (
        '<?xml version="1.0"?><feedback><report_metadata><org_name>Mail Inc</org_name><report_id>1</report_id>'
        f"<date_range><begin>{begin}</begin><end>{end}</end></date_range></report_metadata><policy_published>"
        f"<domain>acme.test</domain><p>{policy}</p><sp>none</sp></policy_published>{''.join(rows)}</feedback>"
    ).encode()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpora are not here")
@pytest.mark.parametrize("name", SAMPLES)
def test_real_samples(name: str) -> None:
    told = read_mail((CORPUS / name).read_bytes()).aggregate
    assert told is not None and told.begin and told.end
    (one,) = told.sources
    numbers = (one.ip, one.messages, one.spf_aligned, one.dkim_aligned, one.passed)
    assert (told.begin.timestamp(), told.end.timestamp(), told.policy, *numbers) == SAMPLES[name]
    assert (told.rows, told.unread) == (1, 0)


def test_rows_of_one_source_are_added_up() -> None:
    told = read(
        report(
            row(count="5"),
            row(count="3", spf="fail"),
            row(count="2", spf="fail", dkim="fail"),
            row("2001:DB8::1", "7", "fail", "pass"),
            row(count="4", name="news.acme.test"),
        )
    )
    assert told is not None
    assert told.sources == (
        Source("acme.test", "192.0.2.1", 10, 5, 8, 8),
        Source("acme.test", "2001:db8::1", 7, 0, 7, 7),
        Source("news.acme.test", "192.0.2.1", 4, 4, 4, 4),
    )
    assert (told.domain, told.reporter, told.policy, told.rows, told.unread) == (
        *("acme.test", "Mail Inc", "reject"),
        *(5, 0),
    )
    assert (told.begin, told.end) == (
        datetime(2026, 11, 20, tzinfo=UTC),
        datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "broken",
    [
        row(count=""),
        row(count="-1"),
        row(count="1.5"),
        row(count="1e3"),
        row(count="9999999999"),
        row(count="\u0663"),
        row(ip=""),
        row(ip="mail.acme.test"),
        row(ip="fe80::1%<![CDATA[\u2028]]>"),
        row(spf="", dkim=""),
        "<record/>",
        "<record><row><source_ip>192.0.2.1</source_ip></row></record>",
    ],
)
def test_a_row_that_cannot_be_read_is_in_no_number(broken: str) -> None:
    told = read(report(broken, row(count="2")))
    assert told is not None
    assert told.sources == (Source("acme.test", "192.0.2.1", 2, 2, 2, 2),)
    assert (told.rows, told.unread) == (2, 1)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (row(spf=" PASS\n", dkim=""), Source("acme.test", "192.0.2.1", 1, 1, 0, 1)),
        (row(spf="none", dkim="temperror"), Source("acme.test", "192.0.2.1", 1, 0, 0, 0)),
        (row(ip=" 192.0.2.1 ", count=" 1 "), Source("acme.test", "192.0.2.1", 1, 1, 1, 1)),
        (row(name="b\u00fccher.test"), Source("xn--bcher-kva.test", "192.0.2.1", 1, 1, 1, 1)),
        (row(name="no name"), Source("", "192.0.2.1", 1, 1, 1, 1)),
        (row(count="1</count><count>5"), Source("acme.test", "192.0.2.1", 1, 1, 1, 1)),
        (row(count="0"), Source("acme.test", "192.0.2.1", 0, 0, 0, 0)),
    ],
)
def test_sloppy_rows(one: str, expected: Source) -> None:
    told = read(report(one))
    assert told is not None
    assert told.sources == (expected,)


def test_namespaces_and_case_do_not_matter() -> None:
    text = report(row(count="3")).decode()
    prefixed = text.replace("</", "</d:").replace("<", "<d:").replace("<d:/d:", "</d:").replace("<d:?", "<?")
    assert read(prefixed.replace("<d:feedback>", '<d:feedback xmlns:d="urn:x">').encode()) == read(text.encode())
    assert read(text.replace("<feedback>", '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">').encode()) == read(
        text.encode()
    )
    assert read(text.replace("record>", "Record>").encode()) == read(text.encode())


@pytest.mark.parametrize("at", ["", "x", "-1", "1795132800000", "2026-11-20", "1.5"])
def test_times_that_are_none(at: str) -> None:
    told = read(report(row(), begin=at, end=at))
    assert told is not None
    assert (told.begin, told.end) == (None, None)


@pytest.mark.parametrize(
    ("policy", "kept"), [("NONE", "none"), ("", ""), ("whatever", ""), ("quarantine", "quarantine")]
)
def test_the_policy_is_one_of_three(policy: str, kept: str) -> None:
    told = read(report(row(), policy=policy))
    assert told is not None
    assert told.policy == kept


def test_the_results_of_spf_and_dkim_as_such_are_not_the_aligned_ones() -> None:
    told = read(report(row(spf="fail", dkim="fail")))
    assert told is not None
    assert told.sources[0].passed == 0


@pytest.mark.parametrize(
    "bomb",
    [
        b"<feedback>" + b"<record/>" * (MAX_ROWS + 1) + b"</feedback>",
        b"<feedback>" + b"<a/>" * (MAX_ELEMENTS + 1) + b"</feedback>",
    ],
)
def test_too_much_is_refused(bomb: bytes) -> None:
    with pytest.raises(Unpackable) as fault:
        read(bomb)
    assert fault.value.code == "bomb"


_WORDS = st.sampled_from(
    ["", "pass", "fail", "1", "-1", "99", "192.0.2.1", "::1", "acme.test", "\u00e9", "<x/>", "&lt;"]
)


@given(st.lists(st.tuples(_WORDS, _WORDS, _WORDS, _WORDS, _WORDS), max_size=4), _WORDS, st.integers(0, 400))
def test_any_report_is_read_or_refused(rows: list[tuple[str, ...]], policy: str, cut: int) -> None:
    raw = report(*(row(*one) for one in rows), policy=policy)
    told = read(raw)
    assert told is not None
    assert sum(1 for one in rows if one) == told.rows
    assert all(0 <= one.passed <= one.messages and one.spf_aligned <= one.messages for one in told.sources)
    assert all(max(one.spf_aligned, one.dkim_aligned) <= one.passed for one in told.sources)
    try:
        read_any(raw[: len(raw) - cut - 1])
    except Unpackable as fault:
        assert fault.code == "malformed"
