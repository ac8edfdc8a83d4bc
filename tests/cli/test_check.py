"""`deliverd check` against a real name server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.commands import call, run
from peers.nsd import Nsd, free_port, serving, txt

ED25519 = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
GOOD = txt("@", "v=spf1 ip4:192.0.2.1 -all") + txt("s1._domainkey", ED25519) + txt("_dmarc", "v=DMARC1; p=reject")
ZONES = {
    "good.test": GOOD,
    "bad.test": txt("@", "v=spf1 -all") + txt("@", "v=spf1 \x1b[31mred -all") + txt("s1._domainkey", ED25519),
    "watching.test": txt("@", "v=spf1 -all") + txt("s1._domainkey", ED25519) + txt("_dmarc", "v=DMARC1; p=none"),
    "dark.test": None,
    "test": "",  # DMARC asks the parents too
}


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    with serving(tmp_path_factory.mktemp("nsd"), ZONES) as server:
        yield server


def check(nsd: Nsd, *arguments: str) -> tuple[str, ...]:
    return ("check", "--nameserver", nsd.nameserver, *arguments)


def test_good_is_0(nsd: Nsd) -> None:
    ran = call(*check(nsd, "Good.TEST.", "-s", "s1"))
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["DOMAIN", "WHAT", "STATUS", "FINDING"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["good.test", "SPF"],
        ["good.test", "DKIM"],
        ["good.test", "DMARC"],
    ]
    assert all(" pass " in line for line in lines[1:])


def test_wrong_is_1_with_why_and_the_fix_and_nothing_a_terminal_would_obey(nsd: Nsd) -> None:
    ran = run(*check(nsd, "bad.test", "-s", "s1"))
    assert ran.code == 1
    assert "\nbad.test SPF\n  why  Gmail" in ran.out
    assert '\n  fix  Replace them by one: bad.test. TXT "v=spf1' in ran.out
    assert "bad.test  DMARC    fail " in ran.out
    assert "\x1b" not in ran.out
    assert "\\x1b[31mred" in ran.out


def test_a_warning_is_shown_and_0(nsd: Nsd) -> None:
    ran = call(*check(nsd, "watching.test", "-s", "s1"))
    assert ran.code == 0
    assert " warn " in ran.out and "p=quarantine" in ran.out


def test_could_not_look_is_2_and_wrong_counts_first(nsd: Nsd) -> None:
    dark = call(*check(nsd, "dark.test", "-s", "s1"))
    assert dark.code == 2
    assert "servfail" in dark.out
    assert call(*check(nsd, "dark.test", "bad.test", "-s", "s1")).code == 1


def test_dkim_without_a_selector_was_not_looked_at(nsd: Nsd) -> None:
    ran = call(*check(nsd, "good.test"))
    assert ran.code == 2
    assert "--selector" in ran.out


def test_json_holds_every_check_and_its_readings(nsd: Nsd) -> None:
    ran = call(*check(nsd, "good.test", "bad.test", "good.test", "-s", "s1", "-s", "s2", "--json"))
    assert ran.code == 1
    first, second = ran.json["domains"]
    assert (first["domain"], second["domain"]) == ("good.test", "bad.test")
    found = {(one["source"], one["part"]): one for one in first["checks"]}
    assert set(found) == {("spf", ""), ("dkim", "s1"), ("dkim", "s2"), ("dmarc", "")}
    assert found["spf", ""]["readings"]["record"] == "v=spf1 ip4:192.0.2.1 -all"
    assert (found["dkim", "s2"]["code"], found["dkim", "s2"]["answer"]) == ("missing", "absent")
    assert ran.json["at"].endswith("Z")


def test_selectors_and_servers_come_from_the_configuration(nsd: Nsd, tmp_path: Path) -> None:
    config = tmp_path / "deliverd.toml"
    config.write_text(
        f'[dns]\nnameservers = ["{nsd.nameserver}"]\n[owners.o]\nchannels = ["json://x.test"]\n'
        '[platforms.p]\nkind = "ses"\nregion = "eu-west-1"\n'
        '[domains."good.test"]\nowner = "o"\nplatform = "p"\ndkim_selectors = ["s1"]\n'
    )
    assert call("-c", str(config), "check", "good.test").code == 0
    assert run("check", "good.test", cwd=tmp_path).code == 0
    assert call("-c", str(config), "check", "watching.test").code == 2
    assert "s2" in call("-c", str(config), "check", "good.test", "-s", "s2").out


def test_a_broken_configuration_that_merely_lies_about_is_passed_over(nsd: Nsd, tmp_path: Path) -> None:
    (tmp_path / "deliverd.toml").write_text("nonsense")
    ran = run(*check(nsd, "good.test", "-s", "s1"), cwd=tmp_path)
    assert ran.code == 0
    assert ran.err == "deliverd: deliverd.toml is not used: 1 fault; see deliverd config validate\n"


def test_a_server_that_is_not_there_is_2(tmp_path: Path) -> None:
    ran = call("check", "good.test", "-s", "s1", "-n", f"127.0.0.1:{free_port()}")
    assert ran.code == 2
    assert "cannot be reached" in ran.out
