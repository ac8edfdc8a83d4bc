"""The way back from a browser: a port of this machine that a provider sends a person to (RFC 8252 7.3)."""

import hmac
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

_MOST_BYTES = 1 << 16
_PAGE = "<!doctype html><meta charset=utf-8><title>deliverd</title><p>{words} You can close this page.</p>"


class NoConsent(Exception):  # noqa: N818 - a noun, as every fault here
    """There is no key, and why. To be retried by a person."""


class Loopback(HTTPServer):
    """Waits on loopback for the browser, which brings a query or (response_mode=form_post) a form.

    Whoever does not know `state` is sent away and changes nothing.

    Raises OSError: the port cannot be used.
    """

    def __init__(self, port: int, provider: str) -> None:
        super().__init__(("127.0.0.1", port), _Visit)
        self.provider = provider
        self.state = ""
        self.found: dict[str, str] | None = None

    def answer(self, state: str, wait: float) -> dict[str, str]:
        """What the browser brings with `state`, waited for `wait` seconds at most. Raises NoConsent."""
        self.state = state
        end = time.monotonic() + wait
        while self.found is None:
            self.timeout = end - time.monotonic()
            if self.timeout <= 0:
                raise NoConsent(f"nobody agreed within {wait:g} s")
            self.handle_request()
        if "code" not in self.found:
            raise NoConsent(f"{self.provider} says {self.found.get('error', 'nothing')[:100]}")
        return self.found

    def believe(self, said: str) -> bool:
        """Take what the browser brings, when it is about this consent."""
        asked = {name: values[0] for name, values in parse_qs(said).items()}
        if not self.state or not hmac.compare_digest(asked.get("state", "").encode(), self.state.encode()):
            return False
        self.found = asked
        return True

    def handle_error(self, *_: object) -> None:
        """A browser that opens a connection ahead of time and lets it lie is no news."""


class _Visit(BaseHTTPRequestHandler):
    server: Loopback
    timeout = 5

    def do_GET(self) -> None:
        self._visited(urlsplit(self.path).query)

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdigit() else 0
        self._visited(self.rfile.read(size).decode("utf-8", "replace") if size <= _MOST_BYTES else "")

    def _visited(self, said: str) -> None:
        ours = urlsplit(self.path).path == "/" and self.server.believe(said)
        words = f"deliverd has heard from {self.server.provider}." if ours else "This is not for deliverd."
        body = _PAGE.format(words=words).encode()
        self.send_response(200 if ours else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The request line holds the code."""
