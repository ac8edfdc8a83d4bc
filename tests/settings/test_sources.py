"""Environment variables over secret files over the TOML file, and who is named when one of them is wrong."""

from pathlib import Path

import pytest

from deliverd.settings_sources import DOCKER_SECRETS, secrets_dirs

OTHER = "whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="


def secret_of(settings) -> str:
    return settings.platforms["mail"].secret.get_secret_value()


def put(directory: Path, **files: str) -> tuple[Path]:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return (directory,)


def test_the_order_of_the_sources(loaded, small, tmp_path):
    dirs = put(tmp_path / "secrets", platforms__mail__secret=OTHER + "\n", schedule__dns_seconds="333")
    environ = {"DELIVERD_SCHEDULE__DNS_SECONDS": "111"}
    text = small + "[schedule]\ndns_seconds = 555\njudge_seconds = 55\n"
    assert loaded(text).schedule.dns_seconds == 555
    assert loaded(text, {}, dirs).schedule.dns_seconds == 333
    assert secret_of(loaded(text, {}, dirs)) == OTHER
    over_all = loaded(text, environ, dirs)
    assert (over_all.schedule.dns_seconds, over_all.schedule.judge_seconds) == (111, 55)


def test_of_two_directories_the_last_wins(loaded, small, tmp_path):
    dirs = put(tmp_path / "a", log__level="debug", log__format="json") + put(tmp_path / "b", log__level="error")
    log = loaded(small, {}, dirs).log
    assert (log.level, log.format) == ("error", "json")


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("DELIVERD_DNS__TRIES", "3", lambda s: s.dns.tries == 3),
        ("DELIVERD_DNS__TIMEOUT_SECONDS", "2.5", lambda s: s.dns.timeout_seconds == 2.5),
        ("DELIVERD_DNS__NAMESERVERS", '["127.0.0.1:53"]', lambda s: s.dns.nameservers == ("127.0.0.1:53",)),
        ("DELIVERD_POLICIES__DEFAULT__PAUSE__RATE_PERCENT", "0.2", lambda s: s.policies["default"].pause.rate == 0.002),
        ("DELIVERD_POLICIES__DEFAULT__PAUSE__COMPLAINTS", "7", lambda s: s.policies["default"].pause.complaints == 7),
        ("DELIVERD_DOMAINS__acme.com__MODE", "enforce", lambda s: s.domains["acme.com"].mode == "enforce"),
        ("deliverd_log__level", "debug", lambda s: s.log.level == "debug"),
        (
            "DELIVERD_OWNERS__GROWTH__CHANNELS",
            '["json://a"]',
            lambda s: s.owners["growth"].channels[0].get_secret_value() == "json://a",
        ),
    ],
)
def test_text_stands_for_what_its_place_wants(loaded, small, name, text, read):
    assert read(loaded(small, {name: text}))


def test_a_secret_that_looks_like_a_number_stays_text(loaded, small):
    text = small.replace("webhook", "ses").replace("secret =", "access_key_id =").split("control_url")[0]
    text += 'region = "eu-west-1"\n' + small[small.index("[domains") :]
    settings = loaded(text, {"DELIVERD_PLATFORMS__MAIL__SECRET_ACCESS_KEY": "12345"})
    assert settings.platforms["mail"].secret_access_key.get_secret_value() == "12345"


def test_a_secret_from_a_file_named_in_any_source(loaded, small, tmp_path):
    (tmp_path / "secret").write_text(OTHER + "\r\n")
    given = f'secret = {{ file = "{tmp_path / "secret"}" }}'
    line = next(line for line in small.splitlines() if line.startswith("secret"))
    assert secret_of(loaded(small.replace(line, given))) == OTHER
    assert secret_of(loaded(small, {"DELIVERD_PLATFORMS__MAIL__SECRET__FILE": str(tmp_path / "secret")})) == OTHER


def test_variables_and_files_that_are_not_ours_are_left_alone(loaded, small, tmp_path):
    environ = {
        "DELIVERD_PORT": "tcp://10.0.0.1:8425",
        "DELIVERD_CONFIG": "x",
        "PATH": "/bin",
        "NOT_DELIVERD_WEB__X": "1",
    }
    dirs = put(tmp_path / "secrets", postgres_password="x", other__thing="x", web="x")
    (tmp_path / "secrets" / "..data").mkdir()
    assert loaded(small, environ, dirs) == loaded(small)


@pytest.mark.parametrize(
    ("environ", "place", "found", "hint"),
    [
        ({"DELIVERD_SHEDULE__DNS_SECONDS": "9"}, "shedule.dns_seconds", "a table that is not known", '"schedule"'),
        ({"DELIVERD_SCHEDULE__DNS_SECOND": "9"}, "schedule.dns_second", "a key that is not known", '"dns_seconds"'),
        ({"DELIVERD_SCHEDULE__DNS_SECONDS": "soon"}, "schedule.dns_seconds", '"soon"', ""),
        ({"DELIVERD_SCHEDULE__DNS_SECONDS": "NaN"}, "schedule.dns_seconds", '"NaN"', ""),
        ({"DELIVERD_SCHEDULE__DNS_SECONDS": "1e999"}, "schedule.dns_seconds", '"1e999"', ""),
        ({"DELIVERD_SCHEDULE__DNS_SECONDS": "-1"}, "schedule.dns_seconds", "-1", ""),
        ({"DELIVERD_DNS__NAMESERVERS": "127.0.0.1:53"}, "dns.nameservers", '"127.0.0.1:53"', ""),
        ({"DELIVERD_DNS__NAMESERVERS": "[" * 99_999}, "dns.nameservers", "a string (not shown)", ""),
        ({"DELIVERD_DNS__NAMESERVERS": '["\\ud800"]'}, "dns.nameservers", '"[', ""),
        ({"DELIVERD_PLATFORMS__MAIL": "{}"}, "platforms.mail", "a string", ""),
        ({"DELIVERD_PLATFORMS__NEW__SECRET": "x"}, "platforms.new.kind", "nothing", ""),
        ({"DELIVERD_PLATFORMS__MAIL__": "x"}, 'platforms.mail.""', "a name with an empty part", ""),
        ({"DELIVERD_PLATFORMS__MAIL__SECRET": "\udcff"}, "platforms.mail.secret", "bytes that are not UTF-8", ""),
        ({"DELIVERD_DOMAINS__ACME.COM__OWNER": "nobody"}, 'domains."acme.com".owner', '"nobody"', ""),
    ],
)
def test_a_faulty_variable_is_named(failing, small, environ, place, found, hint):
    (fault,) = failing(small, environ).faults
    assert fault.file == f"environment variable {next(iter(environ))}"
    assert (fault.place, fault.line) == (place, None)
    assert fault.found.startswith(found)
    assert hint in fault.hint
    assert bool(fault.hint) == bool(hint)


@pytest.mark.parametrize(
    "environ",
    [
        {"DELIVERD_LOG__LEVEL": "info", "DELIVERD_LOG__LEVEL__FILE": "/x"},
        {"DELIVERD_LOG__LEVEL": "info", "DELIVERD_LOG__LEVEL__FILE__MORE": "/x"},
        {"DELIVERD_LOG__LEVEL__FILE": "/x", "deliverd_log__level": "info"},
    ],
)
def test_two_variables_of_which_one_lies_inside_the_other(failing, small, environ):
    faults = failing(small, environ).faults
    assert "a key and, under other names, keys inside it" in [fault.found for fault in faults]


def test_a_list_in_a_variable_is_json_and_the_fault_says_so(failing, small):
    (fault,) = failing(small, {"DELIVERD_DNS__NAMESERVERS": "127.0.0.1:53"}).faults
    assert fault.expected == 'a list as JSON, such as ["a", "b"]'


def test_a_faulty_secret_file_is_named(failing, small, tmp_path):
    dirs = put(tmp_path / "secrets", platforms__mail__secrt="x")
    (tmp_path / "secrets" / "store__url").write_bytes(b"\xff")
    (tmp_path / "secrets" / "log__level").write_text("x" * 70_000)
    (tmp_path / "secrets" / "web__listen").mkdir()
    faults = failing(small, {}, dirs).faults
    assert {(Path(fault.file).name, fault.found) for fault in faults} == {
        ("platforms__mail__secrt", "a key that is not known"),
        ("store__url", "a byte that is not UTF-8"),
        ("log__level", "a file too large for a secret"),
        ("web__listen", "a secret that cannot be read: Is a directory"),
    }


def test_a_directory_of_secrets_that_is_not_there(failing, small, tmp_path):
    (fault,) = failing(small, {}, (tmp_path / "absent",)).faults
    assert fault.file == str(tmp_path / "absent")
    assert "No such file or directory" in fault.found


def test_the_usual_directories_are_those_that_are_there(tmp_path):
    usual = (DOCKER_SECRETS,) if DOCKER_SECRETS.is_dir() else ()
    assert secrets_dirs({}) == usual
    assert secrets_dirs({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == (*usual, tmp_path)
    assert secrets_dirs({"CREDENTIALS_DIRECTORY": str(tmp_path / "absent")}) == usual
