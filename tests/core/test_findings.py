"""What each code means to its owner, and the record that mends it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.findings import Check, assess, failing
from probes.dkim import parse as parse_dkim
from probes.dmarc import is_dmarc
from probes.dmarc import parse as parse_dmarc
from probes.observation import Observation, Seen, Unseen, Why
from probes.spf_record import parse as parse_spf

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RECORD = "v=spf1 ptr a ptr:x.test -PTR +all"


def seen(source: str, code: str | None = None, part: str = "", **readings: Any) -> Observation:
    answer = Seen(({} if code is None else {"code": code}) | {"detail": "DETAIL"} | readings)
    return Observation(source, "acme.test", AT, answer, part)


@pytest.mark.parametrize(
    ("source", "code", "readings", "status", "answer"),
    [
        ("spf", "ok", {"lookups": 3, "all": "~"}, "pass", "seen"),
        ("spf", "ok", {"lookups": 3, "all": "+", "record": RECORD}, "warn", "seen"),
        ("spf", "no-record", {}, "fail", "absent"),
        ("spf", "multiple-records", {"records": ("v=spf1 a -all", "v=spf1 mx")}, "fail", "seen"),
        ("spf", "syntax", {"record": RECORD, "position": 8}, "fail", "seen"),
        ("spf", "loop", {"record": RECORD}, "fail", "seen"),
        ("spf", "bad-include", {"record": RECORD}, "fail", "seen"),
        ("spf", "too-many-lookups", {"record": RECORD}, "fail", "seen"),
        ("spf", "too-many-voids", {"record": RECORD}, "fail", "seen"),
        ("spf", "ptr", {"record": RECORD}, "warn", "seen"),
        ("dkim", "ok", {"key_type": "rsa", "key_bits": 2048, "testing": False}, "pass", "seen"),
        ("dkim", "ok", {"key_type": "ed25519", "key_bits": 256}, "pass", "seen"),
        ("dkim", "ok", {"key_type": "rsa", "key_bits": 1024}, "warn", "seen"),
        ("dkim", "ok", {"key_type": "rsa", "key_bits": 2048, "testing": True}, "warn", "seen"),
        ("dkim", "weak-key", {"key_type": "rsa", "key_bits": 512}, "fail", "seen"),
        ("dkim", "broken-key", {}, "fail", "seen"),
        ("dkim", "revoked", {"key_type": "rsa"}, "fail", "seen"),
        ("dkim", "missing", {}, "fail", "absent"),
        ("dkim", "dangling-cname", {"target": "gone.test"}, "fail", "seen"),
        ("dmarc", "ok", {"policy": "reject", "found_at": "acme.test"}, "pass", "seen"),
        ("dmarc", "monitor-only", {"found_at": "acme.test"}, "warn", "seen"),
        ("dmarc", "invalid", {}, "fail", "seen"),
        ("dmarc", "multiple-records", {"found_at": "acme.test"}, "fail", "seen"),
        ("dmarc", "missing", {}, "fail", "absent"),
    ],
)
def test_every_code_is_judged(source: str, code: str, readings: dict[str, Any], status: str, answer: str) -> None:
    observation = seen(source, code, "s1" if source == "dkim" else "", **readings)
    check = assess(observation)
    assert (check.source, check.part, check.code) == (source, observation.part, code)
    assert (check.status, check.answer) == (status, answer)
    assert failing(observation) is (status == "fail")
    assert "acme.test" in check.summary
    assert "?" not in check.summary + check.fix
    assert (bool(check.fix), bool(check.why)) == (status != "pass", status != "pass")
    if status != "pass":
        assert all(name in check.why for name in ("Gmail", "Yahoo", "Outlook"))


@pytest.mark.parametrize("source", ["spf", "dkim", "dmarc", "webhook", "ses"])
def test_unseen_is_unknown_and_never_failing(source: str) -> None:
    observation = Observation(source, "acme.test", AT, Unseen(Why.TIMEOUT, "192.0.2.53 did not answer"))
    assert assess(observation) == Check(
        source,
        "",
        "unseen",
        "unknown",
        "unseen",
        f"{source} of acme.test could not be seen (timeout): 192.0.2.53 did not answer",
    )
    assert not failing(observation)


def test_unseen_without_words_says_so() -> None:
    check = assess(Observation("dkim", "acme.test", AT, Unseen(Why.NETWORK), "s1"))
    assert check.summary == "dkim s1 of acme.test could not be seen (network): no detail"


@pytest.mark.parametrize("source", ["webhook", "ses"])
def test_a_source_without_records_passes_by_being_seen(source: str) -> None:
    observation = seen(source, sent_today=17)
    assert assess(observation) == Check(source, "", "seen", "pass", "ok", f"{source} of acme.test was read.")
    assert not failing(observation)


def test_a_code_that_is_not_known_is_unknown() -> None:
    observation = seen("spf", "quantum")
    check = assess(observation)
    assert (check.status, check.code, check.summary) == (
        "unknown",
        "quantum",
        "spf of acme.test says 'quantum', which is not known here.",
    )
    assert not failing(observation)


def test_an_old_row_with_fewer_readings_is_still_judged() -> None:
    assert assess(seen("spf", "ptr")).summary.startswith("SPF of acme.test uses ptr")
    assert assess(seen("spf", "multiple-records")).fix.endswith('"v=spf1 ~all"')
    assert assess(seen("dkim", "ok", "s1")).status == "pass"


def fixed(check: Check) -> str:
    """The record that a fix asks to publish."""
    return check.fix.rpartition(' TXT "')[2].removesuffix('"')


def test_the_spf_fixes_are_records_that_parse() -> None:
    ptr = fixed(assess(seen("spf", "ptr", record=RECORD)))
    assert ptr == "v=spf1 a +all"
    parse_spf(ptr)
    assert fixed(assess(seen("spf", "ok", record="v=spf1 a all", all="+"))) == "v=spf1 a ~all"
    parse_spf(fixed(assess(seen("spf", "no-record"))).replace("SPF-NAME-OF-YOUR-PLATFORM", "spf.test"))


@pytest.mark.parametrize(
    ("records", "merged"),
    [
        (("v=spf1 a -all", "v=spf1 mx a ~all"), "v=spf1 a mx -all"),
        (("v=spf1 a", "v=spf1 include:b.test ?all"), "v=spf1 a include:b.test ?all"),
        (("v=spf1 a", "v=spf1 mx"), "v=spf1 a mx ~all"),
    ],
)
def test_several_spf_records_become_one(records: tuple[str, ...], merged: str) -> None:
    assert fixed(assess(seen("spf", "multiple-records", records=records))) == merged
    parse_spf(merged)


@pytest.mark.parametrize(
    ("code", "readings", "record"),
    [
        ("missing", {}, "v=DMARC1; p=none; rua=mailto:dmarc-reports@acme.test"),
        ("invalid", {"rua": ()}, "v=DMARC1; p=none; rua=mailto:dmarc-reports@acme.test"),
        (
            "monitor-only",
            {"rua": ("mailto:a@acme.test", "mailto:b@acme.test")},
            "v=DMARC1; p=quarantine; rua=mailto:a@acme.test,mailto:b@acme.test",
        ),
    ],
)
def test_the_dmarc_fixes_are_records_that_hold(code: str, readings: dict[str, Any], record: str) -> None:
    check = assess(seen("dmarc", code, **readings))
    assert fixed(check) == record
    assert is_dmarc(record)
    assert parse_dmarc(record).faults == ()
    assert "_dmarc.acme.test. TXT" in check.fix


def test_the_dkim_fixes_name_the_place() -> None:
    for code in ("missing", "revoked", "broken-key", "weak-key", "dangling-cname"):
        assert "s1._domainkey.acme.test" in assess(seen("dkim", code, "s1")).fix
    assert parse_dkim("p=").code == "revoked"


@given(st.text(max_size=50), st.sampled_from(["spf", "dkim", "dmarc"]), st.text(max_size=20))
def test_no_text_from_dns_breaks_a_sentence(text: str, source: str, code: str) -> None:
    for name in (code, "ptr", "syntax", "broken-key", "invalid", "multiple-records"):
        readings = {"record": text, "rua": (text,), "records": (text,)}
        check = assess(seen(source, name, text, **readings | {"detail": text}))
        assert check.summary
