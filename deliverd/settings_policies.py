"""Policies: the shipped ones, and what the user's file changes in them before they are checked."""

import tomllib
from importlib.resources import files
from typing import Any

from deliverd.policy import Policy
from deliverd.settings_faults import listing, nearest
from deliverd.settings_sources import Sources

BASE = "base"
_CITED = ("source", "date")


def shipped_policies() -> dict[str, dict[str, Any]]:
    """The tables of config/policy.toml, as it ships with the package."""
    return tomllib.loads((files("deliverd") / "config" / "policy.toml").read_text(encoding="utf-8"))


def load_default_policies() -> dict[str, Policy]:
    """The shipped policies, checked."""
    return {name: Policy.model_validate(table) for name, table in shipped_policies().items()}


def merge_policies(own: dict[str, Any], sources: Sources) -> dict[str, Any]:
    """Every policy as a whole tree: the shipped ones, and the user's own laid over what each is based on.

    `base` names the policy that one starts from; one that has the name of a shipped policy starts from that one.
    A base that is not there or leads in a circle is written down in `sources`, and its policy left out.
    """
    shipped = shipped_policies()
    merged: dict[str, Any] = dict(shipped)
    for name in own:
        tree = _resolved(name, own, shipped, sources, ())
        if tree is None:
            merged.pop(name, None)
        else:
            merged[name] = tree
    return merged


def _resolved(name: str, own: dict[str, Any], shipped: dict[str, Any], sources: Sources, above: tuple[str, ...]) -> Any:
    """One policy over its base, and that over its own; None when the base does not hold."""
    table = own.get(name)
    if not isinstance(table, dict):
        return shipped.get(name) if name not in own else table
    changes = {key: value for key, value in table.items() if key != BASE}
    base = table.get(BASE, name if name in shipped else None)
    if base is None:
        return changes
    place = ("policies", name, BASE)
    if not isinstance(base, str) or base not in {*own, *shipped} or (base == name and name not in shipped):
        known = {*own, *shipped} - ({name} - shipped.keys())
        found = "a policy that is not there" if isinstance(base, str) else "something other than a string"
        sources.fault(place, found, f"one of {listing(known)}", nearest(base, known) if isinstance(base, str) else "")
        return None
    if base in above:
        sources.fault(place, f"a circle: {' -> '.join((*above, name, base))}", "a base that does not lead back")
        return None
    below = shipped[base] if base == name else _resolved(base, own, shipped, sources, (*above, name))
    return _laid_over(below, changes, f"{sources.file}, over policy {base}") if isinstance(below, dict) else None


def _laid_over(below: dict[str, Any], changes: dict[str, Any], origin: str) -> dict[str, Any]:
    """`changes` over `below`, table by table. A changed threshold may not go by the source of the one it replaces."""
    merged = dict(below)
    for key, value in changes.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _laid_over(old, value, origin) | _citation(old, value, origin)
        else:
            merged[key] = value
    return merged


def _citation(old: dict[str, Any], changes: dict[str, Any], origin: str) -> dict[str, Any]:
    """The source and date of a changed table of thresholds. A table of tables has none: theirs have."""
    inner = any(isinstance(value, dict) for value in (*old.values(), *changes.values()))
    if inner or all(old.get(key) == new for key, new in changes.items() if key not in _CITED):
        return {}
    cited = f"{origin} ({old['source']}, {old['date']})" if all(key in old for key in _CITED) else origin
    return {"source": changes.get("source", cited), "date": changes.get("date", "not stated")}
