"""`deliverd discover`: what an account has, beside what is configured, as tables that can really be pasted."""

import io
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.discover import discover, show
from deliverd.commands.output import Output
from deliverd.settings import Domain, Owner, Settings
from peers.commands import House
from peers.instantly import Instantly
from peers.outreach import Fault
from probes import instantly
from probes.discovery import Found
from probes.registry import PROBES

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FOUND = (
    Found("acme.test", ("a@acme.test",)),
    Found("mail.acme.test", ("b@mail.acme.test",)),
    Found("moved.test", ("m@moved.test",)),
    Found("new.test", tuple(f"m{number}@new.test" for number in range(7))),
    Found("sub.test", levers=("subaccount:7",)),
    Found('odd"]\nmode = "enforce', ("x",)),
)
registered = pytest.mark.skipif("instantly" not in PROBES, reason="the kind instantly is not in the registry yet")


def settings(*owners: str) -> Settings:
    account = instantly.Config(kind="instantly", api_key="a key")
    domains = {"acme.test": "outreach", "moved.test": "other", "gone.test": "outreach"}
    return Settings(
        owners={name: Owner(channels=("json://127.0.0.1/",)) for name in owners},
        platforms={"outreach": account, "other": account},
        domains={name: Domain(owner=owners[0], platform=platform) for name, platform in domains.items()},
    )


def shown(found: tuple[Found, ...] = FOUND, owner: str = "growth", as_json: bool = False) -> str:
    stream = io.StringIO()
    show(Output(stream), settings("growth", "support"), "outreach", owner, found, NOW, as_json=as_json)
    return stream.getvalue()


def test_the_table_marks_what_is_configured() -> None:
    lines = shown().splitlines()
    assert [line.split("  ")[0] for line in lines[:3]] == ["DOMAIN", "acme.test", "mail.acme.test"]
    marks = ("CONFIGURED", "yes", "counted with acme.test", "as sent from other", "no", "no", "not a domain's name")
    assert [line.endswith(mark) for line, mark in zip(lines, marks, strict=False)] == [True] * 7
    assert "7: m0@new.test, m1@new.test, m2@new.test, m3@new.test, m4@new.test and 2 more" in lines[4]


def test_what_is_printed_can_be_pasted() -> None:
    text = shown()
    pasted = tomllib.loads(text[text.index("# To watch") :])
    common = {"owner": "growth", "platform": "outreach", "mode": "observe"}
    assert pasted == {"domains": {"new.test": common, "sub.test": common | {"levers": ["subaccount:7"]}}}


def test_an_owner_is_not_guessed() -> None:
    assert 'owner = ""   # one of: growth, support' in shown(owner="")


def test_nothing_to_add() -> None:
    assert "All of them are configured." in shown(FOUND[:3])
    assert "[domains" not in shown(FOUND[:3])
    assert shown(()) == "outreach has no domain to send from.\n"


def test_json() -> None:
    document = json.loads(shown(as_json=True))
    assert {name: document[name] for name in ("at", "account", "kind")} == {
        "at": "2026-11-22T12:00:00Z",
        "account": "outreach",
        "kind": "instantly",
    }
    assert document["domains"][1] == {
        "domain": "mail.acme.test",
        "configured": False,
        "counted_with": "acme.test",
        "at_account": "outreach",
        "senders": ["b@mail.acme.test"],
        "levers": [],
        "detail": "",
    }
    assert [one["configured"] for one in document["domains"]] == [True, *[False] * 5]
    assert len(document["domains"][3]["senders"]) == 7
    assert set(tomllib.loads(document["toml"])["domains"]) == {"new.test", "sub.test"}


@pytest.fixture
def platform() -> Iterator[Instantly]:
    with Instantly() as found:
        yield found


def file(directory: Path, platform: Instantly) -> Path:
    path = directory / "outreach.toml"
    table = {"kind": "instantly", "api_key": platform.key, "base_url": platform.base_url, "patience_seconds": 0}
    lines = ["[owners.growth]", 'channels = ["json://127.0.0.1:1/"]', "[platforms.outreach]"]
    path.write_text("\n".join([*lines, *(f"{name} = {json.dumps(value)}" for name, value in table.items()), ""]))
    return path


@registered
def test_an_account_that_answers(tmp_path: Path, platform: Instantly, capsys: pytest.CaptureFixture[str]) -> None:
    platform.add("a@acme.test", "b@acme.test")
    path = file(tmp_path, platform)
    assert discover("outreach", "", True, path) is Code.GOOD
    pasted = json.loads(capsys.readouterr().out)["toml"]
    path.write_text(f"{path.read_text()}\n{pasted}")
    assert discover("outreach", "growth", False, path) is Code.GOOD
    assert "All of them are configured." in capsys.readouterr().out


@registered
@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.RATE_LIMITED, Fault.HTML, Fault.TELLS_THE_SECRET])
def test_an_account_that_does_not(
    tmp_path: Path, platform: Instantly, capsys: pytest.CaptureFixture[str], fault: Fault
) -> None:
    platform.fail(fault)
    assert discover("outreach", "", False, file(tmp_path, platform)) is Code.UNSEEN
    said: Any = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("deliverd: outreach: http://127.0.0.1")
    assert platform.key not in said.err


def test_what_cannot_be_asked(house: House) -> None:
    with pytest.raises(UsageFault, match='"outreach" is not a configured platform account; '):
        discover("outreach", "", False, house.config)
    with pytest.raises(UsageFault, match='kind "webhook", which cannot list its domains'):
        discover("mail", "", False, house.config)


@registered
def test_an_owner_that_is_not_there(tmp_path: Path, platform: Instantly) -> None:
    with pytest.raises(UsageFault, match="there are growth"):
        discover("outreach", "nobody", False, file(tmp_path, platform))
