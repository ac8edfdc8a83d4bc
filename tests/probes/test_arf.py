"""Complaints in every shape: what type they are, and which domain they are about by what."""

import base64
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from peers.report_mails import ARF, DATE, FIELDS, ORIGINAL, UNSUBSCRIBE, arf
from probes import attribution
from probes.arf import TYPES
from probes.attribution import Attribution, Own, attribute
from probes.mail_report import Kind, Report, read
from probes.mime import Headers, headers

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "arf"
SAMPLES = {
    "arf-01.eml": ("abuse", "example.ed.jp", "from"),
    "arf-02.eml": ("abuse", "example.com", "from"),
    "arf-12.eml": ("opt-out", "example.net", "from"),
    "arf-15.eml": ("abuse", "example.net", "from"),
    "arf-16.eml": ("abuse", "example.jp", "from"),
    "arf-18.eml": ("auth-failure", "example.org", "from"),
    "arf-22.eml": ("abuse", "example.com", "authentication-results"),
    "arf-26.eml": ("opt-out", "example.org", "recipient-address"),
}
JMRP = f"""\
From: staff@hotmail.com
To: fbl@acme.test
Date: {DATE}
Subject: complaint about message from 192.0.2.9
Content-Type: multipart/mixed; boundary="jj"

--jj
Content-Type: message/rfc822

X-HmXmrOriginalRecipient: someone@hotmail.com
{ORIGINAL}
--jj--
"""


def told(mail: bytes | str) -> tuple[str, str, str]:
    """Type, domain and by what, as a person would be shown them."""
    report = read(mail if isinstance(mail, bytes) else mail.encode())
    found = attribute(report.original, report.fields, report.to if report.shape == "unsubscribe" else "")
    return report.type, found.domain, found.by


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpora are not here")
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_real_samples(name: str, end: bytes) -> None:
    assert told((CORPUS / name).read_bytes().replace(b"\n", end)) == SAMPLES[name]


@pytest.mark.parametrize("kind", TYPES)
def test_every_type(kind: str) -> None:
    assert told(arf(kind)) == (kind, "mail.acme.test", "dkim-signature")


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        ("Abuse", "abuse"),
        ('"abuse"', "abuse"),
        ("abuse; x=y", "abuse"),
        ("Not Spam", "not-spam"),
        ("not_spam", "not-spam"),
        ("opt-out-list", "opt-out"),
        ("dkim", "auth-failure"),
        ("phishing", "fraud"),
        ("something-new", "other"),
    ],
)
def test_types_as_they_are_spelt(stated: str, kind: str) -> None:
    assert told(arf(stated))[0] == kind


def test_what_a_complaint_tells() -> None:
    report = read(arf())
    assert (report.kind, report.shape, report.code) == (Kind.ARF, "rfc5965", "")
    assert report.reporter == "feedback@arf.mail.yahoo.com"
    assert report.message_id == "1.2@acme.test"
    assert report.sent_at and report.sent_at.isoformat() == "2026-11-22T09:30:00+00:00"
    assert report.reported_at and report.reported_at.isoformat() == "2026-11-22T11:00:00+00:00"
    assert report.arrived_at and report.arrived_at.hour == 10
    assert (report.source_ip, report.user_agent) == ("192.0.2.1", "Yahoo!-Mail-Feedback/2.0")
    assert (report.complainers, report.redacted) == (("someone@yahoo.com",), False)


@pytest.mark.parametrize(
    "complainer", ["redacted@yahoo.com", "[redacted]", "hashed@example.com", "redacted", "***@x.com"]
)
def test_a_complainer_taken_out(complainer: str) -> None:
    report = read(arf(complainer=complainer))
    assert (report.complainers, report.redacted, report.type) == ((), True, "abuse")


@pytest.mark.parametrize(
    "original_type",
    ["text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers", "text/rfc822", "message/global-headers"],
)
def test_headers_alone_under_any_name(original_type: str) -> None:
    bare = ORIGINAL.partition("\n\n")[0] + "\n"
    assert told(arf(original=bare, original_type=original_type))[1] == "mail.acme.test"


def test_an_original_under_no_name_at_all() -> None:
    assert told(arf(original_type="text/plain"))[1:] == ("mail.acme.test", "dkim-signature")
    assert told(arf(original="Just words, and no header", original_type="text/plain"))[1:] == (
        "bounces.esp.test",
        "mail-from",
    )


def test_parts_in_base64_and_quoted_printable() -> None:
    fields = base64.encodebytes(FIELDS.format(type="fraud", complainer="a@yahoo.com").encode()).decode()
    mail = arf(fields=fields[:-3] + "%%\n").replace(
        b"Content-Type: message/feedback-report\n",
        b"Content-Type: message/feedback-report\nContent-Transfer-Encoding: base64\n",
    )
    assert told(mail)[0] == "fraud"
    quoted = mail.replace(b"message/rfc822\n", b"message/rfc822\nContent-Transfer-Encoding: quoted-printable\n")
    quoted = quoted.replace(b"acme.test", b"acme=2Etest").replace(b"a=rsa-sha256;", b"").replace(b" d=", b" d=3D")
    assert told(quoted) == ("fraud", "mail.acme.test", "dkim-signature")


def test_blank_lines_and_nonsense_between_the_fields() -> None:
    scattered = FIELDS.replace("Version: 1", "\n \nno field here\nVersion: 1").replace(
        "Feedback-Type: {type}", "X: y\n\nFeedback-Type: {type}"
    )
    assert told(arf("virus", fields=scattered))[0] == "virus"


def test_a_fields_part_of_another_type() -> None:
    mail = arf().replace(b"Content-Type: message/feedback-report", b"Content-Type: application/octet-stream")
    assert told(mail)[0] == "abuse"


def test_without_fields_the_words_may_tell() -> None:
    mail = arf().replace(b"Feedback-Type: abuse", b"X-Nothing: abuse")
    assert told(mail)[0] == "abuse"
    assert told(mail.replace(b"an email abuse report", b"an opt-out report"))[0] == "opt-out"
    failed = mail.replace(b"an email abuse report", b"an authentication failure report")
    assert told(failed)[0] == "auth-failure"


def test_a_report_that_does_not_say_of_what_type() -> None:
    mail = arf().replace(b"Feedback-Type: abuse", b"X-Nothing: x").replace(b"email abuse report", b"letter")
    report = read(mail)
    assert (report.kind, report.type, report.code) == (Kind.ARF, "", "malformed")
    assert "Feedback-Type" in report.reason


def test_no_fields_and_no_words_part() -> None:
    mail = b"From: a@b.test\nContent-Type: multipart/report; report-type=feedback-report; boundary=x\n\n--x\n\n\n--x--"
    assert read(mail).code == "malformed"


@pytest.mark.parametrize("change", ["", "boundary", "quotes", "inner"])
def test_boundaries_as_they_come(change: str) -> None:
    mail = arf().decode()
    if change == "boundary":
        mail = mail.replace('; boundary="=_b1"', "")
    elif change == "quotes":
        mail = mail.replace('boundary="=_b1"', 'boundary="never used"')
    elif change == "inner":
        head, _, body = mail.partition("\n\n")
        inner = head[head.index("Content-Type") :]
        mail = f'From: a@b.test\nContent-Type: multipart/mixed; boundary="out"\n\n--out\n{inner}\n\n{body}\n--out--\n'
    assert told(mail)[:2] == ("abuse", "mail.acme.test")


def test_the_old_shape_of_microsoft() -> None:
    assert told(JMRP) == ("abuse", "mail.acme.test", "dkim-signature")
    report = read(JMRP.encode())
    assert (report.shape, report.source_ip, report.complainers) == ("jmrp", "192.0.2.9", ("someone@hotmail.com",))
    bare = JMRP.replace("X-HmXmrOriginalRecipient", "X-Something")
    assert read(bare.encode()).shape == "jmrp"
    assert read(bare.replace("staff@", "other@").encode()).kind is Kind.UNKNOWN
    report_type = JMRP.replace("multipart/mixed;", "multipart/report; report-type=feedback-report;")
    assert read(report_type.encode()).shape == "jmrp"


@pytest.mark.parametrize(
    ("old", "new", "is_one"),
    [
        ("", "", True),
        ("Subject: unsubscribe", "Subject: Re: Unsubscribe!", True),
        ("Subject: unsubscribe", "Subject: Hello", True),
        ("unsubscribe-abc123@", "sales@", True),
        ("Subject: unsubscribe\nContent", "X-Apple-Unsubscribe: true\nContent", True),
    ],
)
def test_unsubscribe_mails(old: str, new: str, is_one: bool) -> None:
    assert told(UNSUBSCRIBE.replace(old, new, 1)) == ("opt-out", "acme.test", "recipient-address")


def test_what_only_looks_like_an_unsubscribe_mail() -> None:
    plain = UNSUBSCRIBE.replace("Subject: unsubscribe", "Subject: How to unsubscribe?").replace("unsubscribe-abc", "x")
    assert read(plain.encode()).kind is Kind.UNKNOWN
    report = UNSUBSCRIBE.replace("text/plain", "multipart/report; boundary=x").replace("Please.", "--x\n\nhi\n--x--")
    assert read(report.encode()).kind is Kind.UNKNOWN


def test_fields_in_a_plain_mail_are_only_words() -> None:
    assert read(b"From: a@b.test\nSubject: x\n\nFeedback-Type: abuse\n").kind is Kind.UNKNOWN


ORDER = [
    ("own-header", "x-brand: brand.test"),
    ("dkim-signature", "dkim-signature: v=1; d=signer.test; b=x"),
    ("authentication-results", "authentication-results: mx.x; spf=pass; dkim=pass header.d=verified.test"),
    ("feedback-id", "feedback-id: 1:camp.paign:fbid.com:esp"),
    ("from", "from: x@author.test"),
    ("mail-from", "return-path: <b@envelope.test>"),
]


def test_the_order_in_which_the_domain_is_told() -> None:
    report = headers(b"reported-domain: reported.test")
    for skipped in range(len(ORDER)):
        message = headers("\n".join(line for _, line in ORDER[skipped:]).encode())
        watched = {"brand.test", "signer.test", "verified.test", "fbid.com", "author.test", "envelope.test"}
        found = attribute(message, report, "x@to.test", own=Own(("X-Brand",)), watched=watched)
        assert found.by == ORDER[skipped][0] and found.watched
    assert attribute(Headers(), report, "x@to.test").by == "reported-domain"
    assert attribute(Headers(), Headers(), "x@to.test") == Attribution("to.test", "recipient-address")
    assert attribute(Headers(), Headers()) == Attribution()


def test_of_several_signatures_the_authors_own_counts() -> None:
    message = headers(b"From: x@acme.test\nDKIM-Signature: d=esp.test\nDKIM-Signature: v=1; d=m.acme.test; s=x")
    assert attribute(message, Headers()) == Attribution("m.acme.test", "dkim-signature")


def test_a_providers_signature_alone_names_nobody_unless_it_is_watched() -> None:
    message = headers(
        b"From: x@acme.test\nDKIM-Signature: v=1; d=amazonses.com\n"
        b"Authentication-Results: y; dkim=pass header.i=@esp.test"
    )
    assert attribute(message, Headers()) == Attribution("acme.test", "from")
    assert attribute(message, Headers(), watched={"amazonses.com"}) == Attribution(
        "amazonses.com", "dkim-signature", True
    )
    nameless = headers(b"DKIM-Signature: v=1; d=amazonses.com")
    assert attribute(nameless, Headers()) == Attribution("amazonses.com", "dkim-signature")


def test_a_subdomain_belongs_to_the_nearest_watched_domain_above_it() -> None:
    message = headers(b"From: x@a.b.acme.test")
    assert attribute(message, Headers(), watched={"acme.test", "b.acme.test"}).domain == "b.acme.test"
    assert attribute(message, Headers(), watched={"other.test"}) == Attribution("a.b.acme.test", "from", False)


def test_a_feedback_id_is_looked_up_or_is_itself_a_domain() -> None:
    message = headers(b"Feedback-ID: c1.v2:acme.com:x:esp1")
    assert attribute(message, Headers(), own=Own(feedback_ids={"esp1": "brand.test"})).domain == "acme.com"
    only = headers(b"Feedback-ID: c1:esp1")
    assert attribute(only, Headers(), own=Own(feedback_ids={"esp1": "brand.test"})).domain == "brand.test"
    assert attribute(only, Headers()) == Attribution()


def test_only_what_was_verified_counts_as_verified() -> None:
    failed = headers(b"Authentication-Results: x; dkim=fail header.d=a.test; dkim=pass header.d=b.test")
    assert attribute(failed, Headers()).domain == "b.test"


@given(st.binary(max_size=3000))
@example(b"")
@example(b"\n")
@example(b"From: x\n")
def test_no_bytes_raise(raw: bytes) -> None:
    assert isinstance(read(raw), Report)


TEMPLATE = ARF.format(date=DATE, number=1, fields=FIELDS, original=ORIGINAL, original_type="message/rfc822").encode()


@given(st.integers(0, len(TEMPLATE)), st.integers(0, 80), st.binary(max_size=40))
def test_no_damaged_report_raises(at: int, gone: int, put: bytes) -> None:
    report = read(TEMPLATE[:at] + put + TEMPLATE[at + gone :])
    attribute(report.original, report.fields, report.to)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_headers_raise_in_attribution(one: str, other: str) -> None:
    names = ("from", "dkim-signature", "authentication-results", "feedback-id", "return-path")
    message = Headers(tuple((name, one) for name in names))
    attribute(message, Headers((("reported-domain", other), ("original-mail-from", other))), other, watched={one})
    attribution.aligned(one, other)
