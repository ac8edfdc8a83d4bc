"""Incidents and notices: one open incident a cause, one next version, each version claimed once by each owner."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from deliverd.model import Incident, Notice, Severity
from deliverd.store import incidents, notices
from deliverd.store.faults import Conflict
from peers.values import NOW, incident, minutes


def next_version(before: Incident, *, closed: datetime | None = None, **others: object) -> Incident:
    changed = NOW + minutes(before.version)
    return replace(before, version=before.version + 1, changed_at=changed, closed_at=closed, **others)


def notice(of: Incident, owner: str = "growth", repeat: int = 0) -> Notice:
    return Notice(of.id, of.version, owner, repeat, NOW, "acme.com paused", "because of \x00 complaints")


def test_one_open_incident_a_cause(conn: Connection) -> None:
    opened = incidents.append(conn, incident())
    assert opened == incident(id=opened.id)
    with pytest.raises(Conflict):
        incidents.append(conn, incident(opened_at=NOW + minutes(1)))
    blind = incidents.append(conn, incident(cause="blind", severity=Severity.NOTIFY))
    other = incidents.append(conn, incident(domain="b.com"))
    assert incidents.open_incidents(conn) == (opened, blind, other)
    assert incidents.open_incidents(conn, "acme.com") == (opened, blind)


def test_versions_follow_one_another(conn: Connection) -> None:
    first = incidents.append(conn, incident())
    second = incidents.append(conn, next_version(first, facts={"complaints": 9}))
    assert second.id == first.id
    for stale in (
        next_version(first),
        next_version(next_version(second)),
        next_version(replace(second, id=second.id + 1)),
    ):
        with pytest.raises(Conflict):
            incidents.append(conn, stale)
    assert incidents.open_incidents(conn) == (second,)
    assert incidents.recent(conn, "acme.com", 10) == (second, first)
    assert incidents.recent(conn, "acme.com", 1) == (second,)


def test_closed_stays_closed_and_may_come_again(conn: Connection) -> None:
    first = incidents.append(conn, incident())
    closed = incidents.append(conn, next_version(first, closed=NOW + minutes(1)))
    assert incidents.open_incidents(conn) == ()
    with pytest.raises(Conflict):
        incidents.append(conn, next_version(closed))
    again = incidents.append(conn, incident(opened_at=NOW + minutes(9)))
    assert again.id > first.id
    assert incidents.open_incidents(conn) == (again,)


def test_untold_are_the_open_and_the_freshly_closed_nobody_heard_of(conn: Connection) -> None:
    opened = incidents.append(conn, incident(cause="drift"))
    closed, told, failed = (
        incidents.append(conn, next_version(incidents.append(conn, incident(cause=cause)), closed=NOW + minutes(1)))
        for cause in ("standing", "blind", "unconfirmed")
    )
    for one, sent in ((told, True), (failed, False)):
        claimed = notices.claim(conn, notice(one))
        assert claimed is not None
        notices.settle(conn, claimed.id, NOW, sent, "")
    assert incidents.untold(conn, NOW, NOW) == (opened, closed, failed)
    assert incidents.untold(conn, NOW + timedelta(days=7), NOW) == (opened,)


def test_an_open_incident_is_told_again_only_after_a_while_or_a_change(conn: Connection) -> None:
    opened = incidents.append(conn, incident())
    claimed = notices.claim(conn, notice(opened))
    assert claimed is not None
    notices.settle(conn, claimed.id, NOW + minutes(5), True, "")
    assert incidents.untold(conn, NOW, NOW) == ()
    assert incidents.untold(conn, NOW, NOW + minutes(5)) == (opened,)
    changed = incidents.append(conn, next_version(opened))
    assert incidents.untold(conn, NOW, NOW) == (changed,)


def test_domains_with_an_open_incident_of_a_cause(conn: Connection) -> None:
    opened = incidents.append(conn, incident(cause="unconfirmed"))
    incidents.append(conn, incident(cause="blind", domain="b.com"))
    assert incidents.domains_with(conn, "unconfirmed") == {opened.domain}
    incidents.append(conn, next_version(opened, closed=NOW))
    assert incidents.domains_with(conn, "unconfirmed") == frozenset()


def test_telling_is_claimed_once(conn: Connection) -> None:
    first = incidents.append(conn, incident())
    claimed = notices.claim(conn, notice(first))
    assert claimed is not None
    assert notices.claim(conn, notice(first)) is None
    assert notices.claim(conn, notice(first, repeat=1)) is not None
    assert notices.claim(conn, notice(first, owner="ops")) is not None
    second = incidents.append(conn, next_version(first))
    assert notices.claim(conn, notice(second)) is not None


def test_notice_is_about_something(conn: Connection) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        notices.claim(conn, notice(incident(id=12345)))


def test_notice_tells_how_it_went(conn: Connection) -> None:
    opened = incidents.append(conn, incident())
    claimed = notices.claim(conn, notice(opened))
    assert claimed is not None
    plain = replace(claimed, body="because of \ufffd complaints")
    assert notices.of_incidents(conn, [opened.id]) == (plain,)
    notices.settle(conn, claimed.id, NOW + minutes(1), sent=False, detail="mailto: refused")
    tried = replace(plain, failed_at=NOW + minutes(1), detail="mailto: refused")
    assert notices.of_incidents(conn, [opened.id]) == (tried,)
    notices.settle(conn, claimed.id, NOW + minutes(2), sent=True, detail="taken by 1 channel")
    sent = replace(plain, sent_at=NOW + minutes(2), detail="taken by 1 channel")
    assert notices.of_incidents(conn, [opened.id]) == (sent,)
    notices.settle(conn, claimed.id, NOW + minutes(3), sent=False, detail="again refused")
    found = notices.of_incidents(conn, [opened.id, 10**9])[0]
    assert (found.sent_at, found.failed_at) == (NOW + minutes(2), NOW + minutes(3))
    assert notices.of_incidents(conn, []) == ()
