"""Logs on stderr: readable on a terminal, JSON lines elsewhere, and no secret in either.

Everything goes through here, the libraries' own lines too. What looks like a secret is masked last, in whatever text
it stands, tracebacks included: better a masked harmless word than a password in a log that is kept for years.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal

import structlog
from pydantic import SecretStr
from structlog.types import EventDict, Processor

MASK = "***"

_URL = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://([^\s\"'<>]+)")
_WEB = ("http", "https")
_KNOWN = re.compile(
    r"whsec_[A-Za-z0-9+/=_-]+|(?<=AWS4-HMAC-SHA256 )[^\n]+|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/=-]+"
)
_SECRET_NAME = re.compile(r"secret|password|passwd|authorization|api_?key|private_?key|credential", re.IGNORECASE)
_QUIET = (
    "httpx",
    "httpcore",
    "urllib3",
    "botocore",
    "boto3",
    "apscheduler",
    "asyncio",
    "apprise",
    "alembic",
    "uvicorn",
)


def configure(form: Literal["auto", "json", "text"], level: str) -> None:
    """Send all logs to stderr, from `level` on (the libraries' own from warning on). May be called again."""
    as_json = form == "json" or (form == "auto" and not _on_terminal())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, *_renderers(as_json)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask every secret in an event: SecretStr, values under a secret's name, and what stands in text."""
    return {name: _redacted(name, value) for name, value in event.items()}


def masked(text: str) -> str:
    """Text without secrets: of web addresses the user and the query go, of other URLs (Apprise, databases) all."""
    return _KNOWN.sub(MASK, _URL.sub(_masked_url, text))


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr | bytes):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): _redacted(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return MASK if _SECRET_NAME.search(name) else masked(str(value))


def _masked_url(match: re.Match[str]) -> str:
    scheme, rest = match[1], match[2]
    if scheme.lower() not in _WEB:
        return f"{scheme}://{MASK}"
    user, at, after = rest.rpartition("@")
    address, mark, _ = after.replace("#", "?").partition("?")
    return f"{scheme}://{MASK if user else ''}{at}{address}{mark}{MASK if mark else ''}"


def harmless(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """An event whose text a terminal prints and does not obey, each on its line: only tracebacks have several."""
    return {
        name: _printable(value, "\n\t" if name in ("exception", "stack") else "") if isinstance(value, str) else value
        for name, value in event.items()
    }


def _printable(text: str, kept: str) -> str:
    return "".join(it if it.isprintable() or it in kept else it.encode("unicode_escape").decode() for it in text)


def _renderers(as_json: bool) -> list[Processor]:
    if as_json:
        return [structlog.processors.JSONRenderer(default=repr)]
    # The default formatter of tracebacks shows local variables, which hold secrets.
    colors = _on_terminal() and not os.environ.get("NO_COLOR")
    plain = structlog.dev.plain_traceback
    return [harmless, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def _on_terminal() -> bool:
    return sys.stderr.isatty() and "INVOCATION_ID" not in os.environ
