"""What the drill writes as TOML reads back as what it was."""

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverd.drill.toml import dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(
    TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False)
)
VALUE = st.one_of(PLAIN, st.lists(PLAIN, max_size=4))
TREE = st.recursive(
    st.dictionaries(TEXT, VALUE, max_size=4), lambda tree: st.dictionaries(TEXT, st.one_of(VALUE, tree), max_size=3)
)


@given(st.dictionaries(TEXT, st.one_of(VALUE, TREE), max_size=4))
def test_it_reads_back(tree: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(tree)) == tree


def test_it_is_what_a_person_would_write() -> None:
    tree = {"dns": {"tries": 1}, "domains": {"a.test": {"owner": "oncall", "dkim_selectors": ["s1"]}}}
    written = '[dns]\ntries = 1\n\n[domains."a.test"]\nowner = "oncall"\ndkim_selectors = ["s1"]'
    assert dumps(tree).strip() == written


@pytest.mark.parametrize("value", [date(2026, 11, 22), None, b"x"])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        dumps({"at": value})
