"""Checks the merged tree table by table, so that one fault hides no other; then what the tables say of each other."""

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from deliverd.settings_faults import Place, describe, listing, nearest, reading
from deliverd.settings_names import a_label, is_name
from deliverd.settings_policies import merge_policies
from deliverd.settings_sources import Sources
from probes import registry
from probes.config import Strict

Model = TypeVar("Model", bound=BaseModel)

_NAMED = ("owners", "platforms", "sources", "policies", "domains")
_REFERENCES = {"owner": "owners", "platform": "platforms", "policy": "policies"}
_LISTS = frozenset({"list_type", "tuple_type"})
_RETYPABLE = frozenset({"int_type", "float_type", "bool_type"}) | _LISTS
"""What pydantic says of text where it wants something else. In a variable, text may stand for it, as JSON."""


def checked_tables(sources: Sources, models: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The checked tables by name. When something is wrong it is in `sources.faults`, and some tables are missing."""
    known = {*models, *_NAMED}
    for table in sorted(sources.values.keys() - known):
        sources.fault((table,), "a table that is not known", f"one of {listing(known)}", nearest(table, known))
    named = {name: _entries(name, sources) for name in _NAMED}
    named["policies"] = merge_policies(named["policies"], sources)
    tables: dict[str, Any] = {}
    for name, model in models.items():
        if name in _NAMED:
            tables[name] = _each(model, name, named[name], sources)
        else:
            tables[name] = _checked(model, sources.values.get(name, {}), (name,), sources)
    tables["platforms"] = _accounts(named["platforms"], sources)
    tables["sources"] = _others(named["sources"], sources)
    tables["domains"] = _spelt(tables["domains"], sources)
    _check_references(named, sources)
    if not sources.faults:
        _check_staleness(tables, sources)
        _check_levers(tables["domains"], sources)
    return tables


def _checked(model: type[Model], values: object, place: Place, sources: Sources) -> Model | None:
    """One table as its model; None when something is wrong with it. Strict: no text for a number, but in variables.

    Checked as JSON, because there strictness still takes a list for a tuple and a word for an enumeration.
    """
    errors: list[ErrorDetails] = []
    for _ in range(2):
        try:
            return model.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as fault:
            errors = fault.errors(include_url=False)
        values = _retyped(values, place, errors, sources)
    for error in errors:
        at = (*place, *error["loc"])
        found, expected, hint = reading(model, error)
        if error["type"] in _LISTS and at in sources.texts:
            expected = 'a list as JSON, such as ["a", "b"]'
        sources.fault(at, found, expected, hint)
    return None


def _retyped(values: object, place: Place, errors: list[ErrorDetails], sources: Sources) -> object:
    """The values with text from variables and secret files read as JSON, wherever text was the wrong type."""
    changed = deepcopy(values)
    for error in errors:
        loc = error["loc"]
        text = error["input"]
        if error["type"] not in _RETYPABLE or (*place, *loc) not in sources.texts or not isinstance(text, str):
            continue
        inner: Any = changed
        for part in loc[:-1]:
            inner = inner[part]
        try:
            value = json.loads(text, parse_constant=str)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except (ValueError, RecursionError):
            continue
        inner[loc[-1]] = value
    return changed


def _entries(table: str, sources: Sources) -> dict[str, Any]:
    """The named tables of `[TABLE.NAME]`, less those with names that variables and web addresses cannot hold."""
    entries = sources.values.get(table, {})
    if not isinstance(entries, dict):
        sources.fault((table,), describe(entries, show=False), f"tables such as [{table}.NAME]")
        return {}
    if table == "domains":
        return entries
    good = {name: entry for name, entry in entries.items() if is_name(name)}
    for name in sorted(entries.keys() - good.keys()):
        sources.fault((table, name), "a name that cannot be used", "a-z and 0-9, joined by single - or _, at most 64")
    return good


def _each(model: type[Model], table: str, entries: Mapping[str, Any], sources: Sources) -> dict[str, Model]:
    found = {name: _checked(model, entry, (table, name), sources) for name, entry in entries.items()}
    return {name: entry for name, entry in found.items() if entry is not None}


def _accounts(entries: Mapping[str, Any], sources: Sources) -> dict[str, Strict]:
    """Each account as the Config of its kind. Only the kinds in use are loaded: their clients are heavy."""
    found: dict[str, Strict] = {}
    for name, entry in entries.items():
        model = _config_of(name, entry, sources)
        config = _checked(model, entry, ("platforms", name), sources) if model else None
        if config:
            found[name] = config
    return found


def _config_of(name: str, entry: object, sources: Sources) -> type[Strict] | None:
    """The Config that the account's `kind` asks for; None when there is none, and why is written down."""
    place: Place = ("platforms", name)
    if not isinstance(entry, dict):
        sources.fault(place, describe(entry, show=False), f"a table such as [platforms.{name}]")
        return None
    kind = entry.get("kind")
    model = _account_config(kind) if isinstance(kind, str) else None
    if model is None:
        hint = nearest(kind, registry.ACCOUNTS) if isinstance(kind, str) else ""
        sources.fault((*place, "kind"), describe(kind, show=True), f"one of {listing(registry.ACCOUNTS)}", hint)
    return model


def _account_config(kind: str) -> type[Strict] | None:
    """The Config of a probe that is an account at a platform; None when there is no such probe, or it is none."""
    if kind not in registry.ACCOUNTS:
        return None
    model: type[Strict] = registry.load(kind).Config
    return model


def _others(entries: Mapping[str, Any], sources: Sources) -> dict[str, Strict]:
    """Each table `[sources.NAME]` as the Config of that probe. Only those in use are loaded."""
    found: dict[str, Strict] = {}
    for name, entry in entries.items():
        if name not in registry.SOURCES:
            known = registry.SOURCES
            sources.fault(
                ("sources", name), "a source that is not known", f"one of {listing(known)}", nearest(name, known)
            )
            continue
        config = _checked(registry.load(name).Config, entry, ("sources", name), sources)
        if config:
            found[name] = config
    return found


def _spelt(domains: Mapping[str, Model], sources: Sources) -> dict[str, Model]:
    """Each domain under the name that DNS and mail events spell it by."""
    found: dict[str, Model] = {}
    for written, domain in domains.items():
        try:
            name = a_label(written)
        except ValueError as fault:
            sources.fault(("domains", written), "a name that cannot be used", str(fault))
            continue
        if name in found:
            sources.fault(("domains", written), f'the domain "{name}" a second time', "each domain once")
        found[name] = domain
    return found


def _check_references(named: Mapping[str, Mapping[str, Any]], sources: Sources) -> None:
    """That the tables a domain names are there. A reference left out, or of a wrong type, was found before."""
    for domain, entry in named["domains"].items():
        for key, table in _REFERENCES.items():
            name = entry.get(key) if isinstance(entry, dict) else None
            known = named[table]
            if not isinstance(name, str) or not is_name(name) or name in {*known, *_written(table, sources)}:
                continue
            expected = f"the name of a table [{table}.NAME]: {listing(known)}"
            sources.fault(("domains", domain, key), describe(name, show=True), expected, nearest(name, known))


def _written(table: str, sources: Sources) -> Iterable[str]:
    """The names of a table as they stand in the file, those with something wrong too."""
    entries = sources.values.get(table)
    return entries if isinstance(entries, dict) else ()


def _check_staleness(tables: Mapping[str, Any], sources: Sources) -> None:
    """A source that is asked less often than its answers go stale would be blind most of the time."""
    for name in sorted({domain.policy for domain in tables["domains"].values()}):
        stale = tables["policies"][name].stale_after.total_seconds()
        for key in ("dns_seconds", "platform_seconds"):
            every = getattr(tables["schedule"], key)
            if every >= stale:
                expected = f"less than {stale:g}, when answers go stale (policies.{name}.stale_after_minutes)"
                sources.fault(("schedule", key), f"{every:g}", expected)


def _check_levers(domains: Mapping[str, Any], sources: Sources) -> None:
    """A lever that two domains share would stop the healthy one with the other."""
    owners: dict[tuple[str, str], str] = {}
    for name, domain in domains.items():
        for index, lever in enumerate(domain.levers):
            other = owners.setdefault((domain.platform, lever), name)
            if other != name:
                expected = f"a lever of its own: pausing {lever} would pause {other} too"
                sources.fault(("domains", name, "levers", index), describe(lever, show=True), expected)
