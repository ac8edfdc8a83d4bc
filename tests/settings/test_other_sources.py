"""Sources besides the platforms: `[sources.NAME]`, each the Config of a probe, loaded only when it is used."""

import json

import pytest

from deliverd.settings import changes

TOKEN_SECRET = "GOCSPX-canary-canary-canary"
TOKEN = json.dumps(
    {"type": "authorized_user", "client_id": "me", "client_secret": TOKEN_SECRET, "refresh_token": TOKEN_SECRET}
)
GOOGLE = f"\n[sources.google_postmaster]\ntoken = '{TOKEN}'\n"


def test_a_source_is_the_config_of_its_probe(loaded, small):
    source = loaded(small + GOOGLE).sources["google_postmaster"]
    assert type(source).__module__ == "probes.google_postmaster"
    assert source.token.get_secret_value() == TOKEN


def test_without_a_table_nothing_is_read(loaded, small):
    assert loaded(small).sources == {}


def test_the_key_may_stand_in_a_file_or_a_variable(loaded, small, tmp_path):
    (tmp_path / "token.json").write_text(TOKEN)
    named = f"\n[sources.google_postmaster]\ntoken = {{ file = '{tmp_path}/token.json' }}\n"
    variable = {"DELIVERD_SOURCES__GOOGLE_POSTMASTER__TOKEN": TOKEN}
    for settings in (loaded(small + named), loaded(small, variable)):
        assert settings.sources["google_postmaster"].token.get_secret_value() == TOKEN


def test_an_unknown_source_is_told_the_nearest(failing, small):
    (fault,) = failing(small + GOOGLE.replace("postmaster", "postmastr")).faults
    assert fault.place == "sources.google_postmastr"
    assert fault.expected == "one of feedback_mail, google_postmaster, microsoft_snds"
    assert "google_postmaster" in fault.hint
    assert fault.line is not None


@pytest.mark.parametrize("name", ["spf", "webhook", "dkim"])
def test_a_probe_that_is_no_source_is_none(failing, small, name):
    (fault,) = failing(small + f"\n[sources.{name}]\n").faults
    assert fault.place == f"sources.{name}"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\n[sources]\ngoogle_postmaster = 3\n", "sources.google_postmaster"),
        (GOOGLE + "dayz = 3\n", "sources.google_postmaster.dayz"),
        (GOOGLE + "days = 0\n", "sources.google_postmaster.days"),
        ("\n[sources.google_postmaster]\n", "sources.google_postmaster"),
        (GOOGLE.replace("refresh_token", "other_token"), "sources.google_postmaster"),
    ],
)
def test_what_is_wrong_with_a_source_is_told_without_its_key(failing, small, text, place):
    error = failing(small + text)
    assert [fault.place for fault in error.faults] == [place]
    assert "canary" not in str(error) + repr(error)


def test_sources_is_a_table(failing, small):
    (fault,) = failing("sources = 3\n" + small).faults
    assert (fault.place, fault.expected) == ("sources", "tables such as [sources.NAME]")


def test_it_prints_no_key(loaded, small):
    settings = loaded(small + GOOGLE)
    assert "canary" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_changes_in_words(loaded, small):
    bare, google = loaded(small), loaded(small + GOOGLE)
    more = loaded(
        small + GOOGLE.replace("canary-canary", "canary-other") + "days = 20\n[schedule]\nsource_seconds = 60\n"
    )
    assert changes(bare, google) == ("source google_postmaster added",)
    assert changes(google, bare) == ("source google_postmaster removed",)
    assert changes(google, more) == (
        "schedule.source_seconds: 21600 -> 60",
        "sources.google_postmaster.token changed",
        "sources.google_postmaster.days: 10 -> 20",
    )
