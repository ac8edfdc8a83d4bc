"""`deliverd sources` on stores with a past."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.sources import sources
from deliverd.store import events, observations
from deliverd.store.connection import Conn
from deliverd.store.events import Batch
from deliverd.store.faults import SchemaMissing
from peers.commands import DOMAINS, House
from probes.observation import EventKind, MailEvent, Observation, Reading, Seen, Unseen, Why

DAY = timedelta(days=1)
GOOGLE = """
[sources.google_postmaster]
token = '''{"client_id": "id", "client_secret": "secret", "refresh_token": "token"}'''
"""
Show = Callable[..., tuple[Code, str]]


@pytest.fixture
def show(house: House, capsys: pytest.CaptureFixture[str]) -> Iterator[Show]:
    """The command itself; what it does to this process's logs is undone."""
    before = logging.getLogger().handlers[:], logging.getLogger().level

    def call(*names: str, as_json: bool = False) -> tuple[Code, str]:
        code = sources(names, as_json, house.config)
        return code, capsys.readouterr().out

    yield call
    logging.getLogger().handlers[:], logging.getLogger().level = before
    structlog.reset_defaults()


def look(conn: Conn, source: str, domain: str, at: datetime, part: str = "", **readings: Reading) -> None:
    answer = Seen(readings or {"code": "ok"})
    observations.append(conn, [(Observation(source, domain, at, answer, part), False)])


def answering(conn: Conn, at: datetime, domains: tuple[str, ...] = DOMAINS) -> None:
    """Every source answered about every domain."""
    for domain in domains:
        for source in ("spf", "dmarc", "webhook"):
            look(conn, source, domain, at)
        if domain == "acme.test":
            look(conn, "dkim", domain, at, "s1")
            # Once configured, no more: what was seen of it is no sign of anything.
            look(conn, "dkim", domain, at - 40 * DAY, "2026-11-20")


def mail(conn: Conn, domain: str, at: datetime, **by_provider: int) -> None:
    made = [
        MailEvent(f"{domain}/{provider}/{at}", EventKind.SENT, domain, at, at, provider.strip("_"), count=count)
        for provider, count in by_provider.items()
    ]
    events.ingest_group(conn, [Batch("mail", tuple(made), (), at)])


def of(document: Any, domain: str, source: str) -> Any:
    (found,) = [one for one in document["domains"] if one["domain"] == domain]
    (view,) = [one for one in found["sources"] if one["source"] == source]
    return view


def test_all_fresh_is_0_in_a_plain_table(house: House, show: Show) -> None:
    house.store.write_sync(lambda conn: answering(conn, clock.now()))
    code, out = show()
    assert code == Code.GOOD
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["DOMAIN", "SOURCE", "SPEAKS", "FOR"]
    assert [line.split()[:2] for line in lines[1:6]] == [
        ["acme.test", "dkim"],
        ["acme.test", "dmarc"],
        ["acme.test", "spf"],
        ["acme.test", "webhook"],
        ["acme.test", "events"],
    ]
    assert "no event has come yet" in lines[5]
    assert lines[-1] == "quiet.test: coverage is not known: no mail of the last 28 days is counted."
    assert "\x1b" not in out


def test_a_stale_or_dark_source_is_1(house: House, show: Show) -> None:
    now = clock.now()
    house.store.write_sync(lambda conn: answering(conn, now - timedelta(minutes=50)))
    assert show("acme.test")[0] == Code.GOOD
    dark = Observation("dmarc", "acme.test", now, Unseen(Why.TIMEOUT, "127.0.0.1:53 did not answer"))
    house.store.write_sync(lambda conn: observations.append(conn, [(dark, False)]))
    assert show("acme.test")[0] == Code.GOOD  # one try: what it said before still holds
    house.store.write_sync(lambda conn: look(conn, "spf", "acme.test", now - timedelta(minutes=61)))
    code, out = show("acme.test")
    assert code == Code.WRONG
    (row,) = [line for line in out.splitlines() if line.split()[1:2] == ["spf"]]
    assert " stale " in row and row.endswith("it was not asked again")
    assert show("bulk.test")[0] == Code.GOOD


def test_never_asked_is_1(house: House, show: Show) -> None:
    code, out = show("quiet.test")
    assert code == Code.WRONG
    assert out.count(" unasked ") == 3
    assert "acme.test" not in out


def postmaster(house: House, newest: int) -> datetime:
    """Gmail's numbers of the days up to so many days ago, mail to Gmail every day, and most of the mail elsewhere."""
    house.config.write_text(house.config.read_text() + GOOGLE)
    now = clock.now()

    def write(conn: Conn) -> None:
        answering(conn, now)
        look(conn, "google_postmaster", "acme.test", now, code="ok", days=2)
        for back in range(newest, newest + 2):
            day = (now - back * DAY).date().isoformat()
            look(conn, "google_postmaster", "acme.test", now - DAY, day, spam_rate=0.0012)
        look(conn, "google_postmaster", "acme.test", now - 60 * DAY, "2020-01-01", spam_rate=0.5)
        look(conn, "google_postmaster", "acme.test", now - DAY, "compliance", registrable_spf="compliant")
        for back in reversed(range(10)):
            mail(conn, "acme.test", now - back * DAY, google=280, other=700, yahoo=20)

    house.store.write_sync(write)
    return now


def test_what_google_says_and_whose_mail_is_covered(house: House, show: Show) -> None:
    now = postmaster(house, newest=3)
    code, out = show("acme.test")
    assert code == Code.GOOD
    (row,) = [line for line in out.splitlines() if "google_postmaster  google" in line]
    assert "spam_rate 0.12 %" in row and f"  {(now - 3 * DAY).date()}  " in row
    assert (
        "acme.test: of 10,000 messages sent in 28 days, 28 % go to providers whose complaints are told, 2 % go "
        "to providers whose complaints are told only if their loop was joined and 70 % go to providers that send no "
        "feedback."
    ) in out
    assert ["acme.test", "other", "7,000", "70", "%", "none", "-"] in [line.split() for line in out.splitlines()]
    assert "PROVIDER" not in show()[1]


def test_json_keeps_each_series_with_its_unit_and_denominator(house: House, show: Show) -> None:
    now = postmaster(house, newest=3)
    document = json.loads(show("acme.test", as_json=True)[1])
    assert document["days"] == 28
    google = of(document, "acme.test", "google_postmaster")
    assert (google["state"], google["speaks_for"], google["tells"]) == ("fresh", ["google"], ["google"])
    assert [day["readings"] for day in google["days"]] == [{"spam_rate": 0.0012}] * 2
    newest = (now - 3 * DAY).date().isoformat()
    first = google["numbers"][0]
    assert (first["figure"], first["value"], first["unit"], first["day"]) == ("spam_rate", 0.0012, "ratio", newest)
    assert "Gmail" in first["denominator"] and first["total"] is None
    assert google["day_by"] > now.isoformat() and google["look_by"] > now.isoformat()
    counted = of(document, "acme.test", "events")
    assert [(one["figure"], one["value"], one["total"]) for one in counted["numbers"]] == [
        ("complained", 0, 10_000),
        ("sent", 10_000, None),
    ]
    (domain,) = document["domains"]
    shares = domain["coverage"]
    assert shares["known"] is True
    assert (shares["told"], shares["told_if_joined"], shares["no_feedback"]) == (0.28, 0.02, 0.7)
    assert shares["providers"][0] == {"provider": "other", "mail": 7000, "feedback": "none", "sources": []}


def test_google_falling_silent_is_1_though_it_answers(house: House, show: Show) -> None:
    now = postmaster(house, newest=6)
    code, out = show("acme.test")
    assert code == Code.WRONG
    (row,) = [line for line in out.splitlines() if "google_postmaster  google" in line]
    assert "  late  " in row and row.endswith(f"no numbers of {(now - 5 * DAY).date()} and 1 more")
    assert "28 % go to providers whose complaints are told" not in out


def test_mail_that_went_who_knows_where_is_not_0(house: House, show: Show) -> None:
    def write(conn: Conn) -> None:
        answering(conn, clock.now())
        mail(conn, "acme.test", clock.now(), _=500)

    house.store.write_sync(write)
    shares = json.loads(show("acme.test", as_json=True)[1])["domains"][0]["coverage"]
    assert (shares["known"], shares["told"], shares["mail"]) == (False, None, 500)
    assert shares["providers"] == [{"provider": None, "mail": 500, "feedback": "unknown", "sources": []}]
    assert "not known" in show("acme.test")[1]


def test_several_addresses_in_one_cell(house: House, show: Show) -> None:
    now = clock.now()
    day = (now - DAY).date().isoformat()

    def write(conn: Conn) -> None:
        answering(conn, now)
        for number in range(5):
            look(conn, "webhook", "acme.test", now, f"{day} 192.0.2.{number}", complained=number, sent=1000)

    house.store.write_sync(write)
    (row,) = [line for line in show("acme.test")[1].splitlines() if line.split()[1:2] == ["webhook"]]
    assert "192.0.2.0 complained 0 of 1,000; " in row and row.count("complained") == 3 and "; 2 more" in row


def test_who_is_not_configured_and_what_is_not_there(house: House, show: Show) -> None:
    with pytest.raises(UsageFault, match="not a configured domain"):
        show("acme.tset")
    text = house.config.read_text()
    house.config.write_text(text[: text.index('[domains."acme.test"]')])
    assert show() == (Code.GOOD, "No domain is configured.\n")
    house.config.write_text(text.replace("deliverd.db", "elsewhere.db"))
    with pytest.raises(SchemaMissing):
        show()
