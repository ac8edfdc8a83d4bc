"""DKIM keys: what each record is worth to a verifier, and what a selector without a key says."""

import base64
from collections.abc import Callable
from typing import Any

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from peers.nsd import txt
from probes.dkim import BrokenKey, Config, Key, judge, observe, parse
from probes.observation import Observation, Seen, Unseen, Why


def rsa_key(bits: int, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    """A well-formed public key of any size: verifiers look at its length before anything else."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) | 12345)
    return base64.b64encode(numbers.public_key().public_bytes(Encoding.DER, form)).decode()


SPKI = {bits: rsa_key(bits) for bits in (512, 768, 1023, 1024, 2048, 4096)}
PKCS1 = {bits: rsa_key(bits, PublicFormat.PKCS1) for bits in (512, 1024, 2048)}
ED = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
ED25519 = base64.b64encode(ED).decode()
EC = base64.b64encode(
    ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.mark.parametrize(
    ("record", "key", "code"),
    [
        *[(f"v=DKIM1; k=rsa; p={SPKI[bits]}", Key("rsa", bits), "ok") for bits in (1024, 2048, 4096)],
        *[(f"v=DKIM1; k=rsa; p={SPKI[bits]}", Key("rsa", bits), "weak-key") for bits in (512, 768, 1023)],
        (f"p={PKCS1[2048]}", Key("rsa", 2048), "ok"),
        (f"p={PKCS1[512]}", Key("rsa", 512), "weak-key"),
        (f"v=DKIM1; k=ed25519; p={ED25519}", Key("ed25519", 256), "ok"),
        (f" v = DKIM1 ;\r\n k = rsa ;; p={SPKI[1024]}".replace(";;", ";"), Key("rsa", 1024), "ok"),
        (f"v=DKIM1; p={SPKI[1024][:50]} \t{SPKI[1024][50:]} ; ", Key("rsa", 1024), "ok"),
        (f"p={SPKI[1024]}; n=a note; x=unknown; g=*", Key("rsa", 1024), "ok"),
        (f"v=DKIM1; h=sha1:sha256; s=email:web; t=y:s; p={SPKI[2048]}", Key("rsa", 2048, testing=True), "ok"),
        (f"v=DKIM1; t=s; s=*; p={SPKI[2048]}", Key("rsa", 2048), "ok"),
        ("v=DKIM1; k=rsa; p=", Key("rsa", 0), "revoked"),
        ("v=DKIM1; t=y; p= ;", Key("rsa", 0, testing=True), "revoked"),
    ],
    ids=lambda value: "",  # the keys are made anew each time: as names, the tests would be others in every process
)
def test_a_key_is_read(record: str, key: Key, code: str) -> None:
    assert parse(record) == key
    assert key.code == code


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (f"k=rsa; v=DKIM1; p={SPKI[1024]}", "v= is neither absent nor DKIM1 in first place"),
        (f"v=DKIM2; p={SPKI[1024]}", "v= is neither absent nor DKIM1"),
        ("v=DKIM1; k=rsa", "it has no p= tag"),
        ("v=DKIM1; k=rsa; p", "'p' is not a tag"),
        ("v=DKIM1;; p=", "'' is not a tag"),
        ("v=spf1 -all", "v= is neither"),
        ("", "it has no p= tag"),
        (f"p={SPKI[1024]}; p=", "the tag p= occurs twice"),
        (f"k=dsa; p={SPKI[1024]}", "k=dsa is a key type that verifiers do not know"),
        (f"h=sha1; p={SPKI[1024]}", "h= does not allow sha256"),
        (f"s=web; p={SPKI[1024]}", "s= does not allow the key for email"),
        (f"p={SPKI[1024][:-7]}!!", "p= is not base64"),
        (f"p={SPKI[1024][:-1]}", "p= is not base64"),
        ("p=\xe9\xe9\xe9\xe9", "p= is not base64"),
        (f"p={SPKI[1024][:-8]}", "p= holds no public key"),
        ("p=aGVsbG8=", "p= holds no public key"),
        (f"p={EC}", "p= holds a key that is not RSA"),
        (f"k=ed25519; p={SPKI[1024]}", "an Ed25519 key has 32 bytes, this one 162"),
    ],
)
def test_a_key_that_cannot_be_used_says_why(record: str, words: str) -> None:
    with pytest.raises(BrokenKey) as fault:
        parse(record)
    assert words in str(fault.value)


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_no_text_raises_anything_but_a_broken_key(text: str) -> None:
    for record in (text, f"v=DKIM1; p={text}", f"k={text}; p={SPKI[1024]}"):
        try:
            assert isinstance(parse(record), Key)
        except BrokenKey as fault:
            assert str(fault).isprintable()


@given(st.binary(min_size=1, max_size=80))
def test_no_key_bytes_raise_anything_but_a_broken_key(raw: bytes) -> None:
    start = base64.b64decode(SPKI[512])[: len(raw)]
    for damaged in (raw, start + raw):
        with pytest.raises(BrokenKey):
            parse(f"k=rsa; p={base64.b64encode(damaged).decode()}")


@pytest.mark.parametrize(
    "record",
    [f"v=DKIM1; k=rsa; p={SPKI[bits]}" for bits in SPKI]
    + [f"k=rsa; p={PKCS1[bits]}" for bits in PKCS1]
    + ["v=DKIM1; p=", "v=DKIM2; p=aGVsbG8=", f"v=DKIM1; p={SPKI[1024][:-8]}", "v=DKIM1; k=rsa", f"p={SPKI[512]}; p="],
)
def test_dkimpy_reads_the_same_key(record: str) -> None:
    try:
        _, bits, kind, _ = dkimpy.evaluate_pk("s._domainkey.acme.test", record)
    except (dkimpy.KeyFormatError, dkimpy.UnparsableKeyError):
        assert judge((record,))["code"] in ("broken-key", "revoked")
    else:
        key = parse(record)
        assert (key.bits, key.type) == (bits, kind.decode())


def test_records_beside_the_key_are_passed_over_and_two_keys_are_not() -> None:
    good = f"v=DKIM1; p={SPKI[2048]}"
    assert judge(("some text", good))["code"] == "ok"
    two = judge((good, "v=DKIM1; p="))
    assert (two["code"], two["detail"]) == ("broken-key", "2 key records at one selector")
    assert judge(("some text",)) == {"code": "broken-key", "detail": "'some text' is not a tag", "record": "some text"}


ZONES = {
    "acme.test": txt("s1._domainkey", f"v=DKIM1; k=rsa; t=y; p={SPKI[4096]}")
    + txt("ed._domainkey", f"v=DKIM1; k=ed25519; p={ED25519}")
    + txt("weak._domainkey", f"k=rsa; p={SPKI[768]}")
    + txt("old._domainkey", "v=DKIM1; p=")
    + txt("bad._domainkey", "v=DKIM1; p=!!")
    + "cname._domainkey IN CNAME s1.dkim.mail.test.\n"
    + "gone._domainkey IN CNAME gone.dkim.mail.test.\n"
    + "hollow._domainkey IN CNAME hollow.dkim.mail.test.\n"
    + "off._domainkey IN CNAME key.down.test.\n",
    "mail.test": txt("s1.dkim", f"p={SPKI[1024]}") + "hollow.dkim IN A 192.0.2.1\n",
    "down.test": None,
}


async def test_a_real_name_server(serve: Callable[..., Any], resolving: Callable[..., Any], now: Any) -> None:
    server = serve(ZONES)
    selectors = ("s1", "ed", "weak", "old", "bad", "cname", "gone", "hollow", "none", "off", "s1")
    told = await observe("acme.test", Config(selectors=selectors), resolving(server.nameserver), now)
    assert [observation.part for observation in told] == list(selectors[:-1])
    assert {(one.source, one.target, one.at) for one in told} == {("dkim", "acme.test", now)}
    seen = {one.part: dict(one.answer.readings) for one in told if isinstance(one.answer, Seen)}
    key = f"v=DKIM1; k=rsa; t=y; p={SPKI[4096]}"
    assert seen["s1"] == {
        "code": "ok",
        "detail": "",
        "record": key,
        "key_type": "rsa",
        "key_bits": 4096,
        "testing": True,
    }
    assert (seen["ed"]["code"], seen["ed"]["key_type"], seen["ed"]["key_bits"]) == ("ok", "ed25519", 256)
    assert (seen["weak"]["code"], seen["weak"]["key_bits"]) == ("weak-key", 768)
    assert (seen["old"]["code"], "key_bits" in seen["old"]) == ("revoked", False)
    assert seen["bad"]["code"] == "broken-key"
    assert (seen["cname"]["code"], seen["cname"]["target"]) == ("ok", "s1.dkim.mail.test")
    assert seen["gone"] == {
        "code": "dangling-cname",
        "target": "gone.dkim.mail.test",
        "detail": "gone._domainkey.acme.test leads to gone.dkim.mail.test, which does not exist",
    }
    assert seen["hollow"]["code"] == "dangling-cname"
    assert str(seen["hollow"]["detail"]).endswith("which has no TXT record")
    assert seen["none"] == {"code": "missing", "detail": "there is no TXT record at none._domainkey.acme.test"}
    off = told[9].answer
    assert isinstance(off, Unseen)
    assert off.why is Why.SERVFAIL


async def test_without_selectors_nothing_is_missing(resolving: Callable[..., Any], now: Any) -> None:
    told = await observe("acme.test", Config(), resolving("192.0.2.53"), now)
    assert told == (Observation("dkim", "acme.test", now, Unseen(Why.NO_DATA, "no selector configured")),)


def test_a_key_type_that_cannot_be_loaded_is_a_broken_key() -> None:
    # A SubjectPublicKeyInfo of GOST R 34.10-2001 (RFC 4491): well formed, and a type the library does not load.
    der = bytes.fromhex("3016301006062a850302021306062a850302022303020001")
    with pytest.raises(BrokenKey, match="holds no public key"):
        parse(f"p={base64.b64encode(der).decode()}")
