"""Bounces: what became of the mail to each recipient, and whether it is hard or soft."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.report_mails import DSN, dsn
from probes.dsn import Recipient
from probes.mail_report import Kind, Report, read


def one(*fields: str) -> Recipient:
    block = "\n".join(fields)
    (found,) = read(DSN.format(date="x", blocks=block, original="From: a@acme.test").encode()).recipients
    return found


@pytest.mark.parametrize(
    ("action", "status", "bounce"),
    [
        ("failed", "5.1.1", "hard"),
        ("Failed", "5.7.26 (blocked)", "hard"),
        ("failed (expired)", "4.4.7", "soft"),
        ("delayed", "4.4.1", ""),
        ("delivered", "2.0.0", ""),
        ("relayed", "2.6.0", ""),
        ("expanded", "2.0.0", ""),
        ("failed", "", ""),
    ],
)
def test_hard_or_soft(action: str, status: str, bounce: str) -> None:
    assert one("Final-Recipient: rfc822; a@x.test", f"Action: {action}", f"Status: {status}").bounce == bounce


def test_the_diagnostic_code_tells_where_the_status_is_missing() -> None:
    head = ("Final-Recipient: rfc822; <a@x.test>", "Action: failed")
    assert one(*head, "Diagnostic-Code: smtp; 550 5.1.1 no such user").status == "5.1.1"
    assert one(*head, "Diagnostic-Code: smtp; 452 try later").status == "4.0.0"
    assert one(*head, "Diagnostic-Code: x-unix; from 10.5.1.1 at 5500").status == ""


def test_the_action_is_told_by_the_status_where_it_is_missing() -> None:
    assert one("Final-Recipient: rfc822; a@x.test", "Status: 5.1.1").action == "failed"
    assert one("Final-Recipient: rfc822; a@x.test", "Status: 2.0.0").action == "delivered"
    assert one("Final-Recipient: rfc822; a@x.test").action == ""


def test_the_original_recipient_is_the_one_that_was_mailed() -> None:
    assert one(
        "Original-Recipient: rfc822; a@x.test", "Final-Recipient: rfc822; b@y.test", "Action: failed"
    ).address == ("a@x.test")


def test_several_recipients() -> None:
    report = read(
        dsn(("a@x.test", "delayed", "4.4.1"), ("b@y.test", "failed", "5.1.1"), ("c@z.test", "failed", "4.2.2"))
    )
    assert (report.kind, report.type, report.code) == (Kind.DSN, "failed", "")
    assert [(it.address, it.bounce) for it in report.recipients] == [
        ("a@x.test", ""),
        ("b@y.test", "hard"),
        ("c@z.test", "soft"),
    ]
    assert report.message_id == "1.2@acme.test"
    assert report.sent_at is not None


def test_there_are_no_more_recipients_than_one_can_hold() -> None:
    report = read(dsn(*[(f"a{number}@x.test", "failed", "5.1.1") for number in range(1100)]))
    assert len(report.recipients) == 1000


def test_a_status_part_of_another_type_is_found_by_its_fields() -> None:
    mail = dsn(("a@x.test", "failed", "5.1.1"))
    assert read(mail.replace(b"message/delivery-status", b"text/plain")).type == "failed"
    assert read(mail.replace(b"message/delivery-status", b"message/global-delivery-status")).type == "failed"
    assert read(mail.replace(b"message/delivery-status", b"text/plain").replace(b"Final-R", b"R")).kind is Kind.UNKNOWN


def test_a_bounce_that_says_nothing() -> None:
    report = read(DSN.format(date="x", blocks="Final-Recipient: rfc822; a@x.test", original="").encode())
    assert (report.kind, report.code) == (Kind.DSN, "malformed")


TEMPLATE = dsn(("a@x.test", "failed", "5.1.1"), ("b@x.test", "failed", "4.1.1"))


@given(st.integers(0, len(TEMPLATE)), st.integers(0, 60), st.binary(max_size=40))
def test_no_damaged_bounce_raises(at: int, gone: int, put: bytes) -> None:
    assert isinstance(read(TEMPLATE[:at] + put + TEMPLATE[at + gone :]), Report)
