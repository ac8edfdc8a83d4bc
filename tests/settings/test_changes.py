"""What a reload says it changed."""

from deliverd.settings import changes

MORE = """
[owners.support]
channels = ["json://127.0.0.1/"]
[domains."news.acme.com"]
owner = "support"
platform = "mail"
"""


def test_nothing_changed(loaded, small):
    assert changes(loaded(small), loaded(small)) == ()


def test_what_comes_and_what_goes(loaded, small):
    before, after = loaded(small), loaded(small + MORE)
    assert changes(before, after) == ("owner support added", "domain news.acme.com added")
    assert changes(after, before) == ("owner support removed", "domain news.acme.com removed")


def test_values_before_and_after(loaded, small):
    changed = small.replace('owner = "growth"', 'owner = "growth"\nmode = "enforce"\ndkim_selectors = ["s1", "s2"]')
    changed = changed.replace("https://sender.example.com/", "https://sender.example.com/v2/?token=")
    changed += """
[schedule]
dns_seconds = 300
[dns]
nameservers = ["127.0.0.1:53"]
[policies.default.pause]
rate_percent = 0.2
[policies.strict]
base = "default"
"""
    lines = changes(loaded(small), loaded(changed))
    assert 'dns.nameservers: [] -> ["127.0.0.1:53"]' in lines
    assert "schedule.dns_seconds: 900 -> 300" in lines
    assert "policies.default.pause.rate_percent: 0.3 -> 0.2" in lines
    assert "policy strict added" in lines
    assert 'domains."acme.com".mode: observe -> enforce' in lines
    assert 'domains."acme.com".dkim_selectors: [] -> ["s1", "s2"]' in lines
    assert "platforms.mail.control_url changed" in lines


def test_an_account_that_became_another_kind(loaded, small):
    ses = small[: small.index("[platforms")] + "[platforms.mail]\nkind = 'ses'\nregion = 'eu-west-1'\n"
    other = ses + small[small.index("[domains") :]
    assert changes(loaded(small), loaded(other)) == ("platform account mail is of another kind",)
    with_key = other.replace("region", "access_key_id = 'a'\nsecret_access_key = 'b'\nregion")
    assert changes(loaded(other), loaded(with_key)) == (
        "platforms.mail.access_key_id changed",
        "platforms.mail.secret_access_key changed",
    )
