"""`deliverd health`: is the daemon of this configuration ready? Light: it runs every few seconds in a container."""

import http.client
import json
from pathlib import Path
from typing import Any

from deliverd.commands.codes import Code
from deliverd.commands.config_file import config_path, load_settings
from deliverd.commands.output import BAD, GOOD, Output, Styled

_SECONDS = 3.0
_LONGEST_ANSWER = 65_536
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on, but to reach who does


def health(as_json: bool, config: Path | None) -> Code:
    """Ask `/readyz`. Raises ConfigError."""
    listen, port = load_settings(config_path(config)).web.address
    host = _ANYWHERE.get(listen, listen)
    ready, why = _ask(host, port)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    out = Output()
    if as_json:
        out.json({"ready": ready, "why": why, "address": address})
    elif ready:
        out.line(Styled("ready", GOOD), f": {address}")
    else:
        out.line(Styled("not ready", BAD), f": {address}: {why}")
    return Code.GOOD if ready else Code.UNSEEN


def _ask(host: str, port: int) -> tuple[bool, str]:
    """Whether it says that it is ready, and why not. Straight to it, whatever proxy the environment names."""
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        body = answer.read(_LONGEST_ANSWER)
    except TimeoutError:
        return False, f"no answer within {_SECONDS:g} s"
    except OSError as fault:
        return False, fault.strerror or str(fault)
    except http.client.HTTPException as fault:
        return False, f"what answers there does not speak HTTP ({type(fault).__name__})"
    finally:
        connection.close()
    return _read(answer.status, body)


def _read(status: int, body: bytes) -> tuple[bool, str]:
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "status" not in said:
        return False, f"what answers there is not deliverd (HTTP {status})"
    if status == http.client.OK and said["status"] == "ready":
        return True, ""
    return False, str(said.get("why") or f"HTTP {status}")
