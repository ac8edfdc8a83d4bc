"""Three hundred seeded domains whose faults are known by construction: each probe agrees with every label."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from peers.nsd import Nsd, serving_files
from probes import dkim, dmarc, spf
from probes.observation import Observation, Seen
from probes.resolver import Config, Resolver

GENERATOR = Path(__file__).parents[2].parent / "shared" / "bench" / "zonegen.py"
DOMAINS = 300
AT_ONCE = 50

SPF = {
    "ok": "ok",
    "none": "no-record",
    "multi": "multiple-records",
    "syntax": "syntax",
    "loop": "loop",
    "over10": "too-many-lookups",
    "void": "too-many-voids",
    "ptr": "ptr",
    "badinclude": "bad-include",
}
DKIM = {
    "rsa2048": ("ok", "rsa", 2048),
    "rsa1024": ("ok", "rsa", 1024),
    "rsa512": ("weak-key", "rsa", 512),
    "ed25519": ("ok", "ed25519", 256),
    "revoked": ("revoked", "rsa", None),
    "missing": ("missing", None, None),
    "badkey": ("broken-key", None, None),
    "dangling": ("dangling-cname", None, None),
    "servfail": "unseen",
}
DMARC = {"none": "monitor-only", "quarantine": "ok", "reject": "ok", "multi": "multiple-records"}


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not GENERATOR.exists():
        pytest.skip(f"the ground-truth tier needs the zone generator at {GENERATOR}, which is not there")
    out = tmp_path_factory.mktemp("zonegen") / "zones"
    subprocess.run([sys.executable, GENERATOR, out, "--domains", str(DOMAINS)], check=True, stdout=subprocess.DEVNULL)
    return out


@pytest.fixture(scope="module")
def server(zones: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nsd]:
    pairs = (line.split() for line in (zones / "zones.list").read_text().splitlines())
    files = {name: None if file == "-" else zones / file for name, file in pairs}
    with serving_files(tmp_path_factory.mktemp("nsd"), files) as running:
        yield running


async def look(entry: dict[str, Any], resolver: Resolver, now: datetime) -> list[Observation]:
    domain = entry["domain"]
    selectors = dkim.Config(selectors=tuple(entry["selectors"]))
    groups = await asyncio.gather(
        spf.observe(domain, spf.Config(), resolver, now),
        dkim.observe(domain, selectors, resolver, now),
        dmarc.observe(domain, dmarc.Config(), resolver, now),
    )
    return [observation for group in groups for observation in group]


def told(observation: Observation) -> Any:
    """What an observation says, in the shape that `expected` has."""
    if not isinstance(observation.answer, Seen):
        return "unseen"
    readings = observation.answer.readings
    match observation.source:
        case "spf":
            return readings["code"], readings.get("lookups")
        case "dkim":
            return readings["code"], readings.get("key_type"), readings.get("key_bits")
        case _:
            return readings["code"], readings.get("policy"), readings.get("found_at")


def expected(entry: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The labels of a domain in this project's words, by source and part."""
    truth, selectors = entry["expect"], entry["selectors"]
    parts = [("spf", ""), *(("dkim", selector) for selector in selectors), ("dmarc", "")]
    if entry["fault"] in ("servfail", "drop"):
        return dict.fromkeys(parts, "unseen")
    if entry["fault"] == "nxdomain":
        gone = {"spf": ("no-record", None), "dkim": ("missing", None, None), "dmarc": ("missing", None, None)}
        return {part: gone[part[0]] for part in parts}
    wanted: dict[tuple[str, str], Any] = {("spf", ""): expected_spf(truth)}
    wanted |= {("dkim", selector): DKIM[kind] for selector, kind in truth["dkim"].items()}
    return wanted | {("dmarc", ""): expected_dmarc(entry)}


def expected_spf(truth: dict[str, Any]) -> tuple[str, int | None]:
    code, lookups = SPF[truth["spf"]], truth["spf_lookups"]
    # The generator labels a record with ptr as such even when it also breaks a limit, which is worse.
    return ("too-many-lookups" if code == "ptr" and lookups > 10 else code), lookups


def expected_dmarc(entry: dict[str, Any]) -> tuple[str, str | None, str | None]:
    truth = entry["expect"]
    label, place = truth["dmarc"], truth["dmarc_at"]
    found_at = {"self": entry["domain"], "org": entry["org"], None: None}[place]
    code = DMARC.get(label, label)
    return code, label if code in ("ok", "monitor-only") else None, found_at


async def test_every_label_is_agreed_with(zones: Path, server: Nsd, now: datetime) -> None:
    resolver = Resolver(Config(nameservers=(server.nameserver,), timeout_seconds=10, tries=1))
    places = asyncio.Semaphore(AT_ONCE)

    async def compare(entry: dict[str, Any]) -> list[str]:
        async with places:
            seen = {(one.source, one.part): told(one) for one in await look(entry, resolver, now)}
        if ("dmarc", "") in seen and seen["dmarc", ""][0] == "invalid":
            # An invalid record still asks for reports where it has an address; the label says nothing of that.
            seen["dmarc", ""] = ("invalid", None, seen["dmarc", ""][2])
        wanted = expected(entry)
        return [
            f"{entry['domain']} {key}: {seen.get(key)} but {wanted.get(key)} is true"
            for key in seen.keys() | wanted.keys()
            if seen.get(key) != wanted.get(key)
        ]

    entries = [json.loads(line) for line in (zones / "domains.jsonl").read_text().splitlines()]
    assert len(entries) == DOMAINS
    differences = [line for lines in await asyncio.gather(*map(compare, entries)) for line in lines]
    await resolver.aclose()
    assert differences == []
