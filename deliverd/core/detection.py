"""The complaint detector as a rule: what it calls for, in words, and all that it takes to work it out again.

numpy is loaded with the first complaint, not before: most domains have none, and it is most of an idle daemon's memory.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from deliverd.core.reach import LOOK_BACK
from deliverd.core.rules import Verdict, percent
from deliverd.model import Decision, HourlyMail, Standing
from deliverd.policy import DetectorRule, DetectorStep

if TYPE_CHECKING:
    from deliverd.core.cohorts import Cohorts
    from deliverd.core.detector import Evidence, Step

STANDINGS = {"pause": Standing.PAUSED, "throttle": Standing.THROTTLED, "notify": Standing.WATCH}
"""What each step calls for, strictest first."""

_NAMES = {"pause": "detector-pause", "throttle": "detector-throttle", "notify": "detector-watch"}
_EPOCH = date(1970, 1, 1)


def reaching_from(last: Decision | None, now: datetime) -> datetime:
    """From when on mail is weighed: as far back as the detector looks, cut off at the epoch of the last resume."""
    start = now - LOOK_BACK
    return max(start, last.epoch) if last and last.epoch else start


def uncounted(told: Mapping[date, int], counted: Mapping[date, int], today: date) -> tuple[tuple[int, int], ...]:
    """The messages that the platform itself tells of and that its events did not, by the last hour of the day (UTC).

    Of days that are over only: of today the platform may know more than has arrived. More mail can only lower the
    evidence; and without it, a platform that lost some of its events would make its domains look worse than they are.
    """
    missing = {day: told[day] - counted.get(day, 0) for day in sorted(told) if day < today}
    return tuple(((day - _EPOCH).days * 24 + 23, more) for day, more in missing.items() if more > 0)


def detector(rule: DetectorRule, mail: HourlyMail, since: datetime, more: tuple[tuple[int, int], ...] = ()) -> Verdict:
    """The strictest step that fires. `mail` is that sent from `since` on, `more` what its counts lack (`uncounted`).

    A complaint about an hour in which nothing is known to have been sent says nothing of a rate, and is left to the
    other rules.
    """
    rows = _known(mail)
    if not any(complained for _, _, complained in rows):
        return Verdict("detector", Standing.HEALTHY)
    # Here, not at the top of the file, for it loads numpy (see above).
    from deliverd.core.detector import weigh  # noqa: PLC0415

    table = _table(rows, more)
    found = weigh(table, [_step(name, getattr(rule, name)) for name in reversed(STANDINGS)])
    for place in range(len(found) - 1, -1, -1):
        if found[place].fires:
            return _verdict(rule, mail, since, more, found[place], found[place + 1 : place + 2])
    return Verdict("detector", Standing.HEALTHY)


def _known(mail: HourlyMail) -> list[tuple[int, int, int]]:
    sent: dict[int, int] = {}
    for hour, messages, _ in mail.rows:
        sent[hour] = sent.get(hour, 0) + messages
    return [row for row in mail.rows if sent[row[0]] > 0]


def _table(rows: list[tuple[int, int, int]], more: tuple[tuple[int, int], ...]) -> "Cohorts":
    from deliverd.core.cohorts import table_of  # noqa: PLC0415

    return table_of(*zip(*rows, *((hour, messages, 0) for hour, messages in more), strict=True))


def _step(name: str, given: DetectorStep) -> "Step":
    from deliverd.core.detector import Step  # noqa: PLC0415

    return Step(name, given.tolerated, given.alternatives, given.false_actions_per_domain_year, given.complaints)


def _verdict(
    rule: DetectorRule,
    mail: HourlyMail,
    since: datetime,
    more: tuple[tuple[int, int], ...],
    found: "Evidence",
    stricter: tuple["Evidence", ...],
) -> Verdict:
    given: DetectorStep = getattr(rule, found.step)
    plural = "complaint" if found.complaints == 1 else "complaints"
    reason = (
        f"{found.complaints:,} {plural} about {max(found.sends, found.complaints):,} messages sent since "
        f"{found.start:%a %d %b %H:%M} UTC: {percent(found.rate)}, where {percent(found.tolerated)} is tolerated; "
        f"enough at this volume to {found.step}" + "".join(f" (to {next_.step}: {next_.meter})" for next_ in stricter)
    )
    evidence = found.numbers() | {
        "feedback_providers": list(rule.feedback),
        "counted_from": since.isoformat(),
        "counted_through_event": mail.through,
        "uncounted_mail": [list(row) for row in more],
        "alternative_rates": list(given.alternatives),
        "false_actions_per_domain_year": given.false_actions_per_domain_year,
        "complaints_at_least": given.complaints,
        "threshold_source": given.source,
        "threshold_date": given.date,
    }
    return Verdict(_NAMES[found.step], STANDINGS[found.step], reason, evidence)


def is_detected(evidence: Mapping[str, Any]) -> bool:
    """Whether a decision's evidence is the detector's, and complete enough to be worked out again."""
    return {"detector_step", "counted_from", "counted_through_event", "alternative_rates"} <= evidence.keys()


def differences(evidence: Mapping[str, Any], mail: HourlyMail) -> tuple[str, ...]:
    """What of the detector's evidence in a decision does not come out of these counts again; nothing proves it."""
    from deliverd.core.detector import Step  # noqa: PLC0415
    from deliverd.core.detector import differences as compared  # noqa: PLC0415

    step = Step(
        evidence["detector_step"],
        evidence["tolerated_rate"],
        tuple(evidence["alternative_rates"]),
        evidence["false_actions_per_domain_year"],
        evidence["complaints_at_least"],
    )
    more = tuple((hour, messages) for hour, messages in evidence["uncounted_mail"])
    return compared(evidence, _table(_known(mail), more), step)
