"""The on-call mailbox against real senders: smtplib, and Apprise with the very URL the drill configures."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from pydantic import SecretStr

from deliverd import alerts
from deliverd.drill.diary import Diary, What
from deliverd.drill.sink import Mailbox


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    running = Mailbox(Diary())
    await running.start()
    yield running
    await running.stop()


def mail(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@drill.test", "b@drill.test", subject
    message.set_content(body)
    return message


def hand_over(port: int, message: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.send_message(message)


async def test_a_mail_is_kept_as_its_reader_sees_it(mailbox: Mailbox) -> None:
    await asyncio.to_thread(hand_over, mailbox.port, mail("Täglich 0,3 %", "Grüße\n" + "x" * 2000))
    (kept,) = mailbox.mails
    assert kept.subject == "Täglich 0,3 %"
    assert kept.to == ("b@drill.test",)
    assert kept.body.startswith("Grüße")
    assert kept.body.count("x") == 2000


async def test_the_diary_has_it_too() -> None:
    diary = Diary()
    mailbox = Mailbox(diary)
    await mailbox.start()
    try:
        await asyncio.to_thread(hand_over, mailbox.port, mail("one", "body"))
    finally:
        await mailbox.stop()
    happening = diary.first(What.ALERT)
    assert happening is not None
    assert (happening.text, happening.at) == ("one", mailbox.mails[0].at)


async def test_deliverds_door_for_alerts_reaches_it(mailbox: Mailbox) -> None:
    channel = SecretStr(mailbox.channel)
    delivery = await asyncio.to_thread(alerts.send, [channel], "PAGE a.test is PAUSED", "Why   5 complaints\nUndo  x")
    assert delivery.sent
    (kept,) = mailbox.mails
    assert kept.subject == "PAGE a.test is PAUSED"
    assert kept.to == ("oncall@drill.test",)
    assert "5 complaints" in kept.body


async def test_a_stopped_mailbox_takes_nothing(mailbox: Mailbox) -> None:
    await mailbox.stop()
    delivery = await asyncio.to_thread(alerts.send, [SecretStr(mailbox.channel)], "title", "body")
    assert not delivery.sent
    assert mailbox.mails == []
