"""What commands open before they can answer: the configuration, the store, and for some the doors to the outside."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from deliverd import clock, logs
from deliverd.alerts import Delivery
from deliverd.commands.config_file import config_path, load_settings
from deliverd.engine.context import Context
from deliverd.platforms import registry
from deliverd.settings import ConfigError, Settings
from deliverd.settings_faults import Fault
from deliverd.store.faults import SchemaMissing
from deliverd.store.writer import Store
from probes.http import Http
from probes.resolver import Resolver


@contextmanager
def session(given: Path | None) -> Iterator[tuple[Settings, Store]]:
    """The configuration and its store, open as it is: nothing is migrated. Raises ConfigError, StoreError."""
    path = config_path(given)
    settings = load_settings(path)
    logs.configure("text", "warning")
    url = settings.store.url.get_secret_value()
    _must_exist(url)
    try:
        store = Store.open(url, migrate=False)
    except ValueError as fault:
        raise ConfigError([Fault(str(path), "store.url", "a string (not shown)", str(fault))]) from None
    try:
        yield settings, store
    finally:
        store.close()


@asynccontextmanager
async def context(settings: Settings, store: Store) -> AsyncIterator[Context]:
    """What the arrows work with, outside the daemon: enough to look at the platforms. It tells nobody anything."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(Http())
        resolver = Resolver(settings.dns)
        stack.push_async_callback(resolver.aclose)
        platforms = {}
        for account, config in settings.platforms.items():
            platforms[account] = platform = registry.open_platform(account, config.kind, config)
            stack.push_async_callback(platform.aclose)
        yield Context(settings, store, platforms, http, resolver, _untold, clock.now, clock.now())


def _must_exist(url: str) -> None:
    """Raises SchemaMissing for a SQLite file that is not there: opening it would make an empty one."""
    path = Path(url.removeprefix("sqlite:///").partition("?")[0])
    if url.startswith("sqlite:///") and not path.exists():
        raise SchemaMissing(f"there is no database at {path} yet: start `deliverd run` once, which makes it")


def _untold(*_: object) -> Delivery:
    raise AssertionError("a command tells nobody anything; the daemon does")
