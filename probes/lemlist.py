"""lemlist: its mailboxes, what they sent day by day, how their warm-up goes, and its webhooks. docs/lemlist.md.

Source: lemlist's OpenAPI document, read 2026-11-22. lemlist counts mail by campaign and sender only, and allows 20
calls in 2 s: every look asks a part of what there is to ask, the newest days first, and remembers what it was told.
"""

import base64
from collections.abc import Hashable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field

from probes.config import Secret, Strict
from probes.daily_numbers import last_days, unseen
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.lemlist_events import Sender, missing_senders, parse_events, verify
from probes.lemlist_statistics import (
    Account,
    CampaignSenders,
    Cell,
    Lemwarm,
    Senders,
    Team,
    User,
    address_of,
    mailboxes,
    numbers,
    rolled_up,
)
from probes.observation import ForgedRequest, Observation, Parsed, Reading, Why, Window
from probes.outreach_looks import Mailbox, by_domain, found, looks
from probes.outreach_memory import MEMORY, Memory
from probes.static_secret import LongSecret
from probes.vendor_calls import BaseUrl, Calls, because

SOURCE = "lemlist"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""

_TODAY = timedelta(minutes=10)
_DAY_IS_OVER = timedelta(hours=6)
_WARMUP = timedelta(hours=6)
_SENDER = timedelta(hours=6)


class Config(Strict):
    """`[platforms.NAME] kind = "lemlist"`.

    `webhook_secret` is what lemlist was told to put into the body of each event; without it nothing is received.
    `statistics_calls` is how many questions are asked about mail and warm-up at one look.
    """

    kind: Literal["lemlist"]
    api_key: Secret
    webhook_secret: LongSecret | None = None
    base_url: BaseUrl = "https://api.lemlist.com/api"
    days: int = Field(default=7, ge=1, le=31)
    statistics_calls: int = Field(default=200, ge=0, le=10_000)
    timeout_seconds: float = Field(default=20, gt=0, le=120, allow_inf_nan=False)
    patience_seconds: float = Field(default=60, ge=0, le=600, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    basic = base64.b64encode(f":{key}".encode()).decode()
    return Calls(
        http,
        config.base_url,
        now,
        config.timeout_seconds,
        config.patience_seconds,
        headers={"authorization": f"Basic {basic}"},
        secrets=(key, basic),
    )


async def receive(
    config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http, memory: Memory = MEMORY
) -> Parsed:
    """The events in one request of lemlist.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
        HttpFault: lemlist could not be asked who sent a mail; answer 503, and it sends again.
    """
    if config.webhook_secret is None:
        raise ForgedRequest("no webhook_secret is configured for this account, so nothing sent to it is believed")
    verify(body, config.webhook_secret.get_secret_value())
    asking = calls(config, http, window.now)
    senders = {sender: await _address(config, sender, asking, memory) for sender in missing_senders(body)}
    return parse_events(body, window, senders)


async def _address(config: Config, sender: Sender, asking: Calls, memory: Memory) -> str:
    """What a sender sends from: his mailbox, his only one, or the one of the campaign. Raises HttpFault."""
    key = (SOURCE, config, sender)
    if not memory.has(key, asking.now, _SENDER):
        user = await _get(asking, f"/users/{quote(sender.user, safe='')}", User) or User()
        address = address_of(user, sender.mailbox)
        if not address and sender.campaign:
            campaign = await _get(asking, f"/campaigns/{quote(sender.campaign, safe='')}", CampaignSenders)
            address = campaign.address(sender.user) if campaign else ""
        memory.keep(key, address, asking.now)
    return str(memory.value(key))


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account, with their mailboxes. Raises HttpFault."""
    return found((await _account(calls(config, http, now))).all_mailboxes())


async def observe(
    config: Config, domains: Sequence[str], http: Http, now: datetime, memory: Memory = MEMORY
) -> tuple[Observation, ...]:
    """Of each domain its mailboxes as they are (part ""), and what they sent on those of the last days (UTC) that are
    known whole. `days_told` is whether all of them are.
    """
    asking = calls(config, http, now)
    days = last_days(now, config.days)
    try:
        account = await _account(asking)
        boxes = by_domain(account.all_mailboxes(), domains)
        cells = {domain: list(account.cells(domain, domains, days)) for domain in domains}
        known = _Known(config, asking, memory)
        await known.learn(list(chain(*cells.values())), list(chain(*boxes.values())))
    except HttpFault as fault:
        return unseen(SOURCE, domains, now, because(fault))
    observations: list[Observation] = []
    for domain in domains:
        told = {cell: known.told(cell) for cell in cells[domain]}
        more: dict[str, Reading] = {"days_told": None not in told.values()}
        healthy = [known.with_health(one) for one in boxes[domain]]
        observations += looks(SOURCE, domain, healthy, rolled_up(told), now, more)
    return tuple(observations)


async def _account(asking: Calls) -> Account:
    """The users, their mailboxes and campaigns. None of these lists has pages. Raises HttpFault."""
    team = await asking.get("/team", Team)
    senders = await asking.get("/team/senders", list[Senders])
    users = dict.fromkeys([*team.user_ids, *(one.user_id for one in senders)])
    boxes = {name: mailboxes(await _get(asking, f"/users/{quote(name, safe='')}", User) or User()) for name in users}
    campaigns = {one.user_id: [campaign.id for campaign in one.campaigns if campaign.counts] for one in senders}
    return Account(boxes, campaigns)


async def _get(asking: Calls, path: str, shape: Any) -> Any:
    """What is there; None where there is nothing any more. Raises HttpFault."""
    try:
        return await asking.get(path, shape)
    except HttpFault as fault:
        if fault.why is Why.NO_DATA:
            return None
        raise


class _Known:
    """What is known of mail and warm-up, and learning some more of it at each look."""

    def __init__(self, config: Config, asking: Calls, memory: Memory) -> None:
        self._config, self._asking, self._memory = config, asking, memory

    async def learn(self, cells: Sequence[Cell], boxes: Sequence[Mailbox]) -> None:
        """Ask what is most due, as much as may be asked at one look. Raises HttpFault."""
        newest_first = sorted(cells, key=lambda cell: cell.day, reverse=True)
        wanted = [(self._key(cell), self._age(cell.day)) for cell in newest_first]
        wanted += [(self._key(box.id), _WARMUP) for box in boxes]
        for key in self._memory.due(wanted, self._asking.now, self._config.statistics_calls):
            self._memory.keep(key, await self._ask(key[2]), self._asking.now)  # type: ignore[index]

    async def _ask(self, about: Any) -> Any:
        if not isinstance(about, Cell):
            return await _get(self._asking, f"/lemwarm/{quote(about, safe='')}/settings", Lemwarm)
        path = f"/v2/campaigns/{quote(about.campaign, safe='')}/stats"
        try:
            return numbers(await self._asking.get(path, dict[str, Any], about.query()))
        except HttpFault as fault:
            if fault.why is Why.NO_DATA:
                return {}
            raise

    def _key(self, about: Hashable) -> tuple[str, Config, Hashable]:
        return SOURCE, self._config, about

    def _age(self, day: date) -> timedelta:
        return _TODAY if day == self._asking.now.date() else _DAY_IS_OVER

    def told(self, cell: Cell) -> Mapping[str, int] | None:
        """What is known of a cell; None where nothing is, or nothing that can still be believed."""
        key = self._key(cell)
        known = self._memory.has(key, self._asking.now, 4 * self._age(cell.day))
        return self._memory.value(key) if known else None

    def with_health(self, box: Mailbox) -> Mailbox:
        """The mailbox with the score of its warm-up, where that is known."""
        key = self._key(box.id)
        lemwarm = self._memory.value(key) if self._memory.has(key, self._asking.now, 4 * _WARMUP) else None
        return Mailbox(box.id, box.email, box.paused, box.unable, box.daily_limit, lemwarm.health) if lemwarm else box
