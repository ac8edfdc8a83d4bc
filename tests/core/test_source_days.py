"""When the numbers of a day should be there."""

from datetime import UTC, date, datetime, timedelta

import pytest
from core.builders import NOW, day, never_seen
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.coverage import DayMail
from deliverd.core.source_days import Day, Volumes, days_of, deadline, due, is_day, next_by, overdue, volumes
from deliverd.core.sources import About, about
from deliverd.model import Look

GOOGLE, PLATFORM, NEVER = about("google_postmaster"), about("sendgrid"), about("spf")
NOTHING = volumes(())


def nov(number: int) -> date:
    return date(2026, 11, number)


def told(*numbers: int) -> tuple[Day, ...]:
    return tuple(Day(nov(number), "", {"spam_rate": 0.0}) for number in numbers)


def sent(volume: int, *numbers: int, provider: str = "google") -> Volumes:
    return volumes([DayMail(nov(number), provider, volume, 0, 0) for number in numbers])


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("2026-11-20", (nov(20), "")),
        ("2026-11-20 192.0.2.1", (nov(20), "192.0.2.1")),
        ("2001:db8::1/2026-11-20", (nov(20), "2001:db8::1")),
        ("2026-11-23", (nov(23), "")),
        ("2026-11-24", None),
        ("2026-10-25", (date(2026, 10, 25), "")),
        ("2026-10-24", None),
        ("2026-02-31", None),
        ("20261120", None),
        ("s2026-11-20", None),
        ("2026-11-20x", None),
        ("", None),
    ],
)
def test_a_day_is_found_in_a_part(part: str, found: tuple[date, str] | None) -> None:
    """NOW is the 22nd: tomorrow may have begun elsewhere, and 28 days back is far enough."""
    days = days_of([day(part, spam_rate=0.001)], NOW)
    assert [(one.day, one.part) for one in days] == ([found] if found else [])


def test_what_names_a_day_is_no_look_at_the_whole() -> None:
    assert is_day("2026-11-20") and is_day("2026-11-20 192.0.2.1") and is_day("2026-02-31")
    assert not is_day("") and not is_day("account") and not is_day("20230601")


def test_days_come_in_order_and_unseen_ones_not_at_all() -> None:
    looks: list[Look] = [day("2026-11-20", n=1), never_seen("google_postmaster", "2026-11-21"), day("2026-11-19", n=2)]
    assert [one.day for one in days_of(looks, NOW)] == [nov(19), nov(20)]


def test_volumes_by_day_and_provider() -> None:
    found = volumes(
        [DayMail(nov(20), "google", 3, 9, 0), DayMail(nov(20), "", 4, 9, 0), DayMail(nov(21), "yahoo", 0, 9, 1)]
    )
    assert found == Volumes({nov(20): 7}, {(nov(20), "google"): 3, (nov(20), ""): 4}, placed=True)
    assert not volumes([DayMail(nov(20), "", 4, 0, 0)]).placed


def test_a_deadline_is_the_lag_after_the_end_of_the_day() -> None:
    assert deadline(GOOGLE, nov(18)) == datetime(2026, 11, 22, tzinfo=UTC)
    assert deadline(NEVER, nov(18)) == datetime(2026, 11, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "days", "mail", "expected", "late", "following"),
    [
        pytest.param(NEVER, told(18), sent(9, 19), (), (), None, id="tells of no days"),
        pytest.param(GOOGLE, (), sent(900, 10, 11), (), (), None, id="no day yet: nothing to go by"),
        pytest.param(GOOGLE, told(18), sent(900, 17, 18, 19), (nov(18),), (), 23, id="17 was before the first"),
        pytest.param(GOOGLE, told(17), sent(900, 17, 18, 19), (nov(17), nov(18)), (nov(18),), 22, id="18 is late"),
        pytest.param(GOOGLE, told(16), sent(900, 16, 18), (nov(16), nov(18)), (nov(18),), 22, id="17 was quiet"),
        pytest.param(
            GOOGLE, told(16, 18), sent(900, *range(16, 22)), tuple(map(nov, (16, 17, 18))), (), 23, id="a gap"
        ),
        pytest.param(GOOGLE, told(16), sent(99, *range(16, 23)), (), (), None, id="too little mail"),
        pytest.param(GOOGLE, told(16), sent(100, 22), (), (), 26, id="just enough, today"),
        pytest.param(GOOGLE, told(16), sent(900, 17, provider="yahoo"), (), (), None, id="none to Gmail"),
        pytest.param(GOOGLE, told(22), sent(900, 22), (), (), None, id="today already, and tomorrow is not known"),
        pytest.param(GOOGLE, told(18), NOTHING, (), (), 30, id="who knows what was sent: patience"),
        pytest.param(GOOGLE, told(10), NOTHING, (), (nov(11),), 22, id="patience is over at midnight"),
        pytest.param(GOOGLE, told(11), NOTHING, (), (), 23, id="patience is not over"),
        pytest.param(GOOGLE, told(11), sent(900, 17, provider=""), (), (), 23, id="where it went is not known"),
        pytest.param(
            PLATFORM, told(18), sent(1, 18, 19, provider=""), (nov(18), nov(19)), (nov(19),), 21, id="all mail"
        ),
        pytest.param(PLATFORM, told(1), NOTHING, (), (), None, id="a platform is silent of days without mail"),
    ],
)
def test_what_should_be_there(
    facts: About,
    days: tuple[Day, ...],
    mail: Volumes,
    expected: tuple[date, ...],
    late: tuple[date, ...],
    following: int | None,
) -> None:
    assert due(facts, days, mail, NOW) == expected
    assert overdue(facts, days, mail, NOW) == late
    by = next_by(facts, days, mail, NOW)
    assert by == (None if following is None else datetime(2026, 11, following, tzinfo=UTC))


numbers = st.lists(st.integers(1, 22), unique=True, max_size=22)


@given(st.sampled_from([GOOGLE, PLATFORM, NEVER]), numbers, numbers, st.sampled_from([0, 1, 100]))
def test_laws_of_days(facts: About, days: list[int], mailed: list[int], volume: int) -> None:
    came, mail = told(*sorted(days)), sent(volume, *sorted(mailed))
    late, by = overdue(facts, came, mail, NOW), next_by(facts, came, mail, NOW)
    # What is late is due and has not come; what is late was to be expected by now.
    assert not set(late) & {one.day for one in came}
    assert not late or (by is not None and by <= NOW)
    assert not mail.known(facts) or set(late) <= set(due(facts, came, mail, NOW))
    # Nothing becomes late before its time, and waiting never makes up for it.
    assert set(late) <= set(overdue(facts, came, mail, NOW + timedelta(days=1)))
