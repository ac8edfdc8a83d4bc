"""Which mailbox provider a recipient's domain belongs to."""

import pytest

from probes.provider import DOMAINS, OTHER, provider_of


@pytest.mark.parametrize(
    ("domain", "provider"),
    [
        ("gmail.com", "google"),
        ("googlemail.com", "google"),
        ("outlook.com", "microsoft"),
        ("hotmail.co.uk", "microsoft"),
        ("live.nl", "microsoft"),
        ("msn.com", "microsoft"),
        ("yahoo.co.in", "yahoo"),
        ("aol.com", "yahoo"),
        ("ymail.com", "yahoo"),
        ("icloud.com", "apple"),
        ("me.com", "apple"),
        ("mac.com", "apple"),
        ("GMail.COM", "google"),
        ("gmail.com.", "google"),
        ("yahoo.co.jp", OTHER),
        ("gmail.com.evil.example", OTHER),
        ("notgmail.com", OTHER),
        ("acme.com", OTHER),
        ("", ""),
        (".", ""),
    ],
)
def test_provider(domain: str, provider: str) -> None:
    assert provider_of(domain) == provider


def test_no_domain_stands_twice_in_the_table() -> None:
    listed = [domain for domains in DOMAINS.values() for domain in domains.split()]
    assert len(listed) == len(set(listed)) > 100
    assert all(domain == domain.lower() and "." in domain for domain in listed)
