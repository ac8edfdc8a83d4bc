"""`deliverd platforms`: what each account can do, and whether its key works, found out by looking alone."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from deliverd.commands.codes import Code, UsageFault, worst
from deliverd.commands.config_file import load_settings
from deliverd.commands.output import Output
from deliverd.commands.platforms import Account, Brake, Key, document, examine, platforms, show
from deliverd.model import Mode
from deliverd.platforms.base import Platform
from deliverd.platforms.mailgun import Mailgun
from deliverd.platforms.postmark import Postmark
from deliverd.platforms.registry import open_platform
from deliverd.settings import Domain, Owner, Settings
from peers.commands import House
from peers.mailgun import KEY
from peers.mailgun import Mailgun as Peer
from peers.own_sender import Fault
from peers.postmark import TOKEN
from peers.postmark import Postmark as PostmarkPeer
from peers.vendor_server import VendorServer
from probes import mailgun, postmark
from probes.config import Strict

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def opener(name: str, kind: str, config: Strict) -> Platform:
    """The real brakes, whether or not the registry has them."""
    if isinstance(config, mailgun.Config):
        return Mailgun(name, config)
    return Postmark(name, config) if isinstance(config, postmark.Config) else open_platform(name, kind, config)


def settings(account: Strict, mode: Mode = Mode.ENFORCE, *levers: str) -> Settings:
    domain = Domain(owner="growth", platform="mine", mode=mode, levers=levers)
    owner = Owner(channels=("json://127.0.0.1/",))
    return Settings(owners={"growth": owner}, platforms={"mine": account}, domains={"acme.com": domain})


@pytest.fixture
def peer() -> Iterator[tuple[Peer, VendorServer]]:
    """Mailgun, whose subaccount 5f1 is there."""
    at = Peer(brakes={"5f1": "open"})
    with at.server() as server:
        yield at, server


async def looked(config: Settings) -> Account:
    (account,) = await examine(config, ["mine"], NOW, opener)
    return account


def at(server: VendorServer, **more: Any) -> mailgun.Config:
    return mailgun.Config(**({"kind": "mailgun", "api_key": KEY, "base_url": server.base_url} | more))


async def test_a_key_that_works(peer: tuple[Peer, VendorServer]) -> None:
    account = await looked(settings(at(peer[1]), Mode.ENFORCE, "subaccount:5f1"))
    assert (account.key, account.domains[0].brake, account.code) == (Key.WORKS, Brake.READY, Code.GOOD)
    told = document(account)
    assert told["can"] == ["pause", "resume"]
    assert told["domains"][0]["levers"][0]["detail"] == "open"
    assert {call.partition(" ")[0] for call in peer[1].calls} == {"GET"}


async def test_a_key_that_is_refused(peer: tuple[Peer, VendorServer]) -> None:
    account = await looked(settings(at(peer[1], api_key="expired"), Mode.ENFORCE, "subaccount:5f1"))
    assert (account.key, account.domains[0].brake, account.code) == (Key.REFUSED, Brake.DENIED, Code.WRONG)
    assert "401" in account.says
    assert "expired" not in json.dumps(document(account))


async def test_a_key_that_may_do_a_part_of_it(peer: tuple[Peer, VendorServer]) -> None:
    assert peer[1].troubles is not None
    peer[1].troubles.fail("FORBIDDEN", 1)
    account = await looked(settings(at(peer[1]), Mode.ENFORCE, "subaccount:5f1"))
    assert (account.key, account.code) == (Key.LIMITED, Code.WRONG)


async def test_a_platform_that_is_not_there(peer: tuple[Peer, VendorServer]) -> None:
    peer[1].__exit__(None, None, None)
    account = await looked(settings(at(peer[1]), Mode.ENFORCE, "subaccount:5f1"))
    assert (account.key, account.domains[0].brake, account.code) == (Key.UNREACHED, Brake.UNSEEN, Code.UNSEEN)


@pytest.mark.parametrize(("mode", "code"), [(Mode.OBSERVE, Code.GOOD), (Mode.PROPOSE, Code.WRONG)])
async def test_a_domain_without_a_lever(peer: tuple[Peer, VendorServer], mode: Mode, code: Code) -> None:
    account = await looked(settings(at(peer[1]), mode))
    assert (account.key, account.domains[0].brake, account.code) == (Key.WORKS, Brake.NONE, code)
    assert 'Add levers = ["subaccount:NAME"] to [domains."acme.com"]' in account.domains[0].says


async def test_a_lever_that_is_gone(peer: tuple[Peer, VendorServer]) -> None:
    account = await looked(settings(at(peer[1]), Mode.ENFORCE, "subaccount:5f1", "subaccount:9"))
    assert (account.key, account.domains[0].brake) == (Key.WORKS, Brake.NONE)
    assert [actual is None for _, actual in account.domains[0].levers] == [False, True]


async def test_a_platform_without_a_brake_can_only_be_read() -> None:
    with PostmarkPeer() as stand_in:
        account = await looked(
            settings(postmark.Config(kind="postmark", server_token=TOKEN, base_url=stand_in.url), Mode.OBSERVE)
        )
    assert (account.key, account.domains[0].brake, account.code) == (Key.WORKS, Brake.NONE, Code.GOOD)
    stream = io.StringIO()
    show(Output(stream), [account])
    assert "only be read" in stream.getvalue()
    assert "no brake at Postmark" in stream.getvalue()


def test_the_accounts_of_a_configuration(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert platforms([], False, house.config) is Code.GOOD
    row = capsys.readouterr().out.splitlines()[1]
    assert row.split() == ["mail", "webhook", "works", "throttle,", "pause,", "resume", "domain", "3", "of", "3"]


def test_json(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.sender.person_sets("quiet.test", "paused")
    assert platforms(["mail"], True, house.config) is Code.GOOD
    (account,) = json.loads(capsys.readouterr().out)["platforms"]
    assert (account["account"], account["key"]) == ("mail", "works")
    assert [domain["levers"][0]["limit"]["state"] for domain in account["domains"]] == ["running", "running", "paused"]


def test_what_is_wrong_is_told_once(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.sender.fail(Fault.UNAUTHORIZED)
    assert platforms([], False, house.config) is Code.WRONG
    told = capsys.readouterr().out
    assert told.count("acme.test: ") == 1
    assert "refused" in told


def test_an_account_that_is_not_configured(house: House) -> None:
    with pytest.raises(UsageFault, match=r"mail"):
        platforms(["male"], False, house.config)


def test_no_account_at_all() -> None:
    stream = io.StringIO()
    show(Output(stream), [])
    assert stream.getvalue() == "No platform account is configured.\n"
    assert worst([]) is Code.GOOD


async def test_without_domains_and_a_list_nothing_is_tried(house: House) -> None:
    configured = load_settings(house.config).model_copy(update={"domains": {}})
    (account,) = await examine(configured, ["mail"], NOW)
    assert (account.key, account.code) == (Key.UNTRIED, Code.GOOD)
