"""A key that lapses soon is an incident, told once, and over when the key was renewed."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deliverd.engine.context import Context
from deliverd.engine.judge import judge
from deliverd.engine.observe import observe_source
from deliverd.settings import load
from deliverd.store import incidents
from deliverd.store.writer import Store
from peers.authority import MicrosoftSignIn
from peers.own_sender import SECRET
from peers.snds import Snds, row
from probes.http import Http
from probes.resolver import Config, Resolver

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TEXT = """
[owners.team]
channels = ["json://127.0.0.1:9/"]
[platforms.mail]
kind = "webhook"
secret = "{secret}"
control_url = "http://127.0.0.1:9/"
[sources.microsoft_snds]
token_file = "{token}"
certificates = "{certificates}"
api_root = "{root}"
ips = {{ "192.0.2.10" = ["acme.com"] }}
[domains."acme.com"]
owner = "team"
platform = "mail"
"""


@pytest.fixture
def person(tmp_path: Path) -> Iterator[MicrosoftSignIn]:
    with MicrosoftSignIn(tmp_path) as peer:
        yield peer


async def test_a_key_that_lapses_soon_is_an_incident_until_it_is_renewed(
    person: MicrosoftSignIn, tmp_path: Path
) -> None:
    with (
        Snds(accepts=lambda token: token in person.access) as snds,
        closing(Store.open(f"sqlite:///{tmp_path}/deliverd.db", migrate=True)) as store,
    ):
        snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20"))
        key = person.key(NOW, until=NOW + timedelta(days=3))
        file = tmp_path / "deliverd.toml"
        values = {"token": key, "certificates": person.certificates, "root": snds.url, "secret": SECRET}
        file.write_text(TEXT.format(**values))
        ctx = Context(
            settings=load(file, {}),
            store=store,
            platforms={},
            http=Http(),
            resolver=Resolver(Config()),
            send=lambda *_: pytest.fail("nothing is told here"),
            clock=lambda: NOW,
            started=NOW,
        )
        person.no_refresh_token = True
        looks = await observe_source(ctx, "microsoft_snds", NOW)
        assert {look.part for look in looks} == {"", "key", "2026-11-20/192.0.2.10"}
        await judge(ctx, "acme.com", NOW)
        (incident,) = await store.read(lambda conn: incidents.open_incidents(conn, "acme.com"))
        assert incident.cause == "key-ends"
        assert "lapses on 2026-11-25: run `deliverd auth microsoft` again" in incident.facts["texts"][0]
        person.no_refresh_token = False
        later = NOW + timedelta(hours=6)
        assert {look.part for look in await observe_source(ctx, "microsoft_snds", later)} == {"", "key"}
        await judge(ctx, "acme.com", later)
        still = await store.read(lambda conn: incidents.open_incidents(conn, "acme.com"))
        assert "key-ends" not in {one.cause for one in still}
