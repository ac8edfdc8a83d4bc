"""What a configuration means once it is loaded."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from deliverd.model import Mode
from deliverd.settings import Settings, starter_text
from deliverd.settings_policies import load_default_policies


def test_the_small_one_takes_every_default(loaded):
    settings = loaded()
    assert settings.store.url.get_secret_value() == "sqlite:////var/lib/deliverd/deliverd.db"
    assert settings.web.address == ("127.0.0.1", 8425)
    assert settings.schedule.model_dump() == {
        "dns_seconds": 900,
        "platform_seconds": 300,
        "source_seconds": 21_600,
        "judge_seconds": 60,
        "reconcile_seconds": 300,
        "sweep_seconds": 1,
    }
    assert settings.alerts.model_dump() == {"repeat_hours": 24, "wait_for_result_seconds": 10}
    assert settings.policies == load_default_policies()
    domain = settings.domains["acme.com"]
    assert (domain.mode, domain.policy, domain.levers, domain.dkim_selectors) == (Mode.OBSERVE, "default", (), ())


def test_an_account_is_the_config_of_its_kind(loaded, small):
    account = loaded(small).platforms["mail"]
    assert account.kind == "webhook"
    assert type(account).__module__ == "probes.webhook"


def test_a_kind_nobody_uses_is_not_loaded(tmp_path, small):
    """boto3 costs a second and 30 MB: a configuration without SES must not pay for it."""
    file = tmp_path / "deliverd.toml"
    file.write_text(small)
    program = (
        "import sys, pathlib; from deliverd.settings import load; load(pathlib.Path(sys.argv[1]), {});"
        "print([name for name in ('boto3', 'apprise', 'sqlalchemy', 'googleapiclient') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("acme.com", "acme.com"),
        ("ACME.com.", "acme.com"),
        ("mail.acme.com", "acme.com"),
        ("news.acme.com", "news.acme.com"),
        ("a.b.news.acme.com", "news.acme.com"),
        ("notacme.com", None),
        ("com", None),
        ("acme.com.example", None),
        ("", None),
    ],
)
def test_a_name_belongs_to_the_nearest_domain_at_or_above_it(loaded, small, name, domain):
    settings = loaded(small + '\n[domains."news.acme.com"]\nowner = "growth"\nplatform = "mail"\n')
    assert settings.domain_of(name) == domain


def test_an_internationalised_name_is_kept_as_its_a_labels(loaded, small):
    settings = loaded(small.replace("acme.com", "Straße.example"))
    assert list(settings.domains) == ["xn--strae-oqa.example"]


def test_an_ipv6_address_is_listened_on_without_its_brackets(loaded, small):
    assert loaded(small + '[web]\nlisten = "[::1]:0"\n').web.address == ("::1", 0)


def test_the_starter_is_valid_once_it_is_filled_in(loaded, failing):
    starter = starter_text()
    assert {fault.place for fault in failing(starter).faults} == {"owners.growth.channels", "platforms.mail.secret"}
    filled = starter.replace("FILL IN: whsec_...", "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5").replace(
        "FILL IN: ", ""
    )
    settings = loaded(filled)
    assert settings.domains["example.com"].mode is Mode.OBSERVE


def test_what_is_no_account_is_refused_in_code_too():
    with pytest.raises(ValidationError, match="Config of a platform account"):
        Settings(platforms={"mail": 3})


def test_an_account_is_dumped_whole(loaded):
    dumped = loaded().model_dump(mode="json")["platforms"]["mail"]
    assert dumped["control_url"] == "https://sender.example.com/deliverd"
    assert dumped["secret"] == "**********"


def test_the_wheel_brings_policy_example_and_starter(tmp_path):
    """They are read from the package, and deliverd/config is a link in a checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"deliverd/config/policy.toml", "deliverd/config/deliverd.example.toml"} <= names
    assert "deliverd/templates/starter.toml" in names
