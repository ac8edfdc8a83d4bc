"""The arrow from a webhook request to stored events: verified, read, and durable before it is acknowledged."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from deliverd.engine.context import Context
from deliverd.settings import Settings
from deliverd.store.events import Batch
from probes import registry
from probes.observation import MailEvent, Parsed, Reject, Window


class UnknownAccount(LookupError):  # noqa: N818
    """A webhook for an account that is not configured. Not to be retried."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a request. `adverse` names the domains with new bounces, complaints or unsubscribes."""

    accepted: int
    duplicates: int
    rejected: tuple[Reject, ...]
    adverse: frozenset[str]


async def ingest(ctx: Context, account: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Receipt:
    """Verify, read and store one request; returns only after the commit.

    Raises:
        UnknownAccount, ForgedRequest, MalformedRequest: nothing was stored, and repeating it is no use.
        StoreError, HttpFault: nothing was stored (or what proves the signature could not be fetched); the sender
            should come back.
    """
    config = ctx.settings.platforms.get(account)
    if config is None:
        raise UnknownAccount(f"no platform account {account!r} is configured")
    probe = registry.load(config.kind)
    parsed: Parsed = await probe.receive(config, headers, body, Window(now), ctx.http)
    events, strangers = _attributed(ctx.settings, parsed)
    rejects = tuple(sorted((*parsed.rejects, *strangers), key=lambda reject: reject.index))
    loose = not getattr(probe, "TELLS_SENDING", True)
    stored = await ctx.store.ingest(Batch(account, events, rejects, now, loose))
    return Receipt(stored.accepted, stored.duplicates, rejects, stored.adverse)


def _attributed(settings: Settings, parsed: Parsed) -> tuple[tuple[MailEvent, ...], tuple[Reject, ...]]:
    """Each event under the configured domain it belongs to: its own, or the nearest parent. Others are rejected."""
    known, strangers = [], []
    rejected = {reject.index for reject in parsed.rejects}
    # What was not rejected became an event, in order: so each one's place in the request is known.
    places = (index for index in count() if index not in rejected)
    for index, event in zip(places, parsed.events, strict=False):
        domain = settings.domain_of(event.domain)
        if domain is None:
            reason = f"event {event.id!r} is about {event.domain!r}, which is not a configured domain"
            strangers.append(Reject(index, "unknown-domain", reason))
        else:
            known.append(event if domain == event.domain else replace(event, domain=domain))
    return tuple(known), tuple(strangers)
