"""The brakes of sending services that take part in the contract, each with a stand-in that remembers and can fail.

Postmark takes no part: it has no brake (test_postmark.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from platforms.contract import PAUSED, RUNNING, Entrant, Harness, Traits, Trouble

from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Platform
from deliverd.platforms.mailgun import Mailgun
from deliverd.platforms.mandrill import Mandrill
from deliverd.platforms.resend import Resend
from deliverd.platforms.sendgrid import SendGrid
from deliverd.platforms.sparkpost import SparkPost
from peers import mailgun as mailgun_peer
from peers import mandrill as mandrill_peer
from peers import resend as resend_peer
from peers import sendgrid as sendgrid_peer
from peers import sparkpost as sparkpost_peer
from peers.troubles import Troubles
from probes import mailgun, mandrill, resend, sendgrid, sparkpost

PATIENCE_SECONDS = 1.5


@dataclass(slots=True)
class VendorHarness:
    """An adapter and its stand-in. `tell` is what the lever is really at, `set` moves it by a person's hand."""

    platform: Platform
    lever: Lever
    missing: Lever
    canaries: tuple[str, ...]
    troubles: Troubles
    peer: Any
    tell: Callable[[], Limit]
    set: Callable[[Limit], None]

    def fail(self, trouble: Trouble, times: int | None = None) -> None:
        self.troubles.fail(trouble.name, times)

    def heal(self) -> None:
        self.troubles.heal()

    def add_unknown_fields(self) -> None:
        self.peer.more = {"mood": "fine", "queue": {"length": 3, "oldest": None}}

    def truth(self) -> Limit:
        return self.tell()

    def person_sets(self, limit: Limit) -> None:
        self.set(limit)


def _levers(kind: str, name: str, missing: str) -> tuple[Lever, Lever]:
    return Lever("vendor", kind, name), Lever("vendor", kind, missing)


@contextmanager
def open_sendgrid(_: Path) -> Iterator[Harness]:
    peer = sendgrid_peer.SendGrid(brakes={"acme": {"disabled": False, "credits": sendgrid_peer.UNLIMITED}})

    def tell() -> Limit:
        told = peer.brakes["acme"]
        daily = told["credits"]["total"] if told["credits"]["reset_frequency"] == "daily" else None
        return PAUSED if told["disabled"] else Limit(SendState.THROTTLED, daily) if daily else RUNNING

    def set_(limit: Limit) -> None:
        told = sendgrid_peer.credits(limit.per_day) if limit.per_day else sendgrid_peer.UNLIMITED
        peer.brakes["acme"] = {"disabled": limit == PAUSED, "credits": told}

    with peer.server() as server:
        config = sendgrid.Config(
            kind="sendgrid", api_key=sendgrid_peer.KEY, base_url=server.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        assert server.troubles is not None
        yield VendorHarness(
            SendGrid("vendor", config),
            *_levers("subuser", "acme", "unheard-of"),
            (sendgrid_peer.KEY,),
            server.troubles,
            peer,
            tell,
            set_,
        )


@contextmanager
def open_mailgun(_: Path) -> Iterator[Harness]:
    peer = mailgun_peer.Mailgun(brakes={"5f1": "open"})
    with peer.server() as server:
        config = mailgun.Config(
            kind="mailgun", api_key=mailgun_peer.KEY, base_url=server.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        assert server.troubles is not None
        yield VendorHarness(
            Mailgun("vendor", config),
            *_levers("subaccount", "5f1", "unheard-of"),
            (mailgun_peer.KEY, mailgun_peer.BASIC),
            server.troubles,
            peer,
            lambda: RUNNING if peer.brakes["5f1"] == "open" else PAUSED,
            lambda limit: peer.brakes.update({"5f1": "open" if limit == RUNNING else "disabled"}),
        )


@contextmanager
def open_mandrill(_: Path) -> Iterator[Harness]:
    peer = mandrill_peer.Mandrill(brakes={"cust-1": mandrill_peer.subaccount("cust-1", notes="ask Ann")})

    def tell() -> Limit:
        told = peer.brakes["cust-1"]
        quota = told.get("custom_quota")
        if told["status"] == "paused" or quota is None:
            return PAUSED if told["status"] == "paused" else RUNNING
        mark = "[deliverd: at most 100 a day]" in told["notes"] and quota == 4
        return Limit(SendState.THROTTLED, 100 if mark else quota * 24)

    def set_(limit: Limit) -> None:
        quota = {"custom_quota": limit.per_day // 24} if limit.per_day else {}
        status = "paused" if limit == PAUSED else "active"
        peer.brakes["cust-1"] = mandrill_peer.subaccount("cust-1", status=status, notes="ask Ann", **quota)

    with peer.server() as server:
        config = mandrill.Config(
            kind="mandrill", api_key=mandrill_peer.KEY, base_url=server.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        assert server.troubles is not None
        yield VendorHarness(
            Mandrill("vendor", config),
            *_levers("subaccount", "cust-1", "unheard-of"),
            (mandrill_peer.KEY,),
            server.troubles,
            peer,
            tell,
            set_,
        )


@contextmanager
def open_resend(_: Path) -> Iterator[Harness]:
    with resend_peer.Resend() as peer:
        config = resend.Config(
            kind="resend", api_key=resend_peer.KEY, base_url=peer.url, timeout_seconds=PATIENCE_SECONDS
        )
        assert peer.troubles is not None
        yield VendorHarness(
            Resend("vendor", config),
            *_levers("domain", "acme.com", "unheard-of.example"),
            (resend_peer.KEY,),
            peer.troubles,
            peer,
            lambda: RUNNING if peer.domains["acme.com"] == "enabled" else PAUSED,
            lambda limit: peer.domains.update({"acme.com": "enabled" if limit == RUNNING else "disabled"}),
        )


@contextmanager
def open_sparkpost(_: Path) -> Iterator[Harness]:
    with sparkpost_peer.SparkPost(brakes={"7": sparkpost_peer.subaccount(7)}) as peer:
        base_url = peer.url + sparkpost_peer.PREFIX
        config = sparkpost.Config(
            kind="sparkpost", api_key=sparkpost_peer.KEY, base_url=base_url, timeout_seconds=PATIENCE_SECONDS
        )
        assert peer.troubles is not None
        yield VendorHarness(
            SparkPost("vendor", config),
            *_levers("subaccount", "7", "8"),
            (sparkpost_peer.KEY,),
            peer.troubles,
            peer,
            lambda: RUNNING if peer.brakes["7"]["status"] == "active" else PAUSED,
            lambda limit: peer.brakes["7"].update(status="active" if limit == RUNNING else "suspended"),
        )


THROTTLES = partial(Traits, tells_author=False, troubles=frozenset(Trouble))
PAUSES = partial(THROTTLES, throttles=False)
ENTRANTS: dict[str, Entrant] = {
    "mailgun": Entrant(open_mailgun, PAUSES()),
    "mandrill": Entrant(open_mandrill, THROTTLES()),
    "resend": Entrant(open_resend, PAUSES()),
    "sendgrid": Entrant(open_sendgrid, THROTTLES()),
    "sparkpost": Entrant(open_sparkpost, PAUSES()),
}
