"""The configuration of the daemon under drill: taken by deliverd's own loader, and nothing real of a user's in it."""

import base64
from pathlib import Path

import pytest

from deliverd import settings
from deliverd.drill.config import POLICY, Addresses, Rehearsal, RehearsalError, rehearsal, text
from deliverd.model import Mode, Standing
from deliverd.policy import Policy
from deliverd.settings import Settings

DOMAINS = ("a.test", "b.test")
SECRET = "whsec_" + base64.b64encode(b"a secret of the drill, long enough").decode()
MINE = """
[store]
url = "postgresql+psycopg://deliverd:hunter2@db.example.com/deliverd"

[owners.growth]
channels = ["slack://hunter2/hunter2/hunter2"]

[platforms.mail]
kind = "webhook"
secret = { file = "/run/secrets/hunter2" }
control_url = "https://mail.example.com/hunter2"

[policies.careful]
base = "default"
window_days = 3

[policies.careful.pause]
rate_percent = 0.2
complaints = 4

[domains."example.com"]
owner = "growth"
platform = "mail"
mode = "observe"
policy = "careful"

[domains."example.org"]
owner = "growth"
platform = "mail"
mode = "enforce"
"""


def addresses(directory: Path) -> Addresses:
    channel = "mailto://127.0.0.1:2525/?from=a@drill.test&to=b@drill.test&mode=insecure"
    return Addresses(
        "127.0.0.1:8425", "127.0.0.1:5301", "http://127.0.0.1:9000/control", channel, directory / "deliverd.db"
    )


def load(directory: Path, what: Rehearsal, stale_seconds: float = 0.0) -> Settings:
    path = directory / "drill.toml"
    path.write_text(text(addresses(directory), DOMAINS, SECRET, what, stale_seconds), encoding="utf-8")
    return settings.load(path, {})


def write(directory: Path, content: str) -> Path:
    path = directory / "mine.toml"
    path.write_text(content, encoding="utf-8")
    return path


def policy(loaded: Settings) -> Policy:
    return loaded.policies[POLICY]


def test_without_a_file_it_is_the_shipped_policy_with_a_day_for_its_window(tmp_path: Path) -> None:
    loaded = load(tmp_path, Rehearsal())
    mine, shipped = policy(loaded), loaded.policies["default"]
    assert (mine.watch, mine.throttle, mine.pause) == (shipped.watch, shipped.throttle, shipped.pause)
    assert mine.window_days == 1
    assert mine.authentication.then is Standing.PAUSED
    assert mine.authentication.grace_hours * 3600 < 10
    assert set(loaded.domains) == set(DOMAINS)
    assert all(domain.mode is Mode.ENFORCE and domain.policy == POLICY for domain in loaded.domains.values())


def test_staleness_is_as_the_scenario_has_it(tmp_path: Path) -> None:
    assert policy(load(tmp_path, Rehearsal(), 6.0)).stale_after.total_seconds() == 6
    assert policy(load(tmp_path, Rehearsal())).stale_after.total_seconds() > 60


def test_a_users_policy_is_rehearsed_and_nothing_else_of_the_file_is_taken(tmp_path: Path) -> None:
    what = rehearsal(write(tmp_path, MINE), None)
    assert (what.mode, what.base) == (Mode.OBSERVE, "careful")
    mine = policy(load(tmp_path, what))
    assert (mine.window_days, mine.pause.rate, mine.pause.complaints) == (3, 0.002, 4)
    assert mine.authentication.then is Standing.THROTTLED
    written = text(addresses(tmp_path), DOMAINS, SECRET, what, 0.0)
    assert "hunter2" not in written
    assert "example" not in written


def test_the_mode_can_be_overridden(tmp_path: Path) -> None:
    assert rehearsal(write(tmp_path, MINE), Mode.ENFORCE).mode is Mode.ENFORCE


def test_a_file_with_policies_alone_will_do(tmp_path: Path) -> None:
    what = rehearsal(write(tmp_path, "[policies.default.pause]\ncomplaints = 9\n"), None)
    assert what.mode is Mode.ENFORCE
    assert policy(load(tmp_path, what)).pause.complaints == 9


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[policies", "cannot read"),
        ("policies = 3", "tables"),
        ("domains = 3", "tables"),
        ('[domains]\n"a.test" = 3', "tables"),
        ('[domains."a.test"]\nmode = "hunter2"', "observe, propose, enforce"),
    ],
)
def test_a_file_that_cannot_be_rehearsed_says_why(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(RehearsalError, match=words) as caught:
        rehearsal(write(tmp_path, content), None)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="No such file"):
        rehearsal(tmp_path / "none.toml", None)
