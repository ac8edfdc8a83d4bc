"""The vocabulary of discovering: what a platform account really has, for configuration that can be pasted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """One sending domain of an account, with its `senders`: mailboxes, subaccounts or streams, by their own names.

    `levers` are the `KIND:ID` that the platform would be moved by, where the domain itself is none.
    """

    domain: str
    senders: tuple[str, ...] = ()
    levers: tuple[str, ...] = ()
    detail: str = ""
