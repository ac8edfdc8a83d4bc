"""What is worth telling, when it is due, and when again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from core.builders import (
    DAY,
    DOMAIN,
    HOUR,
    LEVER,
    MINUTE,
    NOW,
    PAUSED,
    RUNNING,
    TICK,
    decision,
    incident,
    notice,
    throttled,
)
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core import alert
from deliverd.core.alert import Cause, Due, changes, due, judged, reconciled
from deliverd.model import (
    Decision,
    Finding,
    FindingKind,
    Incident,
    Limit,
    Mode,
    Notice,
    Severity,
    Standing,
)

NOTIFY, PAGE = Severity.NOTIFY, Severity.PAGE
STEPPED_UP = decision(Standing.RECOVERING, previous=Standing.RECOVERING, step=2)
FELL_BACK = decision(Standing.RECOVERING, previous=Standing.RECOVERING, step=0)
RESUMED = decision(Standing.RECOVERING, previous=Standing.PAUSED, step=0)


@pytest.mark.parametrize(
    ("last", "limit", "mode", "severity", "key"),
    [
        pytest.param(decision(Standing.WATCH), RUNNING, Mode.ENFORCE, NOTIFY, "watch/0/acts", id="a watch notifies"),
        pytest.param(decision(Standing.WATCH), None, Mode.OBSERVE, NOTIFY, "watch/0/observe", id="a watch, observed"),
        pytest.param(
            decision(Standing.THROTTLED), throttled(5), Mode.ENFORCE, PAGE, "throttled/0/acts", id="a throttle pages"
        ),
        pytest.param(decision(Standing.PAUSED), PAUSED, Mode.ENFORCE, PAGE, "paused/0/acts", id="a pause pages"),
        pytest.param(decision(Standing.PAUSED), None, Mode.PROPOSE, PAGE, "paused/0/propose", id="a proposal pages"),
        pytest.param(
            decision(Standing.PAUSED), None, Mode.OBSERVE, NOTIFY, "paused/0/observe", id="observing never pages"
        ),
        pytest.param(RESUMED, throttled(5), Mode.ENFORCE, NOTIFY, "recovering/0/acts", id="the way back is no page"),
        pytest.param(STEPPED_UP, throttled(5), Mode.ENFORCE, NOTIFY, "recovering/2/acts", id="each step up is news"),
        pytest.param(FELL_BACK, throttled(5), Mode.ENFORCE, PAGE, "recovering/0/acts", id="falling back pages"),
    ],
)
def test_how_a_standing_is_told(last: Decision, limit: Limit | None, mode: Mode, severity: Severity, key: str) -> None:
    facts = {"decision_id": 70, "standing": last.standing.value, "acts": limit is not None, "mode": mode.value}
    assert judged(last, limit, mode, (), "") == [Cause("standing", severity, key, facts)]


@pytest.mark.parametrize("last", [None, decision(Standing.HEALTHY)], ids=["never judged", "healthy"])
def test_nothing_is_told_of_a_healthy_domain(last: Decision | None) -> None:
    assert judged(last, RUNNING, Mode.ENFORCE, (), "") == []


@pytest.mark.parametrize(
    ("last", "severity"),
    [
        pytest.param(None, NOTIFY, id="never judged"),
        pytest.param(decision(Standing.WATCH), NOTIFY, id="nothing is held back"),
        pytest.param(decision(Standing.THROTTLED), PAGE, id="throttled: it cannot be given back"),
        pytest.param(decision(Standing.RECOVERING), PAGE, id="recovering: it cannot go on"),
        pytest.param(decision(Standing.PAUSED), PAGE, id="paused"),
    ],
)
def test_blindness_pages_when_something_is_held_back(last: Decision | None, severity: Severity) -> None:
    causes = judged(last, None, Mode.ENFORCE, ("dkim", "spf"), "")
    assert causes[-1] == Cause("blind", severity, "dkim,spf", {"sources": ["dkim", "spf"]})


def test_levers_that_cannot_be_found_page() -> None:
    assert judged(None, None, Mode.ENFORCE, (), "no such tenant") == [
        Cause("no-lever", PAGE, "no-lever", {"texts": ["no such tenant"]})
    ]


def found(kind: FindingKind, text: str) -> Finding:
    return Finding(kind, LEVER, DOMAIN, text)


@pytest.mark.parametrize(
    ("findings", "unconfirmed", "causes"),
    [
        pytest.param([], {}, [], id="all well"),
        pytest.param(
            [],
            {"b": "timeout", "a": "403"},
            [Cause("unconfirmed", PAGE, "a,b", {"levers": {"b": "timeout", "a": "403"}})],
            id="an act that did not hold pages, whatever the order of the levers",
        ),
        pytest.param(
            [found(FindingKind.DRIFT, "one"), found(FindingKind.FOREIGN_PAUSE, "x"), found(FindingKind.DRIFT, "two")],
            {},
            [
                Cause("drift", PAGE, "drift", {"texts": ["one", "two"]}),
                Cause("foreign-pause", NOTIFY, "foreign-pause", {"texts": ["x"]}),
            ],
            id="drift pages, somebody's own pause notifies",
        ),
        pytest.param(
            [found(FindingKind.CANNOT_THROTTLE, "so")],
            {},
            [Cause("cannot-throttle", PAGE, "cannot-throttle", {"texts": ["so"]})],
            id="what the platform cannot do pages",
        ),
        pytest.param(
            [found(FindingKind.WAITING, "x"), found(FindingKind.UNREADABLE, "x")], {}, [], id="waiting is no news"
        ),
    ],
)
def test_what_reconciling_tells(findings: list[Finding], unconfirmed: dict[str, str], causes: list[Cause]) -> None:
    assert reconciled(findings, unconfirmed) == causes


def test_every_cause_belongs_to_one_arrow() -> None:
    assert not set(alert.JUDGED) & set(alert.RECONCILED)
    every = [found(kind, "x") for kind in FindingKind]
    assert {cause.cause for cause in reconciled(every, {"a": "b"})} == set(alert.RECONCILED)
    late = {"google_postmaster": "no numbers of 2026-11-18, which were to be expected"}
    told = judged(decision(Standing.PAUSED), PAUSED, Mode.ENFORCE, ("spf",), "none", late=late, ending=("soon",))
    assert {cause.cause for cause in told} == set(alert.JUDGED)


def test_when_a_blind_source_should_have_answered() -> None:
    (cause,) = judged(None, None, Mode.ENFORCE, ("spf",), "", expected_by={"spf": NOW, "dmarc": NOW})
    assert cause.facts == {"sources": ["spf"], "expected_by": {"spf": NOW.isoformat()}}


PAUSE = Cause("standing", PAGE, "paused/0/acts", {"standing": "paused"})
OPEN = incident(facts={"standing": "throttled", "key": "throttled/0/acts"}, severity=NOTIFY, version=4)
SCOPE = ("standing", "blind")


def test_a_new_cause_opens_an_incident() -> None:
    facts = {"standing": "paused", "key": "paused/0/acts"}
    assert changes(DOMAIN, SCOPE, [], [PAUSE], NOW) == [Incident(DOMAIN, "standing", PAGE, NOW, NOW, 1, facts)]


def test_a_new_key_makes_a_new_version_that_says_what_was() -> None:
    facts = {"standing": "paused", "key": "paused/0/acts", "was": "throttled"}
    assert changes(DOMAIN, SCOPE, [OPEN], [PAUSE], NOW) == [
        replace(OPEN, severity=PAGE, changed_at=NOW, version=5, facts=facts)
    ]


def test_a_change_of_an_incident_that_had_no_standing() -> None:
    blind = incident("blind", facts={"key": "spf"})
    (row,) = changes(DOMAIN, SCOPE, [blind], [Cause("blind", PAGE, "dkim,spf")], NOW)
    assert row.facts == {"key": "dkim,spf", "was": ""}


def test_the_same_key_is_no_news_whatever_the_facts() -> None:
    same = replace(PAUSE, key="throttled/0/acts", severity=PAGE, facts={"standing": "other"})
    assert changes(DOMAIN, SCOPE, [OPEN], [same], NOW) == []


def test_a_cause_that_is_gone_closes_its_incident() -> None:
    assert changes(DOMAIN, SCOPE, [OPEN], [], NOW) == [replace(OPEN, changed_at=NOW, version=5, closed_at=NOW)]


def test_another_arrows_incident_is_left_alone() -> None:
    assert changes(DOMAIN, ("blind",), [OPEN], [], NOW) == []


causes = st.lists(
    st.builds(Cause, st.sampled_from(["standing", "blind", "drift"]), st.sampled_from(Severity), st.sampled_from("ab")),
    unique_by=lambda cause: cause.cause,
)


@given(causes, causes)
def test_writing_the_changes_leaves_no_change_to_write(before: list[Cause], holding: list[Cause]) -> None:
    scope = ("standing", "blind", "drift")
    first = changes(DOMAIN, scope, [], before, NOW)
    rows = {row.cause: row for row in first} | {row.cause: row for row in changes(DOMAIN, scope, first, holding, NOW)}
    standing = [row for row in rows.values() if row.closed_at is None]
    assert {row.cause: row.facts["key"] for row in standing} == {cause.cause: cause.key for cause in holding}
    assert changes(DOMAIN, scope, standing, holding, NOW + DAY) == []


EVERY, WAIT = 24 * HOUR, timedelta(seconds=10)


def at(
    incidents: Sequence[Incident],
    notices: Sequence[Notice],
    undecided: Mapping[int, datetime] | None = None,
    now: datetime = NOW,
) -> list[Due]:
    return due(incidents, notices, undecided or {}, EVERY, WAIT, now)


NEW, CHANGED = incident(), incident(version=2)
CLOSED = incident(version=2, closed_at=NOW)
CUT_OFF, SENT = notice(id=8), notice(sent_at=NOW - HOUR)


def sent(ago: timedelta, **over: Any) -> Notice:
    return notice(sent_at=NOW - ago, **over)


def refused(ago: timedelta, **over: Any) -> Notice:
    return notice(failed_at=NOW - ago, **over)


HALF_MINUTE = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("one", "notices", "expected"),
    [
        pytest.param(NEW, [], Due(NEW, 0), id="never told"),
        pytest.param(NEW, [SENT], None, id="told"),
        pytest.param(CHANGED, [SENT], Due(CHANGED, 0), id="changed since it was told"),
        pytest.param(CHANGED, [SENT, sent(HOUR, version=2)], None, id="and the change told"),
        pytest.param(NEW, [notice(incident_id=4, sent_at=NOW)], Due(NEW, 0), id="another incident was told"),
        pytest.param(NEW, [CUT_OFF], Due(NEW, 0, CUT_OFF), id="cut off while sending: at once, the same words"),
        pytest.param(NEW, [sent(EVERY)], Due(NEW, 1), id="still so after a day, to the microsecond"),
        pytest.param(NEW, [sent(EVERY - TICK)], None, id="a moment before"),
        pytest.param(NEW, [sent(3 * DAY), sent(EVERY, repeat=1)], Due(NEW, 2), id="the next repeat"),
        pytest.param(NEW, [sent(HOUR, repeat=1), sent(3 * DAY)], None, id="the newest repeat counts, in any order"),
        pytest.param(
            NEW, [sent(3 * DAY), notice(repeat=1, id=8)], Due(NEW, 1, notice(repeat=1, id=8)), id="a repeat cut off"
        ),
        pytest.param(NEW, [refused(HALF_MINUTE - TICK)], None, id="refused just now: a little later"),
        pytest.param(NEW, [refused(HALF_MINUTE)], Due(NEW, 0, refused(HALF_MINUTE)), id="refused half a minute ago"),
        pytest.param(CLOSED, [], None, id="over before anybody was told: no word"),
        pytest.param(CLOSED, [SENT], Due(CLOSED, 0), id="over: told to those who know of it"),
        pytest.param(CLOSED, [CUT_OFF], Due(CLOSED, 0), id="over while it was being told: they may know of it"),
        pytest.param(CLOSED, [SENT, sent(9 * DAY, version=2)], None, id="what is over is not repeated"),
        pytest.param(
            replace(CLOSED, cause="drift"), [], Due(replace(CLOSED, cause="drift"), 0), id="mended drift is told"
        ),
    ],
)
def test_what_is_due(one: Incident, notices: list[Notice], expected: Due | None) -> None:
    assert at([one], notices) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("undecided", "told"),
    [
        pytest.param({3: NOW - WAIT + TICK}, False, id="its act has not held yet: a moment's patience"),
        pytest.param({3: NOW - WAIT}, True, id="but no longer than that"),
        pytest.param({4: NOW}, True, id="another one's act is no reason to wait"),
    ],
)
def test_waiting_for_a_result(undecided: dict[int, datetime], told: bool) -> None:
    assert at([NEW], [], undecided) == ([Due(NEW, 0)] if told else [])


def test_every_incident_is_looked_at() -> None:
    other = incident("blind", id=4)
    assert at([NEW, other, incident(id=5)], [notice(incident_id=5, sent_at=NOW)]) == [Due(NEW, 0), Due(other, 0)]


@dataclass
class Teller:
    """The tell arrow without a store. It keeps nothing between runs but the rows: every run is a restart."""

    incidents: dict[int, Incident] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    sent: list[tuple[int, int, int]] = field(default_factory=list)
    now: datetime = NOW

    def hold(self, key: str) -> None:
        """The cause holds with this key ("" for not at all); append what changes."""
        standing = [row for row in self.incidents.values() if row.closed_at is None]
        holding = [Cause("standing", PAGE, key)] if key else []
        for row in changes(DOMAIN, SCOPE, standing, holding, self.now):
            id_ = row.id or len(self.incidents) + 1
            self.incidents[id_] = replace(row, id=id_)

    def tell(self, fate: str) -> None:
        for row in at(list(self.incidents.values()), self.notices, now=self.now):
            made = notice(incident_id=row.incident.id, version=row.incident.version, repeat=row.repeat, at=self.now)
            if row.claimed is not None:
                self.notices.remove(row.claimed)
            if fate == "sent":
                self.sent.append((made.incident_id, made.version, made.repeat))
            outcome: dict[str, Any] = {"sent": {"sent_at": self.now}, "refused": {"failed_at": self.now}}.get(fate, {})
            self.notices.append(replace(made, **outcome))


ticks = st.lists(
    st.tuples(
        st.sampled_from([timedelta(0), MINUTE, EVERY]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["sent", "sent", "refused", "cut off"]),
    ),
    max_size=15,
)


def told_through(story: list[tuple[timedelta, str, str]]) -> Teller:
    teller = Teller()
    for passes, key, fate in story:
        teller.now += passes
        teller.hold(key)
        teller.tell(fate)
    return teller


@given(ticks)
def test_no_version_is_told_twice_but_as_a_repeat_and_a_restart_repeats_nothing(story: Any) -> None:
    teller = told_through(story)
    assert len(set(teller.sent)) == len(teller.sent)
    teller.now += MINUTE
    teller.tell("sent")
    before = list(teller.sent)
    teller.tell("sent")
    assert teller.sent == before


@given(ticks)
def test_what_is_open_has_been_told_in_its_newest_version_once_the_channel_works(story: Any) -> None:
    teller = told_through(story)
    teller.now += MINUTE
    teller.tell("sent")
    told = {(id_, version) for id_, version, _ in teller.sent}
    assert {(row.id, row.version) for row in teller.incidents.values() if row.closed_at is None} <= told


@given(st.integers(1, 6))
def test_repeats_count_up_one_a_day(days: int) -> None:
    teller = told_through([(timedelta(0), "a", "sent")] + [(EVERY, "a", "sent"), (MINUTE, "a", "sent")] * days)
    assert teller.sent == [(1, 1, repeat) for repeat in range(days + 1)]
