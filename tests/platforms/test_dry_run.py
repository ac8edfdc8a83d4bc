"""What a dry run writes down. That it touches nothing is in the contract."""

from platforms.contract import PAUSED, THROTTLED, intent
from structlog.testing import capture_logs

from deliverd.model import Lever
from deliverd.platforms import dry_run
from deliverd.platforms.dry_run import DryRun
from deliverd.platforms.registry import open_platform
from peers.own_sender import OwnSender
from probes import webhook

LEVER = Lever("mail", "domain", "acme.com")


async def test_says_what_it_would_do_and_for_which_reason() -> None:
    with OwnSender() as sender, capture_logs() as logged:
        config = webhook.Config(kind="webhook", secret=sender.secret, control_url=sender.control_url)
        platform = DryRun(open_platform("mail", "webhook", config))
        await platform.apply(intent(LEVER, PAUSED, 1))
        await platform.apply(intent(LEVER, THROTTLED, 2))
        await platform.aclose()
    assert [one.id for one in platform.would_apply] == [1, 2]
    assert sender.calls == []
    assert [line["limit"] for line in logged] == ["paused", "throttled to 100 a day"]
    assert logged[0]["lever"] == "mail/domain:acme.com"
    assert logged[0]["before"] == "running"
    assert logged[0]["reason"] == "3 complaints in 900 messages"


async def test_remembers_the_newest_only_however_long_it_runs() -> None:
    with OwnSender() as sender:
        config = webhook.Config(kind="webhook", secret=sender.secret, control_url=sender.control_url)
        platform = DryRun(open_platform("mail", "webhook", config))
        for number in range(dry_run.REMEMBERED + 5):
            await platform.apply(intent(LEVER, PAUSED, number))
        await platform.aclose()
    assert len(platform.would_apply) == dry_run.REMEMBERED
    assert platform.would_apply[-1].id == dry_run.REMEMBERED + 4


async def test_its_capabilities_are_the_platforms_own() -> None:
    config = webhook.Config(kind="webhook", secret=OwnSender().secret, control_url="https://sender.example/control")
    inner = open_platform("mail", "webhook", config)
    platform = DryRun(inner)
    assert (platform.account, platform.capabilities) == (inner.account, inner.capabilities)
    await platform.aclose()
