"""The configuration of the daemon under drill: the world's addresses, and the policy that is rehearsed."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deliverd.drill.records import SELECTOR
from deliverd.drill.toml import dumps
from deliverd.model import Mode

ACCOUNT = "platform"
OWNER = "oncall"
POLICY = "fire-drill"

_SCHEDULE = {"dns_seconds": 2, "platform_seconds": 2, "judge_seconds": 1, "reconcile_seconds": 2, "sweep_seconds": 0.2}
_OWN_THRESHOLDS: dict[str, Any] = {"window_days": 1, "authentication": {"then": "paused"}}
_PATIENT_MINUTES = 2.0
_GRACE_HOURS = 0.0017  # six seconds
_CITED = {"source": "the fire drill, which cannot wait for days", "date": "2026-11-22"}
_MOST_BYTES = 4_194_304


class RehearsalError(Exception):
    """The user's file cannot be rehearsed. The text says why; it shows no value of the file."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed: `policies` as they stand in the user's file, which of them is `base`, and the `mode`.

    Without a file it is the shipped policy, but for a window of one day instead of seven, so that a domain's own
    history does not outweigh a minute's mail, and for a pause, not a throttle, once authentication fails for long.
    """

    mode: Mode = Mode.ENFORCE
    base: str = "default"
    policies: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=lambda: _OWN_THRESHOLDS)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the drill's world listens."""

    listen: str
    nameserver: str
    control_url: str
    channel: str
    database: Path

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.database}"


def rehearsal(path: Path, mode: Mode | None) -> Rehearsal:
    """The policies of a user's file, and the policy and mode of its first domain; `mode` overrides the latter.

    Nothing else is taken: no account, owner, store or secret of the file is ever used by a drill.

    Raises:
        RehearsalError: the file cannot be read.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise RehearsalError(f"cannot read {path}: {reason}") from None
    policies: Any = tree.get("policies", {})
    domains: Any = tree.get("domains", {})
    tables: list[Any] = list(domains.values()) if isinstance(domains, dict) else [None]
    first: Any = tables[0] if tables else {}
    if not (isinstance(policies, dict) and isinstance(first, dict)):
        raise RehearsalError(f"{path}: policies and domains should be tables of tables; try deliverd config validate")
    try:
        chosen = mode or Mode(first.get("mode", Mode.ENFORCE))
    except ValueError:
        raise RehearsalError(f"{path}: the mode of the first domain is none of {', '.join(Mode)}") from None
    return Rehearsal(chosen, str(first.get("policy", "default")), policies, {})


def text(addresses: Addresses, domains: tuple[str, ...], secret: str, what: Rehearsal, stale_seconds: float) -> str:
    """The whole deliverd.toml. `stale_seconds` is how long a source may be silent; 0 stands for longer than any drill.

    Waits that no drill could sit out (staleness, the grace of a failing authentication) are shortened; thresholds,
    the window and fractions are those of what is rehearsed.
    """
    waits = {
        "stale_after_minutes": stale_seconds / 60 if stale_seconds else _PATIENT_MINUTES,
        "authentication": {"grace_hours": _GRACE_HOURS, **_CITED, **what.changes.get("authentication", {})},
    }
    policy = {"base": what.base, **what.changes, **waits}
    domain = {"owner": OWNER, "platform": ACCOUNT, "mode": what.mode.value, "policy": POLICY}
    return dumps(
        {
            "store": {"url": addresses.store_url},
            "web": {"listen": addresses.listen, "max_body_bytes": _MOST_BYTES},
            "dns": {"nameservers": [addresses.nameserver], "timeout_seconds": 0.5, "tries": 1},
            "schedule": _SCHEDULE,
            "alerts": {"repeat_hours": 24.0, "wait_for_result_seconds": 3.0},
            "log": {"format": "text"},
            "owners": {OWNER: {"channels": [addresses.channel]}},
            "platforms": {
                ACCOUNT: {
                    "kind": "webhook",
                    "secret": secret,
                    "control_url": addresses.control_url,
                    "timeout_seconds": 1.0,
                }
            },
            "policies": {**what.policies, POLICY: policy},
            "domains": {name: {**domain, "dkim_selectors": [SELECTOR]} for name in domains},
        }
    )
