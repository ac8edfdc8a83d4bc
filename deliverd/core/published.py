"""The published-rate guard: what others say of a domain's complaints on one day, against the policy's thresholds.

Three kinds of source say so, each with a denominator of its own: a mailbox provider's spam rate (Google Postmaster),
a sending platform's own counts, and the interval that a provider gives for an IP address (Microsoft SNDS).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from deliverd.core.rules import Verdict, percent
from deliverd.model import Look, Standing
from deliverd.policy import PublishedRule
from probes.observation import Reading, Seen

_VERBS = {Standing.WATCH: "watch", Standing.THROTTLED: "throttle", Standing.PAUSED: "pause"}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a source says of one day: a `rate` (ratio), and the `complaints` it means among `mail` messages.

    `mail` is 0 when nobody knows how many there were; `shared` is how many domains the figure is about.
    """

    rate: float
    complaints: float
    mail: int
    shared: int = 1


def published(rule: PublishedRule, days: Sequence[tuple[int, Look]], sends: Mapping[date, int], first: date) -> Verdict:
    """The worst day, from `first` on, that any source published.

    `days` are looks whose part begins with the day; `sends` are the domain's own messages, to anyone, by UTC day. All
    `>=`, on ratios: a rate of exactly the threshold acts. What acts is cautious both ways. A pause wants
    `rule.complaints` complaints; with fewer, or when nothing is known of that day's mail, the pause rate throttles and
    the throttle rate is watched. What is said of several domains together (a shared address) is only ever watched: it
    may all be another's doing.

    A day that is missing, or has no figure, is unseen: it calls for nothing and excuses nothing.
    """
    verdicts = [(0.0, Verdict("published", Standing.HEALTHY))]
    for id_, look in sorted(days, key=lambda row: (row[1].latest.part, row[1].latest.source), reverse=True):
        readings = look.seen.answer.readings if look.seen and isinstance(look.seen.answer, Seen) else {}
        day = date.fromisoformat(look.latest.part[:10])
        found = figure(readings, sends.get(day, 0))
        if found is not None and day >= first:
            verdicts.append((found.rate, _judged(rule, look, id_, day, found)))
    return max(verdicts, key=lambda pair: (pair[1].standing.rank, pair[0]))[1]


def figure(readings: Mapping[str, Reading], sent: int) -> Figure | None:
    """What the readings of a day say of complaints; `sent` is how many messages the domain sent that day (0: unknown).

    A spam rate is about one provider's mail only: times all messages sent it is an upper bound of the complaints. Of
    an interval the lower end counts: nobody is held back for what may be nothing.
    """
    if (rate := _number(readings, "spam_rate")) is not None:
        return Figure(rate, round(rate * sent, 6), sent)  # rounded: else 3 could be 2.9999999999999996
    if (complained := _number(readings, "complained")) is not None:
        told = _number(readings, "delivered") or _number(readings, "sent") or 0
        mail = int(max(told, complained))
        return Figure(complained / mail, complained, mail) if mail else None
    if (low := _number(readings, "complaint_rate_low")) is not None:
        mail = int(_number(readings, "message_recipients") or 0)
        return Figure(low, round(low * mail, 6), mail, int(_number(readings, "shared") or 1))
    return None


def _number(readings: Mapping[str, Reading], name: str) -> float | None:
    value = readings.get(name)
    return value if isinstance(value, int | float) else None


def _judged(rule: PublishedRule, look: Look, id_: int, day: date, found: Figure) -> Verdict:
    step, threshold, standing = _step(rule, found)
    if standing is Standing.HEALTHY:
        return Verdict("published", standing)
    acts = step != "watch"
    evidence: dict[str, Any] = {
        "source": look.latest.source,
        "day": day.isoformat(),
        "spam_rate": found.rate,
        "sent_that_day": found.mail or None,
        "implied_complaints": found.complaints if found.mail else None,
        "threshold": threshold,
        "complaints_needed": rule.complaints if acts else None,
        "threshold_source": rule.source,
        "threshold_date": rule.date,
    }
    if look.latest.part != day.isoformat():
        evidence |= {"part": look.latest.part, "shared": found.shared}
    needed = f" with at least {rule.complaints} complaints" if acts else ""
    reason = f"{_sentence(look, day, found)}; the {step} threshold is {percent(threshold)}{needed}"
    return Verdict(f"published-{_VERBS[standing]}", standing, reason, evidence, (id_,))


def _sentence(look: Look, day: date, found: Figure) -> str:
    about = look.latest.part[10:].strip(" /")
    volume = f"about {_tenths(found.complaints)} complaints of {found.mail:,} messages sent"
    return (
        f"{look.latest.source.replace('_', ' ').title()} published a spam rate of {percent(found.rate)} for {day}"
        f"{f' and {about}' if about else ''}, {volume if found.mail else 'volume not known'}"
        f"{f', shared by {found.shared} domains' if found.shared > 1 else ''}"
    )


def _step(rule: PublishedRule, found: Figure) -> tuple[str, float, Standing]:
    """The highest threshold that a rate reaches, and what it calls for."""
    watch, throttle, pause = rule.rates
    enough = found.complaints >= rule.complaints
    if found.shared > 1 and found.rate >= watch:
        return "watch", watch, Standing.WATCH
    if found.rate >= pause:
        return "pause", pause, Standing.PAUSED if enough else Standing.THROTTLED
    if found.rate >= throttle:
        return "throttle", throttle, Standing.THROTTLED if enough else Standing.WATCH
    return "watch", watch, Standing.WATCH if found.rate >= watch else Standing.HEALTHY


def _tenths(number: float) -> str:
    """Rounded down: 2.99 complaints are not 3."""
    return f"{math.floor(number * 10) / 10:,.1f}".removesuffix(".0")
