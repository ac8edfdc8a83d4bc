"""docs/commands.md is what the help says, and its JSON examples have the very keys that the commands print."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deliverd import clock
from deliverd.model import Mode, OrderKind, Outcome, Standing
from deliverd.store import orders
from peers import past
from peers.commands import House, environment
from peers.nsd import serving, txt
from peers.report_mails import dsn

DOCS = Path(__file__).parents[2] / "docs"
FREE = ("readings", "evidence", "facts")
"""What stands there depends on what was seen."""


def eventful(house: House) -> House:
    """A past in which everything that can be printed occurs."""
    now = clock.now() - timedelta(minutes=1)

    def write(conn: past.Conn) -> None:
        past.beat(conn, now + timedelta(minutes=1))
        past.mail(conn, "acme.test", now, 10_000, 17)
        order = orders.append(conn, "acme.test", OrderKind.PAUSE, "ann@mailhost", "list bought", now)
        made = past.decided(conn, "acme.test", now, author="ann@mailhost", order_id=order.id)
        past.done(conn, past.asked(conn, made), Outcome.UNCONFIRMED, "it said yes, and is running instead of paused")
        past.told(conn, past.opened(conn, "acme.test", "standing", now, made.id, standing="paused"), now, sent=True)
        past.opened(conn, "acme.test", "drift", now, texts=["changed by ann at the platform"])
        past.decided(conn, "bulk.test", now, Standing.PAUSED, mode=Mode.PROPOSE)
        past.blind(conn, "quiet.test", now)
        orders.append(conn, "quiet.test", OrderKind.HOLD, "ann@mailhost", "audit", now, now + timedelta(days=1))

    house.store.write_sync(write)
    house.sender.person_sets("quiet.test", "paused")
    return house


def printed(house: House, tmp_path: Path) -> dict[str, Any]:
    """What each command prints, by the name of its example."""
    directory = tmp_path / "nsd"
    directory.mkdir()
    zones = {"acme.test": txt("@", "v=spf1 -all"), "test": ""}
    with serving(directory, zones) as nsd:
        check = house.call("check", "acme.test", "--nameserver", nsd.nameserver, "--json").json
    mail = tmp_path / "complaint.eml"
    mail.write_bytes(dsn(("someone@gmail.com", "failed", "5.1.1")))
    return {
        "check": check,
        "feedback-parse": house.call("feedback", "parse", str(mail), "--no-dns", "--json").json,
        "status": house.call("status", "--json").json,
        "sources": house.call("sources", "acme.test", "--json").json,
        "explain": house.call("explain", "acme.test", "--json").json,
        "plan": house.call("plan", "--json").json,
        "platforms": house.call("platforms", "--json").json,
        "pause": house.call("pause", "acme.test", "--reason", "list bought", "--wait", "0", "--json").json,
        "approve": house.call("approve", "bulk.test", "--wait", "0", "--json").json,
        "resume": house.call("resume", "acme.test", "--reason", "list cleaned", "--wait", "0", "--json").json,
        "hold": house.call("hold", "acme.test", "--reason", "audit", "--for", "24h", "--json").json,
        "config-validate": house.call("config", "validate", "--json").json,
        "health": house.call("health", "--json").json,
    }


def shape(value: Any, name: str = "") -> Any:
    """The keys of a document, and no values: of a list the keys that any of its items has."""
    if isinstance(value, dict):
        return {"*": "anything"} if name in FREE else {key: shape(item, key) for key, item in value.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in value]
        merged: dict[str, Any] = {}
        for one in shapes:
            merged = agreed(merged, one) if isinstance(one, dict) else merged
        return [merged]
    return None


def agreed(one: Any, other: Any) -> Any:
    """Two shapes as one; what is null in one may be an object in the other."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: agreed(one.get(key), other.get(key)) for key in {*one, *other}}
    if isinstance(one, list) and isinstance(other, list):
        return [agreed(one[0], other[0])]
    return other if one in (None, {}) else one


def test_the_page_is_what_the_help_says() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "commands.py"), "--check"], env=environment(COLUMNS="50"), timeout=60, check=False
    )
    assert done.returncode == 0, "docs/commands.md is out of date: run python docs/commands.py"


def test_every_example_has_the_keys_that_are_printed(house: House, tmp_path: Path) -> None:
    real = printed(eventful(house), tmp_path)
    examples = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (DOCS / "json").glob("*.json")}
    examples.pop("drill", None)
    assert set(examples) == set(real) - {"approve", "resume"}
    for name, document in real.items():
        example = examples["pause" if name in ("approve", "resume") else name]
        assert not differing(shape(document), shape(example), name)


def differing(real: Any, example: Any, place: str) -> list[str]:
    """Where two shapes have different keys; where one has null or nothing, nothing can be said."""
    if isinstance(real, list) and isinstance(example, list):
        return differing(real[0], example[0], f"{place}[]")
    if not (isinstance(real, dict) and isinstance(example, dict)) or not real:
        return []
    found = [f"{place}.{key}" for key in set(real) ^ set(example)]
    return found + [
        fault for key in set(real) & set(example) for fault in differing(real[key], example[key], f"{place}.{key}")
    ]


@pytest.mark.parametrize("change", [lambda it: it.pop("at"), lambda it: it["domains"][0].update(new=1)])
def test_a_differing_key_is_noticed(change: Any) -> None:
    example = json.loads((DOCS / "json" / "status.json").read_text(encoding="utf-8"))
    changed = json.loads(json.dumps(example))
    change(changed)
    assert differing(shape(changed), shape(example), "status")
