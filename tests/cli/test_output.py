"""How commands speak, on a terminal and elsewhere."""

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deliverd.commands.output import Output, Styled, plain, stamp, visible
from deliverd.model import Limit, SendState

AT = datetime(2026, 11, 22, 13, 30, 5, tzinfo=timezone(timedelta(hours=1)))


def written(*, fancy: bool, rows: list[list[str | Styled]]) -> str:
    stream = io.StringIO()
    out = Output(stream, fancy=fancy)
    out.table(("ONE", "TWO"), rows)
    out.line("done ", Styled("well", "green"))
    return stream.getvalue()


def test_plain_tables_are_aligned_and_whole() -> None:
    long = "x" * 300
    assert written(fancy=False, rows=[["a", "b"], ["longer", Styled(long, "red")]]) == (
        f"ONE     TWO\na       b\nlonger  {long}\ndone well\n"
    )


def test_tables_on_a_terminal_have_lines() -> None:
    assert "──" in written(fancy=True, rows=[["a", "b"]])


@pytest.mark.parametrize("fancy", [True, False])
def test_markup_in_data_is_data(fancy: bool) -> None:
    assert "[red]a[/red] :smile:" in written(fancy=fancy, rows=[["[red]a[/red] :smile:", "b"]])


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    assert visible("a\x1b[31m\r\n\tb\u202e\x00é☃") == "a\\x1b[31m\\x0d \\x09b\\x202e\\x00é☃"


@given(st.text())
def test_visible_text_is_one_printable_line(text: str) -> None:
    assert visible(text).isprintable()


def test_instants_are_utc() -> None:
    assert stamp(AT) == "2026-11-22 12:30:05 UTC"


def test_json_is_ascii_with_times_in_utc() -> None:
    stream = io.StringIO()
    Output(stream, fancy=False).json({"at": AT, "limit": Limit(SendState.PAUSED), "é": [Decimal("0.5")], "none": None})
    text = stream.getvalue()
    assert text.isascii() and text.endswith("}\n")
    assert json.loads(text) == {
        "at": "2026-11-22T12:30:05Z",
        "limit": {"state": "paused", "per_day": None},
        "é": [0.5],
        "none": None,
    }
    assert plain(AT.astimezone(UTC).date()) == "2026-11-22"


@pytest.mark.parametrize("value", [SecretStr("geheim"), object(), {"a": SecretStr("geheim")}, b"x"])
def test_json_refuses_what_it_does_not_know(value: object) -> None:
    with pytest.raises(TypeError):
        plain(value)
