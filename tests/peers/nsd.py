"""Debian's nsd, a real authoritative name server, on a free loopback port with zones that the test writes."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HEADER = """\
$TTL 300
@ IN SOA ns.invalid. hostmaster.invalid. 1 7200 3600 1209600 60
@ IN NS ns.invalid.
"""
PROBE = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03"
CONFIG = """\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  zonelistfile: "{directory}/nsd.zonelist"
  xfrdfile: "{directory}/nsd.xfrd"
  xfrdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  logfile: "{directory}/nsd.log"
  verbosity: 1
  rrl-ratelimit: 0
  zonefiles-check: yes
  zonefiles-write: 0
remote-control:
  control-enable: no
"""


def zone(text: str) -> str:
    """A zone file: `text`, headed by SOA, NS and a TTL of 300 s (60 s for what is absent) unless it brings an SOA."""
    return text if " SOA " in text else HEADER + text + "\n"


def txt(name: str, value: str) -> str:
    """A TXT line of a zone file, its value cut into strings of 255 bytes."""
    parts = [value[at : at + 255] for at in range(0, len(value), 255)] or [""]
    quoted = " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
    return f"{name} IN TXT {quoted}\n"


class Nsd:
    """A running nsd. `nameserver` is what to put into a resolver's configuration."""

    def __init__(self, directory: Path, files: Mapping[str, Path | None]) -> None:
        self.directory = directory
        self.port = free_port()
        self.nameserver = f"127.0.0.1:{self.port}"
        zones = [f'zone:\n  name: "{name}"\n  zonefile: "{path or "none"}"\n' for name, path in files.items()]
        config = directory / "nsd.conf"
        config.write_text(CONFIG.format(port=self.port, directory=directory) + "".join(zones))
        self._process = subprocess.Popen(
            [_program(), "-d", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and wait for its end."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.1)
            asking.connect(("127.0.0.1", self.port))
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    asking.send(PROBE)
                    if asking.recv(512)[:2] == PROBE[:2]:
                        return
                except OSError:
                    time.sleep(0.01)
        raise RuntimeError(f"nsd does not answer: {self._log()}")

    def _log(self) -> str:
        log = self.directory / "nsd.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else "it left no log"


@contextmanager
def serving(directory: Path, zones: Mapping[str, str | None]) -> Iterator[Nsd]:
    """Serve zones (name to records, see `zone`; None: configured without data, so that each answer is SERVFAIL)."""
    files: dict[str, Path | None] = {}
    for number, (name, text) in enumerate(zones.items()):
        files[name] = None if text is None else directory / f"{number}.zone"
        if text is not None:
            (directory / f"{number}.zone").write_text(f"$ORIGIN {name.rstrip('.')}.\n{zone(text)}", encoding="latin-1")
    with serving_files(directory, files) as server:
        yield server


@contextmanager
def serving_files(directory: Path, files: Mapping[str, Path | None]) -> Iterator[Nsd]:
    """Serve zone files that are already written (None: SERVFAIL)."""
    server = Nsd(directory, files)
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    """A port that is free now for both UDP and TCP on loopback, chosen by the kernel."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _program() -> str:
    found = shutil.which("nsd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise RuntimeError("nsd is missing: install the Debian package nsd (apt-get install nsd)")
    return found
