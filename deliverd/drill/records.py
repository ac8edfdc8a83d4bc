"""The DNS records of the drill's domains: SPF, DKIM with a real RSA key, DMARC and MX."""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deliverd.drill.dns import quoted

SELECTOR = "s1"
_KEY_BITS = 2048


def dkim_name(domain: str) -> str:
    """Where the DKIM key of a domain stands (RFC 6376, 3.6.2.1)."""
    return f"{SELECTOR}._domainkey.{domain}."


def dkim_value() -> str:
    """A DKIM key record (RFC 6376, 3.6.1) of a key pair made just now; its private half is thrown away."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def zone(domains: tuple[str, ...]) -> dict[tuple[str, str], list[str]]:
    """Healthy records of every domain, which all send through `sender.test`."""
    records = {("_spf.sender.test.", "TXT"): [quoted("v=spf1 ip4:192.0.2.0/24 -all")]}
    for domain in domains:
        records[(f"{domain}.", "TXT")] = [quoted("v=spf1 include:_spf.sender.test -all")]
        records[(f"{domain}.", "MX")] = [f"10 mx.{domain}."]
        records[(f"mx.{domain}.", "A")] = ["192.0.2.25"]
        records[(f"_dmarc.{domain}.", "TXT")] = [quoted(f"v=DMARC1; p=reject; rua=mailto:dmarc@{domain}")]
        records[(dkim_name(domain), "TXT")] = [quoted(dkim_value())]
    return records
