"""What an alert says: every line of every kind."""

from dataclasses import replace
from typing import Any

import pytest
from core.builders import DAY, DOMAIN, HOUR, LEVER, NOW, PAUSED, RUNNING, decision, incident, throttled

from deliverd.model import Decision, Incident, Mode, Outcome, Severity, Standing
from deliverd.render import NEXT, LeverState, lever_line, undo, words

DONE = LeverState(LEVER, PAUSED, Outcome.CONFIRMED, 1, NOW)
NOT_TRIED = LeverState(LEVER, PAUSED)
LOOSE = LeverState(LEVER, PAUSED, Outcome.UNCONFIRMED, 3, NOW, "it said yes, and is running")
LEFT_RUNNING = LeverState(LEVER, RUNNING, Outcome.CONFIRMED, 1, NOW)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        pytest.param(NOT_TRIED, "mail/domain:acme.com paused: not done yet", id="not tried"),
        pytest.param(DONE, "mail/domain:acme.com paused: confirmed at 12:00:00 UTC", id="confirmed"),
        pytest.param(
            replace(DONE, attempt=2, detail="a detail of no more interest"),
            "mail/domain:acme.com paused: confirmed at 12:00:00 UTC after 2 attempts",
            id="confirmed at last",
        ),
        pytest.param(
            LOOSE,
            "mail/domain:acme.com paused: unconfirmed at 12:00:00 UTC after 3 attempts (it said yes, and is running)",
            id="unconfirmed",
        ),
        pytest.param(
            LeverState(LEVER, throttled(1500), Outcome.FAILED, 1),
            "mail/domain:acme.com throttled to 1,500 a day: failed",
            id="failed, with nothing more known",
        ),
    ],
)
def test_one_lever_in_one_line(state: LeverState, line: str) -> None:
    assert lever_line(state) == line


def pause(**over: Any) -> Decision:
    return decision(Standing.PAUSED, at=NOW - HOUR, rule="complaints-pause", reason="6 complaints about 2,000", **over)


ACTS = incident(facts={"acts": True})
PROPOSES = incident(facts={"acts": False})


def test_a_pause_says_what_why_when_what_next_and_how_to_undo_it() -> None:
    title, body = words(ACTS, pause(), [DONE])
    assert title == "PAGE acme.com is PAUSED, confirmed by the platform"
    assert body.splitlines() == [
        "Why      6 complaints about 2,000",
        "Before   healthy",
        "Decided  by policy at Sun 22 Nov 11:00:00 UTC, rule complaints-pause",
        "Done     mail/domain:acme.com paused: confirmed at 12:00:00 UTC",
        f"Next     {NEXT[Standing.PAUSED]}",
        'Undo     deliverd resume acme.com --reason "..."',
        "More     deliverd explain acme.com",
    ]


HALF = decision(Standing.THROTTLED, limit=throttled(500))


@pytest.mark.parametrize(
    ("made", "levers", "title"),
    [
        pytest.param(pause(), [DONE, DONE], "is PAUSED, confirmed by the platform", id="all confirmed"),
        pytest.param(pause(), [DONE, LOOSE], "is PAUSED, NOT CONFIRMED by the platform yet", id="one is not"),
        pytest.param(pause(), [NOT_TRIED], "is PAUSED, NOT CONFIRMED by the platform yet", id="not tried yet"),
        pytest.param(pause(), [], "is PAUSED", id="no lever"),
        pytest.param(decision(Standing.WATCH), [LEFT_RUNNING], "is WATCH", id="a watch asks nothing of the platform"),
        pytest.param(HALF, [LEFT_RUNNING], "is THROTTLED, which the PLATFORM CANNOT DO", id="left running"),
        pytest.param(HALF, [DONE], "is THROTTLED, confirmed by the platform", id="somebody's stricter pause"),
        pytest.param(
            HALF, [replace(DONE, limit=throttled(500))], "is THROTTLED, confirmed by the platform", id="throttled"
        ),
        pytest.param(
            HALF, [replace(DONE, limit=throttled(501))], "is THROTTLED, which the PLATFORM CANNOT DO", id="not that far"
        ),
        pytest.param(HALF, [DONE, LEFT_RUNNING], "is THROTTLED, which the PLATFORM CANNOT DO", id="one of two cannot"),
    ],
)
def test_the_title_claims_no_more_than_the_platform_confirmed(
    made: Decision, levers: list[LeverState], title: str
) -> None:
    assert words(ACTS, made, levers)[0] == f"PAGE acme.com {title}"


@pytest.mark.parametrize(
    ("standing", "undone"), [(it, it not in (Standing.HEALTHY, Standing.WATCH)) for it in Standing]
)
def test_what_holds_mail_back_comes_with_the_command_that_undoes_it(standing: Standing, undone: bool) -> None:
    _, body = words(ACTS, decision(standing), [])
    assert ("\nUndo " in body) is undone
    assert f"Next     {NEXT[standing]}" in body
    assert "Done     nothing to move" in body


def test_the_command_that_undoes_what_holds_a_domain_back() -> None:
    assert undo(DOMAIN) == 'deliverd resume acme.com --reason "..."'


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        (Mode.PROPOSE, ["Next     Nothing is done until a person approves it.", "Approve  deliverd approve acme.com"]),
        (
            Mode.OBSERVE,
            ['Next     Nothing is done in mode "observe"; set mode = "propose" or "enforce" for the domain to act.'],
        ),
    ],
)
def test_what_is_only_proposed_or_observed_says_that_nothing_was_changed(mode: Mode, rows: list[str]) -> None:
    title, body = words(PROPOSES, pause(mode=mode), [DONE])
    assert title == f"PAGE acme.com would be paused: {mode} only, nothing was changed"
    assert body.splitlines()[3:] == [*rows, "More     deliverd explain acme.com"]
    assert "Done" not in body


def test_blindness() -> None:
    title, body = words(incident("blind", severity=Severity.NOTIFY, facts={"sources": ["dkim", "spf"]}), None, [])
    assert title == "acme.com: deliverd is blind to dkim, spf"
    assert body.startswith("Why    dkim, spf did not answer for longer than the policy's stale_after_minutes\nMeans  ")
    assert "nothing is paused for it" in body


UNCONFIRMED = incident("unconfirmed", facts={"levers": {"mail/domain:acme.com": "paused failed, attempt 2: 403"}})


def test_an_act_that_did_not_hold_says_what_was_wanted_and_what_a_person_can_do() -> None:
    title, body = words(UNCONFIRMED, pause(), [LOOSE])
    assert title == "PAGE acme.com: UNCONFIRMED, the platform does not do as it was told"
    rows = body.splitlines()
    assert rows[:3] == [
        "Wanted  paused, because 6 complaints about 2,000",
        "Lever   mail/domain:acme.com: paused failed, attempt 2: 403",
        "Means   Mail may still be leaving.",
    ]
    assert [row.split()[0] for row in rows[3:]] == ["Next", "Do", "More"]


def test_an_act_that_did_not_hold_without_a_decision() -> None:
    assert words(UNCONFIRMED, None, [])[1].startswith("Lever  mail/domain:acme.com")


@pytest.mark.parametrize(
    ("one", "title", "rows"),
    [
        (
            incident("foreign-pause", facts={"texts": ["one", "two"]}),
            "PAGE acme.com: foreign pause",
            ["Seen  one", "Seen  two"],
        ),
        (incident("no-lever"), "PAGE acme.com: no lever", []),
        (incident("standing"), "PAGE acme.com: standing", []),
    ],
    ids=["texts", "without texts", "a standing whose decision is not there"],
)
def test_anything_else_is_told_in_the_words_it_was_noticed_in(one: Incident, title: str, rows: list[str]) -> None:
    assert words(one, None, [DONE]) == (title, "\n".join([*rows, "More  deliverd explain acme.com"]))


SINCE = "Since  Sun 22 Nov 11:00:00 UTC"


@pytest.mark.parametrize(
    ("one", "made", "title", "rows"),
    [
        (incident("standing"), pause(), "is healthy again", [SINCE, "Why    6 complaints about 2,000"]),
        (incident("standing"), None, "is healthy again", [SINCE]),
        (incident("blind"), pause(), ": deliverd sees again", [SINCE]),
        (
            UNCONFIRMED,
            pause(),
            ": confirmed by the platform now",
            [SINCE, "Done   mail/domain:acme.com paused: confirmed at 12:00:00 UTC"],
        ),
        (incident("drift", facts={"texts": ["so"]}), pause(), ": drift: over", [SINCE, "Seen   so"]),
    ],
    ids=["standing", "standing without a decision", "blind", "unconfirmed", "drift"],
)
def test_what_is_over_is_never_a_page(one: Incident, made: Decision | None, title: str, rows: list[str]) -> None:
    over = replace(one, closed_at=NOW)
    glue = "" if title.startswith(":") else " "
    assert words(over, made, [DONE]) == (
        f"acme.com{glue}{title}",
        "\n".join([*rows, "More   deliverd explain acme.com"]),
    )


@pytest.mark.parametrize(("repeat", "ending"), [(0, "platform"), (1, "(still so, told 2 times)"), (4, "told 5 times)")])
def test_a_repeat_says_how_often_it_was_told(repeat: int, ending: str) -> None:
    assert words(ACTS, pause(since=NOW - DAY), [DONE], repeat)[0].endswith(ending)
