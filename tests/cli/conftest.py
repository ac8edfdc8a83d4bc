"""A house for the commands: a configuration, a store, and a sender of one's own that really listens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deliverd.store.writer import Store
from peers.commands import CONFIG, DOMAINS, House
from peers.nsd import free_port
from peers.own_sender import SECRET, DomainState, OwnSender


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An empty store with the schema."""
    path = tmp_path_factory.mktemp("store") / "template.db"
    Store.open(f"sqlite:///{path}", migrate=True).close()
    return path.read_bytes()


@pytest.fixture
def house(tmp_path: Path, template: bytes) -> Iterator[House]:
    database = tmp_path / "deliverd.db"
    database.write_bytes(template)
    values = {"database": database, "port": free_port(), "dead": free_port(), "secret": SECRET}
    with OwnSender(domains={name: DomainState() for name in DOMAINS}) as sender:
        config = tmp_path / "deliverd.toml"
        config.write_text(CONFIG.format(control_url=sender.control_url, **values))
        store = Store.open(f"sqlite:///{database}", migrate=False)
        try:
            yield House(config, values["port"], sender, store)
        finally:
            store.close()
