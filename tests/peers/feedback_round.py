"""One round at a maildir, with a real store: in this process for a test, or in one of its own that is killed.

    python tests/peers/feedback_round.py DATABASE MAILDIR MOMENT

kills itself at MOMENT: `before the commit`, with all mails read, or `after the commit`, with none of them marked.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from deliverd.alerts import Delivery
from deliverd.engine.context import Context
from deliverd.engine.feedback import Round, Taken, Watch, attend
from deliverd.settings import Domain, Owner, Settings
from deliverd.store.writer import Store
from peers.own_sender import SECRET
from peers.report_mails import YAHOO, keys
from probes.feedback_mail import Config
from probes.http import Http
from probes.resolver import Answer, Resolver
from probes.webhook import Config as Webhook

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SOURCE = "feedback_mail"
MINE = "mx.acme.test"


def maildir(folder: Path) -> Config:
    """Where the word of one's own server counts: another process has other keys."""
    return Config(kind="maildir", path=folder, trusted_authserv_ids=(MINE,))


def vouched(mail: bytes) -> bytes:
    """A report of Yahoo's as one's own server hands it over."""
    return f"Authentication-Results: {MINE}; dkim=pass header.d={YAHOO}\n".encode() + mail


def settings(config: Config, *domains: str, owners: int = 1) -> Settings:
    """These domains, by turns of so many owners, at one sender of one's own."""
    return Settings(
        owners={f"team{n}": Owner(channels=(SecretStr("json://127.0.0.1:9/"),)) for n in range(owners)},
        platforms={"mail": Webhook(kind="webhook", secret=SecretStr(SECRET), control_url="http://127.0.0.1:9/")},
        sources={SOURCE: config},
        domains={
            name: Domain(owner=f"team{number % owners}", platform="mail")
            for number, name in enumerate(domains or ("acme.test",))
        },
    )


def context(store: Store, config: Settings, ask: Any = None, clock: Callable[[], datetime] = lambda: NOW) -> Context:
    """A deliverd whose DNS knows what it is given to know."""

    class Dns:
        async def ask(self, name: str, rdtype: str) -> Answer:
            return cast(Answer, await (ask or keys().ask)(name, rdtype))

    return Context(
        settings=config,
        store=store,
        platforms={},
        http=Http(),
        resolver=cast(Resolver, Dns()),
        send=_send,
        clock=clock,
        started=NOW,
    )


def _send(*_: object) -> Delivery:
    raise AssertionError("nothing is told here")


async def go(ctx: Context, watch: Watch | None = None) -> tuple[Round, list[Taken]]:
    """One round, and what it took in."""
    taken: list[Taken] = []
    return await attend(ctx, watch or Watch(SOURCE), taken.append), taken


def main() -> None:
    database, folder, moment = sys.argv[1:]
    times = 0

    def strike(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def clock() -> datetime:
        """The time is read when the mails begin to be read, and again when they are to be committed."""
        nonlocal times
        times += 1
        if moment == "before the commit" and times == 2:
            strike()
        return NOW

    store = Store.open(f"sqlite:///{database}", migrate=True)
    ctx = context(store, settings(maildir(Path(folder))), clock=clock)
    asyncio.run(attend(ctx, Watch(SOURCE), strike))


if __name__ == "__main__":
    main()
