"""The example is complete: it holds every key of every table, and it loads."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from deliverd.model import Mode
from deliverd.policy import AuthenticationRule, DetectorRule, DetectorStep, Policy, PublishedRule, RateGuard
from deliverd.settings import Alerts, Domain, Log, Owner, Schedule, Settings, Store, Web, load
from deliverd.settings_policies import load_default_policies
from probes import registry
from probes.resolver import Config as Dns

EXAMPLE = Path(__file__).parents[2] / "config" / "deliverd.example.toml"
ACCOUNTS = registry.ACCOUNTS

TABLES: list[tuple[str, type[BaseModel]]] = [
    ("store", Store),
    ("web", Web),
    ("dns", Dns),
    ("schedule", Schedule),
    ("alerts", Alerts),
    ("log", Log),
    ("owners.growth", Owner),
    ("policies.careful", Policy),
    ("policies.careful.watch", RateGuard),
    ("policies.careful.throttle", RateGuard),
    ("policies.careful.pause", RateGuard),
    ("policies.careful.detector", DetectorRule),
    ("policies.careful.detector.notify", DetectorStep),
    ("policies.careful.detector.throttle", DetectorStep),
    ("policies.careful.detector.pause", DetectorStep),
    ("policies.careful.published", PublishedRule),
    ("policies.careful.authentication", AuthenticationRule),
]


def keys_of(table: str) -> set[str]:
    """The keys below a header, commented out or not."""
    body = EXAMPLE.read_text().split(f"\n[{table}]", 1)[1]
    body = re.split(r"\n\[", body, maxsplit=1)[0]
    return set(re.findall(r"^(?:# )?([a-z_]+) = ", body, flags=re.MULTILINE))


def sub_tables(model: type[BaseModel]) -> set[str]:
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    return {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


@pytest.mark.parametrize(("table", "model"), TABLES, ids=[table for table, _ in TABLES])
def test_every_key_is_in_the_example(table, model):
    extra = {"base"} if model is Policy else set()
    assert keys_of(table) == (model.model_fields.keys() - sub_tables(model)) | extra


def test_every_table_is_in_the_example():
    headers = set(re.findall(r"^\[([a-z]+)", EXAMPLE.read_text(), flags=re.MULTILINE))
    assert headers == Settings.model_fields.keys()


def test_every_key_of_a_domain_is_in_the_example():
    assert keys_of('domains."acme.com"') | keys_of('domains."news.acme.com"') == Domain.model_fields.keys()


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_every_key_of_every_kind_of_account_is_in_the_example(kind):
    (account,) = [name for name, config in load(EXAMPLE, {}).platforms.items() if config.kind == kind]
    assert keys_of(f"platforms.{account}") == registry.load(kind).Config.model_fields.keys()


@pytest.mark.parametrize("name", registry.SOURCES)
def test_every_key_of_every_source_is_in_the_example(name):
    assert type(load(EXAMPLE, {}).sources[name]) is registry.load(name).Config
    assert keys_of(f"sources.{name}") == registry.load(name).Config.model_fields.keys()


@pytest.mark.parametrize("name", registry.SOURCES)
def test_the_example_shows_the_defaults_of_a_source(name):
    """But for its key."""
    source = load(EXAMPLE, {}).sources[name]
    optional = {key for key, field in type(source).model_fields.items() if not field.is_required()}
    shown = optional - {"token", "token_file", "path"}
    fields = type(source).model_fields
    defaults = {key: fields[key].get_default(call_default_factory=True) for key in shown}
    assert source.model_dump(include=shown) == defaults


def test_the_example_loads():
    settings = load(EXAMPLE, {})
    assert settings.domains["acme.com"].mode is Mode.ENFORCE
    assert settings.domain_of("mail.acme.com") == "acme.com"
    assert {config.kind for config in settings.platforms.values()} == set(ACCOUNTS)


def test_the_example_shows_the_defaults():
    """Where the example says that it shows a default, it does."""
    settings = load(EXAMPLE, {})
    for table in ("store", "web", "dns", "schedule", "alerts", "log"):
        assert getattr(settings, table) == getattr(Settings(), table), table
    default, careful = load_default_policies()["default"], settings.policies["careful"]
    plain = Policy.model_fields.keys() - sub_tables(Policy)
    assert careful.model_dump(include=plain) == default.model_dump(include=plain)
    cited = {step: {"source", "date"} for step in ("notify", "throttle", "pause")}
    assert careful.detector.model_dump(exclude=cited) == default.detector.model_dump(exclude=cited)
