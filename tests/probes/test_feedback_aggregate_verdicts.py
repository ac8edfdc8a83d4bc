"""What is made of a mailed DMARC report: whose numbers are taken, and whose are not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from peers.report_mails import DATE, Keys, keys, signed
from probes.feedback_mail import examine
from probes.feedback_verdict import Verdict
from probes.observation import Parsed, Window

WINDOW = Window(datetime(2026, 11, 22, 12, tzinfo=UTC))
MINE = "mx.acme.test"


async def look(mail: bytes, **more: Any) -> Verdict:
    return await examine(mail, window=WINDOW, **more)


def aggregate(begin: int = 1795132800, domain: str = "acme.test", author: str = "noreply@mail.test") -> bytes:
    """A DMARC report of 2026-11-20, as it is mailed."""
    row = "<row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><dkim>pass</dkim><spf>fail</spf>"
    xml = (
        f"<feedback><report_metadata><org_name>mail.test</org_name><date_range><begin>{begin}</begin>"
        f"<end>{begin + 86399}</end></date_range></report_metadata><policy_published><domain>{domain}</domain>"
        f"<p>reject</p></policy_published><record>{row}</policy_evaluated></row></record></feedback>"
    )
    return f"From: {author}\nDate: {DATE}\nContent-Type: text/xml\n\n{xml}\n".encode()


async def test_an_aggregate_report_tells_of_a_day_and_counts_for_nothing() -> None:
    ask = keys("mail.test").ask
    verdict = await look(signed(aggregate(), "mail.test"), watched={"acme.test"}, ask=ask)
    assert (verdict.code, verdict.counts_as, verdict.parsed) == ("aggregate", None, Parsed())
    assert "dkim:mail.test; a report on authentication" in verdict.why
    (seen,) = verdict.looks
    assert (seen.source, seen.target, seen.part) == ("dmarc_reports", "acme.test", "2026-11-20/mail.test")
    below = await look(signed(aggregate(domain="sub.acme.test"), "mail.test"), watched={"acme.test"}, ask=ask)
    assert [one.target for one in below.looks] == ["acme.test"]
    unconfigured = await look(signed(aggregate(), "mail.test"), watched=None, ask=ask)
    assert [one.target for one in unconfigured.looks] == ["acme.test"]


@pytest.mark.parametrize(
    ("mail", "code", "rejected"),
    [
        (aggregate(), "unauthenticated", True),
        (signed(aggregate(), "evil.test"), "unauthenticated", True),
        (signed(aggregate(), "mail.test").replace(b"<count>3", b"<count>9"), "unauthenticated", True),
        (signed(aggregate(author="somebody@gmail.com"), "gmail.com"), "unbelieved", True),
        (signed(aggregate(domain="x.test"), "mail.test"), "unwatched", False),
        (signed(aggregate(domain=""), "mail.test"), "malformed", True),
        (signed(aggregate(begin=1700000000), "mail.test"), "ancient", True),
        (signed(aggregate(begin=1900000000), "mail.test"), "ancient", True),
        (signed(aggregate(), "silent.test").replace(b"noreply@mail.test", b"a@silent.test"), "unauthenticated", True),
    ],
)
async def test_an_aggregate_report_that_is_not_taken(mail: bytes, code: str, rejected: bool) -> None:
    ask = keys("mail.test", "evil.test", "gmail.com").ask
    verdict = await look(mail, watched={"acme.test"}, ask=ask)
    assert (verdict.code, verdict.looks, verdict.counts_as) == (code, (), None)
    assert [reject.code for reject in verdict.parsed.rejects] == [code] * rejected


async def test_an_aggregate_report_whose_signer_cannot_be_asked_is_read_again() -> None:
    dark = Keys({"r._domainkey.mail.test": None}).ask
    verdict = await look(signed(aggregate(), "mail.test"), watched={"acme.test"}, ask=dark)
    assert (verdict.code, verdict.looks, verdict.parsed.rejects) == ("undecided", (), ())


async def test_the_beginning_of_a_mail_is_enough_where_the_report_is_in_it_and_a_trusted_server_vouches() -> None:
    xml = aggregate().partition(b"\n\n")[2]
    head = (
        f"Authentication-Results: {MINE}; dkim=pass header.d=mail.test\nFrom: a@mail.test\nDate: {DATE}\n"
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/xml\n\n"
    ).encode()
    known: dict[str, Any] = {"whole": False, "trusted": (MINE,), "watched": {"acme.test"}}
    verdict = await look(head + xml + b"--b\nContent-Type: image/png\n\n...", **known)
    assert (verdict.code, len(verdict.looks)) == ("aggregate", 1)
    cut = await look(head + xml[:-30], **known)
    assert (cut.code, cut.looks) == ("too-large", ())
    assert (await look(aggregate(), whole=False, watched={"acme.test"})).code == "too-large"


async def test_an_aggregate_report_is_recognised_without_a_mail_around_it() -> None:
    xml = b"<feedback><policy_published><domain>acme.test</domain></policy_published></feedback>"
    for watched, expected in ((None, None), ({"acme.test"}, True), ({"x.test"}, False)):
        verdict = await look(xml, watched=watched)
        found = (verdict.attribution.domain, verdict.attribution.by, verdict.attribution.watched)
        assert found == ("acme.test", "policy-domain", expected)
        assert verdict.looks == ()
    nameless = await look(b"<feedback/>")
    assert (nameless.attribution.domain, nameless.attribution.by) == ("", "")
