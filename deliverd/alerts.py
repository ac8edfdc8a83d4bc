"""The door alerts leave by: Apprise, and nothing else of it anywhere."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import apprise
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a notice fared: `sent` when at least one channel took it, `detail` names the kinds of channel by outcome."""

    sent: bool
    detail: str


def _hush() -> None:
    """Apprise quotes tokens in its warnings, and urllib3 the paths that hold them in its debug lines.

    Said before every use: whoever sets up logs afterwards may have given both their levels back.
    """
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


def prepare() -> None:
    """Have Apprise load its plug-ins now: that takes it up to a second, which the first alert should not wait for."""
    _hush()
    apprise.Apprise().add("json://localhost")


def send(channels: Sequence[SecretStr], title: str, body: str) -> Delivery:
    """Hand one text to every channel of an owner. Blocks: call it in a thread. Never raises, never prints a URL.

    Apprise's own result is falsy for "nobody matched" as well as for failure: an alert that nobody took was not sent.
    """
    if not channels:
        return Delivery(False, "the owner has no channel")
    _hush()
    outcomes = [_one(number, channel.get_secret_value(), title, body) for number, channel in enumerate(channels, 1)]
    taken = [kind for kind, ok in outcomes if ok]
    failed = [kind for kind, ok in outcomes if not ok]
    parts = [f"taken by {', '.join(taken)}"] if taken else []
    parts += [f"refused by {', '.join(failed)}"] if failed else []
    return Delivery(bool(taken), "; ".join(parts))


def _one(number: int, url: str, title: str, body: str) -> tuple[str, bool]:
    # Only what Apprise knows as a kind of channel is named: the start of anything else may be a secret.
    kind = f"channel {number}"
    try:
        target = apprise.Apprise()
        if not target.add(url):
            return f"{kind} (not a channel that Apprise knows)", False
        kind = url.split(":", 1)[0]
        return kind, bool(target.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))
    except Exception as fault:
        # A plug-in's mistake must not stop the other channels; its text may quote the URL, so only its type is kept.
        return f"{kind} ({type(fault).__name__})", False
