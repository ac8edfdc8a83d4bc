"""What a configuration that cannot be used says of itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deliverd.settings import ConfigError, load
from probes import registry

KINDS = f"one of {', '.join(registry.ACCOUNTS)}"


def only(error):
    assert len(error.faults) == 1, str(error)
    return error.faults[0]


SPOILT = [
    # what is added or replaced, the place, what was found, a part of what was expected, a part of the hint
    ('mod = "enforce"', 'domains."acme.com".mod', "a key that is not known", "dkim_selectors, levers, mode", '"mode"'),
    ('mode = "enforced"', 'domains."acme.com".mode', '"enforced"', "'observe', 'propose' or 'enforce'", '"enforce"'),
    ("mode = 3", 'domains."acme.com".mode', "3", "'observe'", ""),
    ('policy = "defualt"', 'domains."acme.com".policy', '"defualt"', "[policies.NAME]: default", '"default"'),
    ('levers = ["acme"]', 'domains."acme.com".levers[0]', '"acme"', "pattern", ""),
    (
        'levers = ["domain:x"]\n[domains."b.org"]\nowner = "growth"\nplatform = "mail"\nlevers = ["domain:x"]',
        'domains."b.org".levers[0]',
        '"domain:x"',
        "a lever of its own: pausing domain:x would pause acme.com too",
        "",
    ),
    ('levers = "x:y"', 'domains."acme.com".levers', '"x:y"', "array", ""),
    ('dkim_selectors = ["-"]', 'domains."acme.com".dkim_selectors[0]', '"-"', "pattern", ""),
    ("[webb]", "webb", "a table that is not known", "alerts, dns, domains", '"web"'),
    ("[store]\nurl = 'mysql://u:p@h/d'", "store.url", "a string (not shown)", "postgresql+psycopg://", ""),
    ("[web]\nlisten = 'localhost'", "web.listen", '"localhost"', "HOST:PORT", ""),
    ("[web]\nlisten = 'localhost:65536'", "web.listen", '"localhost:65536"', "HOST:PORT", ""),
    ("[web]\nmax_body_bytes = 1.5", "web.max_body_bytes", "1.5", "integer", ""),
    ("[web]\nmax_body_bytes = true", "web.max_body_bytes", "true", "integer", ""),
    ("[web]\nmax_body_bytes = 18446744073709551616", "web.max_body_bytes", "a number beyond 64 bits", "smaller", ""),
    ("[dns]\ntries = 0", "dns.tries", "0", "greater than or equal to 1", ""),
    ("[dns]\ntimeout_seconds = nan", "dns.timeout_seconds", "nan", "a finite number", ""),
    ("[schedule]\ndns_seconds = '900'", "schedule.dns_seconds", '"900"', "number", ""),
    ("[schedule]\njudge_seconds = inf", "schedule.judge_seconds", "inf", "a finite number", ""),
    ("[schedule]\njudge_seconds = -inf", "schedule.judge_seconds", "-inf", "a finite number", ""),
    ("[schedule]\njudge_seconds = 0", "schedule.judge_seconds", "0", "greater than 0", ""),
    ("[schedule]\njudge_seconds = 1e300", "schedule.judge_seconds", "1e+300", "less than or equal", ""),
    ("[schedule]\njudge_seconds = 2026-11-22", "schedule.judge_seconds", '"2026-11-22"', "number", ""),
    ("[schedule]\ndns_seconds = 3600", "schedule.dns_seconds", "3600", "less than 3600, when answers go stale", ""),
    ("[alerts]\nrepeat_hours = -1", "alerts.repeat_hours", "-1", "greater than 0", ""),
    ("[alerts]\nwait_for_result_seconds = []", "alerts.wait_for_result_seconds", "a list", "number", ""),
    ("[log]\nlevel = 'warn'", "log.level", '"warn"', "'warning'", '"warning"'),
    ("[owners.support]", "owners.support.channels", "nothing", "no default", ""),
    ("[owners.support]\nchannels = []", "owners.support.channels", "a list", "at least 1", ""),
    ("[owners.support]\nchannels = ['me@a.b']", "owners.support.channels", "a list", "number 1 is none", ""),
    ("[owners.support]\nchannels = 'mailto://a'", "owners.support.channels", "a string (not shown)", "array", ""),
    ("[owners.Support]\nchannels = ['json://a']", "owners.Support", "a name that cannot be used", "a-z and 0-9", ""),
    ("[owners]\nsupport = 3", "owners.support", "a number", "object", ""),
    ("[platforms.aws]", "platforms.aws.kind", "nothing", KINDS, ""),
    ("[platforms.aws]\nkind = 'spf'", "platforms.aws.kind", '"spf"', KINDS, ""),
    ("[platforms.aws]\nkind = 'seas'", "platforms.aws.kind", '"seas"', KINDS, '"ses"'),
    ("[platforms.aws]\nkind = ['ses']", "platforms.aws.kind", "a list", KINDS, ""),
    ("[platforms.aws]\nkind = 'ses'\nregion = 'ab-b-1'\ntopic = []", "platforms.aws.topic", "a key", "topics", "top"),
    ("[platforms]\naws = 'ses'", "platforms.aws", "a string", "[platforms.aws]", ""),
    ("[domains.'ACME.org']\nowner='growth'\nplatform='mail'", 'domains."ACME.org"', "a name", 'it "acme.org"', ""),
    ("[domains.'acme.org.']\nowner='growth'\nplatform='mail'", 'domains."acme.org."', "a name", '"acme.org"', ""),
    ("[domains.acme]\nowner='growth'\nplatform='mail'", "domains.acme", "a name", "host name", ""),
    ("[domains.'192.0.2.1']\nowner='growth'\nplatform='mail'", 'domains."192.0.2.1"', "a name", "host name", ""),
    ("[domains.'a_b.com']\nowner='growth'\nplatform='mail'", "domains.\"a_b.com\"", "a name", "host name", ""),
    ("[domains.'\u2603..com']\nowner='growth'\nplatform='mail'", 'domains."\u2603..com"', "a name", "5891", ""),
    ("[policies.default]\nwindow_days = 0", "policies.default.window_days", "0", "greater than or equal to 1", ""),
    ("[policies.default.pause]\ncomplaints = 2", "policies.default", "a table", "fewer than 3 complaints", ""),
    ("[policies.default.watch]\nrate_percent = 9", "policies.default", "a table", "must not fall", ""),
    ("[policies.own]\nbase = 'own'", "policies.own.base", "a policy that is not there", "one of default", ""),
    ("[policies.own]\nbase = 3", "policies.own.base", "something other than a string", "one of default", ""),
    ("[policies]\nown = 'default'", "policies.own", "a string", "object", ""),
    ("[log]\nformat = {auto = true}", "log.format", "a table", "'auto'", ""),
]  # fmt: skip


@pytest.mark.parametrize(("more", "place", "found", "expected", "hint"), SPOILT, ids=[row[0] for row in SPOILT])
def test_one_mistake_is_one_fault_that_leads_to_its_place(failing, small, file, more, place, found, expected, hint):
    error = failing(small + more + "\n")
    fault = only(error)
    assert (fault.file, fault.place) == (str(file), place)
    assert fault.found.startswith(found)
    assert expected in fault.expected
    assert hint in fault.hint
    assert bool(fault.hint) == bool(hint)
    assert str(fault) == str(error)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(failing, small, file):
    error = failing(
        small.replace('owner = "growth"', 'owner = "grwoth"').replace('"webhook"', '"webhok"') + "mood = 1\n"
    )
    assert (
        str(error)
        == f"""\
{file}, line 6: platforms.mail.kind
  found "webhok"
  expected {KINDS}
  hint: did you mean "webhook"?

{file}, line 11: domains."acme.com".owner
  found "grwoth"
  expected the name of a table [owners.NAME]: growth
  hint: did you mean "growth"?

{file}, line 13: domains."acme.com".mood
  found a key that is not known
  expected one of dkim_selectors, levers, mode, owner, platform, policy
  hint: did you mean "mode"?"""
    )


@pytest.mark.parametrize("table", ["owners", "platforms", "policies", "domains", "web", "store"])
@pytest.mark.parametrize("value", ["3", "'x'", "[]", "1.5", "true", "2026-11-22"])
def test_a_table_that_is_none_is_a_fault_and_hides_nothing_else(failing, table, value):
    faults = failing(f"{table} = {value}\nlogg = 1\n").faults
    assert [fault.place for fault in faults if fault.place == table] == [table]
    assert "logg" in [fault.place for fault in faults]


def test_a_missing_reference_beside_a_broken_one_is_not_blamed_on_the_domain(failing, small):
    """The account is there, it is only wrong: one fault, not two."""
    assert only(failing(small.replace('kind = "webhook"', 'kind = "webhoook"'))).place == "platforms.mail.kind"


def test_a_domain_twice_in_two_spellings(failing, small):
    twice = small.replace("acme.com", "bücher.example") + small[small.index("[domains") :].replace(
        "acme.com", "xn--bcher-kva.example"
    )
    fault = only(failing(twice))
    assert fault.found == 'the domain "xn--bcher-kva.example" a second time'


def test_policies_that_are_based_on_each_other(failing, small):
    circle = "[policies.a]\nbase = 'b'\n[policies.b]\nbase = 'a'\n"
    places = {fault.place: fault.found for fault in failing(small + circle).faults}
    assert places == {"policies.a.base": "a circle: b -> a -> b", "policies.b.base": "a circle: a -> b -> a"}


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("a = = 3\n", 1, "a TOML syntax error: Invalid value (column 5)"),
        ("[web]\nlisten = 'x'\nlisten = 'y'\n", 3, "a TOML syntax error: Cannot overwrite a value (column 13)"),
        ("a = " + "9" * 5000, None, "a TOML syntax error: "),
        ("a = " + "[" * 5000, None, "lists or tables nested too deeply"),
    ],
    ids=["value", "twice", "digits", "brackets"],
)
def test_toml_that_is_none_names_line_and_column(failing, text, line, found):
    fault = only(failing(text))
    assert fault.line == line
    assert fault.found.startswith(found)


def test_what_is_nested_deeper_than_any_table_is_refused(failing, small):
    assert "log" in [fault.place for fault in failing(small + "[log.a.b.c.d.e.f.g.h.i.j.k.l.m.n]\n").faults]


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.toml\n  found no such file\n  expected .*deliverd init"):
        load(tmp_path / "absent.toml", {})


def test_a_directory(tmp_path):
    with pytest.raises(ConfigError, match="found a directory"):
        load(tmp_path, {})


def test_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="found something that is no file"):
        load(tmp_path / "pipe", {})


def test_bytes_that_are_no_text(file):
    file.write_bytes(b"a = '\xff'\n")
    with pytest.raises(ConfigError, match="found a byte that is not UTF-8, at offset 5"):
        load(file, {})


def test_a_file_that_may_not_be_read(file, small):
    """As another user where the tests run as root: root may read everything."""
    file.write_text(small)
    file.chmod(0)
    if os.geteuid():
        with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
            load(file, {})
        return
    program = (
        "import os, pathlib, sys; from deliverd.settings import ConfigError, load\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: load(pathlib.Path('deliverd.toml'), {})\n"
        "except ConfigError as error: print(error)"
    )
    file.parent.chmod(0o755)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=file.parent, env=environ, capture_output=True, text=True, check=False)
    assert "found a file that cannot be read: Permission denied" in done.stdout, done.stderr
