"""Logs hold no secret, and are JSON wherever no person looks on."""

import json
import os
import pty
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deliverd.logs import MASK, masked, redact

SPEAK = """
import logging, structlog
from pydantic import SecretStr
from deliverd import logs
logs.configure({form!r}, {level!r})
log = structlog.get_logger("deliverd.daemon")
log.info("ready", domains=3, channel=SecretStr("geheim"), store="postgresql+psycopg://deliverd:geheim@db/deliverd")
log.debug("not shown at info")
logging.getLogger("some.library").warning("GET %s", "https://ann:geheim@api.test/v1/x?key=geheim")
logging.getLogger("httpx").info("libraries chatter")
try:
    password = "geheim"
    raise ValueError("POST https://api.test/?api_key=geheim failed")
except ValueError:
    log.exception("work failed")
"""


def spoken(form: str = "auto", level: str = "info", **more: str) -> str:
    code = SPEAK.format(form=form, level=level)
    kept = {name: value for name, value in os.environ.items() if name != "INVOCATION_ID"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=kept | more, check=True
    )
    assert done.stdout == ""
    return done.stderr


def on_terminal(**more: str) -> str:
    master, slave = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("INVOCATION_ID", "NO_COLOR")}
    subprocess.run(
        [sys.executable, "-c", SPEAK.format(form="auto", level="info")], stderr=slave, env=kept | more, check=True
    )
    os.close(slave)
    written = b""
    try:
        while chunk := os.read(master, 65536):
            written += chunk
    except OSError:
        pass
    os.close(master)
    return written.decode()


def test_elsewhere_each_line_is_json() -> None:
    lines = [json.loads(line) for line in spoken().splitlines()]
    assert [line["event"] for line in lines] == ["ready", f"GET https://{MASK}@api.test/v1/x?{MASK}", "work failed"]
    assert (lines[0]["level"], lines[0]["logger"], lines[0]["domains"]) == ("info", "deliverd.daemon", 3)
    assert lines[0]["timestamp"].endswith("Z")
    assert "Traceback" in lines[2]["exception"] and "ValueError" in lines[2]["exception"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_in_either_form(form: str) -> None:
    said = spoken(form)
    assert "geheim" not in said.replace('password = "geheim"', "")
    assert said.count(MASK) >= 4


def test_the_level_holds() -> None:
    assert "not shown at info" not in spoken()
    assert "not shown at info" in spoken(level="debug")
    assert "libraries chatter" not in spoken(level="debug")
    assert "ready" not in spoken(level="error")


def test_on_a_terminal_it_is_text_in_colour_but_not_under_systemd() -> None:
    assert "\x1b[" in on_terminal()
    assert "\x1b[" not in on_terminal(NO_COLOR="1")
    assert on_terminal(INVOCATION_ID="0123").startswith('{"')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ann:pw@host.test/a/b?x=1#y", f"http://{MASK}@host.test/a/b?{MASK}"),
        ("see https://host.test/a#frag now", f"see https://host.test/a?{MASK} now"),
        ("https://host.test/a/b", "https://host.test/a/b"),
        ("mailto://ann:p@ss@host.test?to=x", f"mailto://{MASK}"),
        ("slack://TokenA/TokenB/TokenC/", f"slack://{MASK}"),
        ("postgresql+psycopg://d:pw@db/deliverd", f"postgresql+psycopg://{MASK}"),
        ("wrong whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!", f"wrong {MASK}!"),
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {MASK}"),
        ("127.0.0.1:8425 is in use", "127.0.0.1:8425 is in use"),
    ],
)
def test_what_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_whatever_stands_under_a_secrets_name_is_masked_and_numbers_are_kept() -> None:
    event = {
        "event": "x",
        "webhook_secret": "abc",
        "nested": {"password": "abc", "list": [SecretStr("abc"), b"abc", "mailto://abc"]},
        "count": 3,
        "good": True,
        "none": None,
    }
    assert redact(None, "info", event) == {
        "event": "x",
        "webhook_secret": MASK,
        "nested": {"password": MASK, "list": [MASK, MASK, f"mailto://{MASK}"]},
        "count": 3,
        "good": True,
        "none": None,
    }


@given(
    st.text(
        alphabet=st.characters(codec="ascii", exclude_characters=" \t\r\n\"'<>\x1c\x1d\x1e\x1f\x0b\x0c"), min_size=1
    )
)
def test_a_password_in_an_address_never_shows(password: str) -> None:
    # Letters around it that no other part of the address has, so that finding them means that it leaked.
    assert "ZQX" not in masked(f"https://ann:ZQX{password}ZQX@host.test/path?token=ZQX{password}")
