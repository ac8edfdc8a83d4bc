"""`deliverd feedback parse`: every file explained, for people and for machines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.commands import call, run
from peers.nsd import Nsd, serving, txt
from peers.report_mails import YAHOO, arf, dsn, record, signed

OLD = arf(date="Mon, 29 Apr 2013 23:45:00 -0800").replace(b"2026", b"2013")


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    zones = {YAHOO: txt("r._domainkey", record()), "googlemail.com": txt("r._domainkey", record()), "dark.test": None}
    with serving(tmp_path_factory.mktemp("nsd"), zones) as server:
        yield server


def put(path: Path, mail: bytes) -> str:
    path.write_bytes(mail)
    return str(path)


def test_a_complaint_that_counts(nsd: Nsd, tmp_path: Path) -> None:
    ran = run("feedback", "parse", put(tmp_path / "a.eml", signed(arf())), "-n", nsd.nameserver)
    assert (ran.code, ran.err) == (0, "")
    assert "  is        arf abuse (rfc5965)\n" in ran.out
    assert "  domain    mail.acme.test (by dkim-signature)\n" in ran.out
    assert "  counts    as complaint\n" in ran.out
    assert f"  why       dkim:{YAHOO}; Yahoo CFL\n" in ran.out


def test_json_has_every_key(nsd: Nsd, tmp_path: Path) -> None:
    bounce = signed(dsn(("a@gmail.com", "failed", "5.1.1")), "googlemail.com")
    files = [put(tmp_path / "a.eml", signed(arf())), put(tmp_path / "b.eml", bounce)]
    first, second = call("feedback", "parse", *files, "-n", nsd.nameserver, "--json").json["reports"]
    assert set(first) == set(second)
    assert (first["file"], first["kind"], first["type"]) == (files[0], "arf", "abuse")
    assert (first["authenticated"], first["authenticated_by"]) == (True, f"dkim:{YAHOO}")
    assert (first["means"], first["counts_as"], first["code"]) == ("complaint", "complaint", "counted")
    assert (first["sent_at"], first["message_id"]) == ("2026-11-22T09:30:00Z", "1.2@acme.test")
    assert (second["kind"], second["type"], second["counts_as"]) == ("dsn", "failed", "hard-bounce")
    assert second["recipients"] == [{"domain": "gmail.com", "action": "failed", "status": "5.1.1", "bounce": "hard"}]


def test_without_dns_nothing_is_authentic_but_what_a_trusted_server_says(tmp_path: Path) -> None:
    file = put(tmp_path / "a.eml", signed(arf()))
    (told,) = call("feedback", "parse", file, "--no-dns", "--json").json["reports"]
    assert (told["authenticated"], told["code"], told["counts_as"]) == (False, "unauthenticated", None)
    vouched = f"Authentication-Results: mx.acme.test; dkim=pass header.d={YAHOO}\n".encode() + arf()
    file = put(tmp_path / "b.eml", vouched)
    (told,) = call("feedback", "parse", file, "--no-dns", "--trust", "mx.acme.test", "--json").json["reports"]
    assert told["counts_as"] == "complaint"


def test_an_old_mail_is_explained_as_when_it_came(nsd: Nsd, tmp_path: Path) -> None:
    (told,) = call("feedback", "parse", put(tmp_path / "a", signed(OLD)), "-n", nsd.nameserver, "--json").json[
        "reports"
    ]
    assert told["counts_as"] == "complaint"


@pytest.mark.parametrize(
    ("mail", "code", "word"),
    [
        (b"From: a@b.test\n\nhello\n", 1, "not-a-report"),
        (b"\x1f\x8bbroken", 1, "malformed"),
        (arf(fields="Feedback-Type: {type}", original="X: y\n"), 1, "unmapped"),
        (arf(), 0, "unauthenticated"),
        (arf("not-spam"), 0, "no-complaint"),
        (signed(OLD.replace(b"arf.mail.yahoo.com", b"dark.test"), "dark.test"), 0, "unauthenticated"),
        (arf() + b"x" * (5 << 20), 1, "too-large"),
    ],
)
def test_what_it_ends_with(nsd: Nsd, tmp_path: Path, mail: bytes, code: int, word: str) -> None:
    ran = call("feedback", "parse", put(tmp_path / "a", mail), "-n", nsd.nameserver, "--json")
    assert (ran.code, ran.json["reports"][0]["code"]) == (code, word)


def test_what_cannot_be_read_is_2(nsd: Nsd, tmp_path: Path) -> None:
    good = put(tmp_path / "a", arf())
    ran = call("feedback", "parse", str(tmp_path / "none"), str(tmp_path), good, "--no-dns", "--json")
    assert ran.code == 2
    assert [(one["code"], one["why"]) for one in ran.json["reports"]][:2] == [
        ("unreadable", "No such file or directory"),
        ("unreadable", "not a file"),
    ]
    assert call("feedback", "parse", "/dev/null", "--no-dns").code == 2


def test_a_name_server_that_fails_is_2(nsd: Nsd, tmp_path: Path) -> None:
    fresh = arf(date="Wed, 22 Nov 2090 11:00:00 +0000").replace(b"arf.mail.yahoo.com", b"dark.test")
    ran = call("feedback", "parse", put(tmp_path / "a", signed(fresh, "dark.test")), "-n", nsd.nameserver)
    assert ran.code == 2
    assert "said SERVFAIL" in ran.out


CONFIG = (
    '[owners.o]\nchannels = ["json://x.test"]\n[platforms.p]\nkind = "ses"\nregion = "eu-west-1"\n'
    '[domains."acme.test"]\nowner = "o"\nplatform = "p"\n'
)


def test_the_configuration_says_what_is_looked_after(tmp_path: Path) -> None:
    file = put(tmp_path / "a.eml", arf())
    config = tmp_path / "deliverd.toml"
    config.write_text(CONFIG)
    (told,) = call("-c", str(config), "feedback", "parse", file, "--no-dns", "--json").json["reports"]
    assert (told["domain"], told["watched"]) == ("acme.test", True)
    config.write_text(CONFIG.replace("acme.test", "other.test"))
    (told,) = call("-c", str(config), "feedback", "parse", file, "--no-dns", "--json").json["reports"]
    assert (told["domain"], told["watched"], told["code"]) == ("mail.acme.test", False, "unwatched")
    config.write_text("nonsense")
    assert call("-c", str(config), "feedback", "parse", file, "--no-dns").code == 78
    lying_about = run("feedback", "parse", file, "--no-dns", cwd=tmp_path)
    assert lying_about.code == 0
    assert lying_about.err == "deliverd: deliverd.toml is not used: 1 fault; see deliverd config validate\n"


def test_a_name_server_that_is_none_is_a_fault_of_use(tmp_path: Path) -> None:
    ran = call("feedback", "parse", put(tmp_path / "a", arf()), "-n", "not a server")
    assert ran.code == 64
    assert "--nameserver" in ran.err


def test_nothing_a_terminal_would_obey_is_shown(tmp_path: Path) -> None:
    mail = arf().replace(b"<1.2@acme.test>", b"<\x1b[31m1.2@acme.test>").replace(b"UA", b"\x1b[2J")
    ran = run("feedback", "parse", put(tmp_path / "a", mail), "--no-dns")
    assert ran.code == 0
    assert "\x1b" not in ran.out
