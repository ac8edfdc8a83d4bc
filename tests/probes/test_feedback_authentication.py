"""Who really sent a report: signatures checked with keys from DNS, and the word of one's own mail server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.nsd import Nsd, txt
from peers.report_mails import UNSUBSCRIBE, YAHOO, Keys, arf, keys, record, signed
from probes.mail_authentication import authenticate, results
from probes.mail_text import address, host, instant, message_id, organisation
from probes.reporters import REPORTERS, Reporter, believed

MINE = "mx.acme.test"


def vouched(mail: bytes, value: str, *more: str) -> bytes:
    return "".join(f"Authentication-Results: {it}\n" for it in (value, *more)).encode() + mail


async def test_a_signature_of_the_reporter_holds() -> None:
    dns = keys()
    found = await authenticate(signed(arf()), ask=dns.ask)
    assert (found.domain, found.by, found.why) == (YAHOO, f"dkim:{YAHOO}", "")
    assert dns.asked == [f"r._domainkey.{YAHOO} TXT"]


async def test_a_signature_holds_through_a_real_name_server(serve, resolving) -> None:  # type: ignore[no-untyped-def]
    nsd: Nsd = serve({YAHOO: txt("r._domainkey", record(2048))})
    assert await authenticate(signed(arf(), bits=2048), ask=resolving(nsd.nameserver).ask)


async def test_line_ends_do_not_matter_and_content_does() -> None:
    mail = signed(arf())
    assert await authenticate(mail.replace(b"\r\n", b"\n"), ask=keys().ask)
    forged = await authenticate(mail.replace(b"d=mail.acme.test", b"d=rival.test"), ask=keys().ask)
    assert not forged and "does not hold" in forged.why


@pytest.mark.parametrize(
    ("mail", "why"),
    [
        (arf(), "not signed"),
        (signed(arf(), "evil.test"), f"none of its 1 DKIM signatures is one of {YAHOO}"),
        (signed(arf()).replace(b"s=r;", b"s=other;"), "there is no key"),
        (signed(arf()).replace(b"a=rsa-sha256", b"a=rsa-sha1"), "none of its 1 DKIM"),
        (signed(arf()).replace(b"v=1;", b"v=1; l=10;"), "none of its 1 DKIM"),
        (signed(arf()).replace(b"v=1;", b"v=1; v=1;"), "none of its 1 DKIM"),
        (signed(arf()).replace(b"bh=", b"bh=A"), "does not hold"),
        (b"From: rival@b.test\n" + signed(arf()), "it has 2 From fields"),
        (b"Content-Type: text/plain\n" + signed(arf()), "two Content-Type"),
        (signed(arf()).replace(b"From: ", b"From: x@y.test, "), "From fields, or one that is not one address"),
        (b"no header line\n" + signed(arf()), "none of its 1 DKIM"),
        (b" folded\n" + signed(arf()), "none of its 1 DKIM"),
        (b"Subject: none\n\nhi", "0 From fields"),
    ],
)
async def test_what_proves_nothing(mail: bytes, why: str) -> None:
    found = await authenticate(mail, ask=keys(YAHOO, "evil.test").ask)
    assert not found
    assert why in found.why
    assert not found.again


async def test_a_key_that_is_too_short_or_no_key_proves_nothing() -> None:
    dns = Keys({f"r._domainkey.{YAHOO}": "v=DKIM1; p="})
    assert not await authenticate(signed(arf()), ask=dns.ask)
    assert not await authenticate(signed(arf()), ask=Keys({f"r._domainkey.{YAHOO}": "nonsense;;="}).ask)


async def test_a_name_server_that_fails_leaves_it_open() -> None:
    found = await authenticate(signed(arf()), ask=Keys({f"r._domainkey.{YAHOO}": None}).ask)
    assert not found and found.again
    assert "SERVFAIL" in found.why


async def test_one_good_signature_among_others_is_enough() -> None:
    mail = signed(signed(signed(arf()), "other.test"), "gone.mail.yahoo.com")
    dns = Keys({f"r._domainkey.{YAHOO}": record(), "r._domainkey.gone.mail.yahoo.com": None})
    assert (await authenticate(mail, ask=dns.ask)).domain == YAHOO


async def test_only_so_many_signatures_are_looked_into() -> None:
    mail = arf()
    for number in range(8):
        mail = signed(mail, f"s{number}.yahoo.com")
    dns = Keys()
    assert not await authenticate(mail, ask=dns.ask)
    assert len(dns.asked) == 5


async def test_without_dns_or_without_the_whole_no_signature_is_checked() -> None:
    assert "DNS was not asked" in (await authenticate(signed(arf()))).why
    assert "too large" in (await authenticate(signed(arf()), whole=False, ask=keys().ask)).why


async def test_a_boundary_put_in_by_somebody_else_is_seen_through() -> None:
    """A genuine report quotes a mail of the attacker's; another boundary would make parts of what he wrote."""
    inner = "--evil\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--evil--"
    unsigned_type = signed(arf(original=f"From: x@evil.test\n\n{inner}\n"), fields=(b"from", b"to"))
    assert await authenticate(unsigned_type, ask=keys().ask)
    moved = unsigned_type.replace(b'boundary="=_b1"', b'boundary="evil"')
    assert not await authenticate(moved, ask=keys().ask)
    assert not await authenticate(moved.replace(b"multipart/report", b"application/zip"), ask=keys().ask)
    said = vouched(arf(), f"{MINE}; dkim=pass header.d={YAHOO}")
    assert await authenticate(said, trusted=[MINE])
    assert not await authenticate(said.replace(b'boundary="=_b1"', b'boundary="evil"'), trusted=[MINE])


@pytest.mark.parametrize(
    "value",
    [
        f"{MINE}; dkim=pass header.d={YAHOO}",
        f'"{MINE}" 1; spf=pass smtp.mailfrom=x; dkim=pass (good; really) header.i=@{YAHOO} header.s=r',
        f"MX.ACME.TEST; dmarc=pass (p=none) header.from={YAHOO}",
        f'{MINE}; dkim=fail header.d=evil.test; dkim=pass reason="so; it" header.d=yahoo.com',
        f"{MINE}; dkim/1=pass header.d={YAHOO}",
    ],
)
async def test_the_word_of_ones_own_server(value: str) -> None:
    found = await authenticate(vouched(arf(), value), trusted=[MINE])
    assert found
    assert found.by.startswith(f"authentication-results:{MINE} d")


@pytest.mark.parametrize(
    "values",
    [
        (f"mx.evil.test; dkim=pass header.d={YAHOO}",),
        (f"mx.evil.test; dkim=pass header.d={YAHOO}", f"{MINE}; dkim=pass header.d={YAHOO}"),
        (f"{MINE}; dkim=none", f"{MINE}; dkim=pass header.d={YAHOO}"),
        (f"{MINE}; dkim=fail header.d={YAHOO}",),
        (f"{MINE}; dkim=pass header.d=evil.test",),
        (f"{MINE}; dkim=pass",),
        (f"{MINE}; spf=pass smtp.mailfrom={YAHOO}",),
        (f"{MINE} (; dkim=pass header.d={YAHOO})",),
        (f'{MINE}; dkim=none reason="; dkim=pass header.d={YAHOO}"',),
        (f"; dkim=pass header.d={YAHOO}",),
    ],
)
async def test_other_words_are_not_taken(values: tuple[str, ...]) -> None:
    assert not await authenticate(vouched(arf(), *values), trusted=[MINE])


async def test_nobody_is_trusted_unless_named() -> None:
    assert not await authenticate(vouched(arf(), f"{MINE}; dkim=pass header.d={YAHOO}"))


async def test_a_plain_mail_has_no_boundary_to_doubt() -> None:
    mail = signed(UNSUBSCRIBE.encode(), "icloud.com", fields=(b"from", b"to", b"subject"))
    assert await authenticate(mail, ask=keys("icloud.com").ask)


def test_results_are_read_by_their_words() -> None:
    assert results("a.test 1; dkim=pass header.d=x.test; none") == (
        "a.test",
        [("dkim", "pass", {"header.d": "x.test"})],
    )
    assert results("") == ("", [])


def test_a_mailbox_at_a_large_provider_is_not_its_loop() -> None:
    assert believed("staff@hotmail.com", "hotmail.com", "arf")
    assert not believed("mallory@hotmail.com", "hotmail.com", "arf")
    assert not believed("staff@hotmail.com", "evil.test", "arf")
    assert not believed("x@yahoo.com", "yahoo.com", "arf")
    assert not believed("feedback@arf.mail.yahoo.com", YAHOO, "dsn")


def test_one_can_believe_more() -> None:
    mine = Reporter(name="mine", feeds=("dsn",), senders=("@mta.acme.test",), signers=("acme.test",))
    assert believed("mailer-daemon@mta.acme.test", "acme.test", "dsn", (mine,)) is mine
    assert believed("x@a.mta.acme.test", "acme.test", "dsn", (mine,)) is None


def test_every_known_reporter_says_where_it_was_read() -> None:
    assert all(reporter.source and reporter.date for reporter in REPORTERS)
    assert len({reporter.name for reporter in REPORTERS}) == len(REPORTERS)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a@X.Test", "a@x.test"),
        ('"<staff@hotmail.com>" <e@evil.test>', "e@evil.test"),
        ("e@evil.test (<staff@hotmail.com> \\) (nested))", "e@evil.test"),
        ('"a \\" <b@c.test>" <e@evil.test>', "e@evil.test"),
        ("<a@b.test> <c@d.test>", ""),
        ("c@d.test, x <a@b.test>", ""),
        ("a@b.test <a@b.test>", "a@b.test"),
        ("Doe, John <a@b.test>", "a@b.test"),
        ("a@b.test, c@d.test", ""),
        ("<>", ""),
        ("nobody", ""),
        ("<@b.test>", ""),
        ("<a@localhost>", ""),
        ("x@münchen.de", "x@xn--mnchen-3ya.de"),
        ("x@\udcff.de", ""),
    ],
)
def test_addresses(value: str, found: str) -> None:
    assert address(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Thu, 29 Apr 2013 23:45:00 -0800", "2013-04-30T07:45:00+00:00"),
        ("Thu, 9 Apr 2006 23:34:45 JST", "2006-04-09T14:34:45+00:00"),
        ("29 Apr 2016 23:34:45 +0900 (JST)", "2016-04-29T14:34:45+00:00"),
        ("29 Apr 2016 23:34:45 XYZ", "2016-04-29T23:34:45+00:00"),
        ("29 Apr 2016 23:34:45", "2016-04-29T23:34:45+00:00"),
        ("yesterday", None),
        ("1 Jan 99999 00:00:00", None),
        ("", None),
    ],
)
def test_dates(value: str, found: str | None) -> None:
    at = instant(value)
    assert (at and at.isoformat()) == found


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    address(text)
    instant(text)
    message_id(text)
    results(text)
    organisation(host(text) or "x")


@given(st.binary(max_size=400))
async def test_no_bytes_raise(raw: bytes) -> None:
    assert not await authenticate(raw + b"\nFrom: a@b.test\nDKIM-Signature: " + raw, ask=keys("b.test").ask)
