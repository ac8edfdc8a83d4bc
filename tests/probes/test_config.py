"""Configuration tables refuse what they do not know, and secrets never print."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from probes.config import Secret, Strict

HIDDEN = "whsec_aGlkZGVu"


class Table(Strict):
    secret: Secret
    limit: int = 1


def test_an_unknown_key_is_an_error_and_tables_do_not_change() -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Table(secret=HIDDEN, limt=2)
    table = Table(secret=HIDDEN)
    with pytest.raises(ValidationError, match="frozen"):
        table.limit = 2


def test_a_secret_is_read_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(HIDDEN + "\r\n")
    for given in (HIDDEN, SecretStr(HIDDEN), {"file": str(file)}):
        table = Table(secret=given)
        assert table.secret.get_secret_value() == HIDDEN
        assert HIDDEN not in f"{table} {table!r} {table.model_dump()} {table.model_dump_json()}"


@pytest.mark.parametrize(
    "given", [17, None, {"fille": "x"}, {"file": 3}, {"file": "x", "mode": "r"}, [HIDDEN], {HIDDEN: HIDDEN}]
)
def test_a_secret_of_another_shape_is_refused_without_showing_it(given: object) -> None:
    with pytest.raises(ValidationError) as fault:
        Table(secret=given)
    assert HIDDEN not in str(fault.value)
    assert "secret" in str(fault.value)


def test_a_wrong_value_beside_a_secret_does_not_show_it() -> None:
    with pytest.raises(ValidationError) as fault:
        Table(secret=HIDDEN, limit=HIDDEN)
    assert HIDDEN not in str(fault.value)


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe" + HIDDEN.encode())
    for path, words in ((missing, "No such file"), (tmp_path, "directory"), (binary, "it is not UTF-8 text")):
        with pytest.raises(ValidationError) as fault:
            Table(secret={"file": str(path)})
        assert f"cannot read the secret file {path}: " in str(fault.value)
        assert words in str(fault.value)
        assert HIDDEN not in str(fault.value)
