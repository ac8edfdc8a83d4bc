"""Debian's dovecot, a real IMAP server with real IDLE and real flags, on free loopback ports."""

import datetime
import grp
import imaplib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from peers.nsd import free_port

PASSWORD = "correct-horse"
CONFIG = """\
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
disable_plaintext_auth = no
mail_location = maildir:{root}/mail/%u
mail_max_userip_connections = 100
ssl = yes
auth_failure_delay = 0
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.key
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
namespace inbox {{
  inbox = yes
}}
"""


class Dovecot:
    """A running dovecot: any user, one password; STARTTLS or nothing on `port`, TLS on `tls_port`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port, self.tls_port = free_port(), free_port()
        self.certificate = root / "server.pem"
        me = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        certify(root)
        for name in ("run", "state", "mail", "home"):
            (root / name).mkdir()
        for path in (root, *root.iterdir()):
            os.chown(path, me.pw_uid, me.pw_gid)
        root.chmod(0o755)
        config = root / "dovecot.conf"
        group = grp.getgrgid(me.pw_gid).gr_name
        values = {"user": me.pw_name, "group": group, "uid": me.pw_uid, "gid": me.pw_gid}
        config.write_text(CONFIG.format(root=root, password=PASSWORD, port=self.port, tls_port=self.tls_port, **values))
        self._process = subprocess.Popen([_program(), "-F", "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def login(self, user: str) -> imaplib.IMAP4:
        """A connection of one's own, with INBOX selected."""
        imap = imaplib.IMAP4("127.0.0.1", self.port, timeout=20)
        imap.login(user, PASSWORD)
        imap.select("INBOX")
        return imap

    def deliver(self, user: str, *mails: bytes) -> None:
        """Put mails into INBOX."""
        imap = self.login(user)
        for mail in mails:
            assert imap.append("INBOX", "", None, mail)[0] == "OK"  # type: ignore[arg-type]
        imap.logout()

    def flags(self, user: str) -> list[set[str]]:
        """The flags of every mail of INBOX, oldest first, less \\Recent."""
        imap = self.login(user)
        _, found = imap.fetch("1:*", "(FLAGS)")
        imap.logout()
        lines = [line.decode() for line in found if isinstance(line, bytes)]
        return [set(line.partition("FLAGS (")[2].partition(")")[0].split()) - {"\\Recent"} for line in lines]

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
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.login("probe").logout()
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.05)
            else:
                return
        log = self.root / "dovecot.log"
        raise RuntimeError(f"dovecot does not answer: {log.read_text()[-2000:] if log.exists() else 'it left no log'}")


@contextmanager
def serving() -> Iterator[Dovecot]:
    """A dovecot with its files in a directory that its own user may reach."""
    root = Path(tempfile.mkdtemp(prefix="dovecot-"))
    try:
        server = Dovecot(root)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def certify(root: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority: server.pem and server.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dovecot.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=10))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (root / "server.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (root / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _program() -> str:
    found = shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise RuntimeError("dovecot is missing: install the Debian package dovecot-imapd")
    return found
