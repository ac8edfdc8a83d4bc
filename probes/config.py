"""What every configuration table is made of: strictness, and secrets that never print."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


class Strict(BaseModel):
    """A configuration table: frozen, and an unknown key is an error. Values never appear in its error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _read_secret(value: Any) -> Any:
    """Turn `{ file = "/run/secrets/x" }` into what the file holds, less the line end. Other values pass."""
    if not isinstance(value, dict):
        return value
    if set(value) != {"file"} or not isinstance(value["file"], str):
        raise ValueError('expected a string or { file = "PATH" }')
    try:
        return Path(value["file"]).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8 text"
        raise ValueError(f"cannot read the secret file {value['file']}: {reason}") from None


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""A secret given as a string or as `{ file = "PATH" }`; shown as `**********` wherever it is printed."""
