"""What each source tells, about whose mail, with which denominator, and how late. Data, with where it was read.

`docs/sources.md` says the same for people. A source that is not listed tells nothing about complaints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from deliverd.core.rules import AUTHENTICATION
from probes import aggregate_report
from probes.reporters import REPORTERS

EVENTS = "events"
"""The source of what is counted event by event, as they come in through webhooks and feedback mail."""

LOOPS: Mapping[str, str] = MappingProxyType(
    {
        "yahoo": "Complaint Feedback Loop, by DKIM domain: https://senders.yahooinc.com/faqs/, 2026-11-22",
        "microsoft": "JMRP, by IP address: https://sendersupport.olc.protection.outlook.com/, 2026-11-22",
        "fastmail": "Validity's loop: sender list of AbuseIO's parser-fbl, 2026-11-22",
        "laposte": "suped.com, 'Which inbox providers offer feedback loops', 2026-05-16",
        "libero": "Validity's loop (italiaonline.net): sender list of AbuseIO's parser-fbl, 2026-11-22",
        "mailru": "Validity's loop: sender list of AbuseIO's parser-fbl, 2026-11-22",
        "seznam": "suped.com, 'Which inbox providers offer feedback loops', 2026-05-16",
        "yandex": "Validity's loop: sender list of AbuseIO's parser-fbl, 2026-11-22",
    }
)
"""The mailbox providers (words of probes/provider.py) that send a mail for each complaint, and where that is said.

Google publishes a rate instead, Apple tells nothing (suped.com, as above). Whoever hosts a company's own domain
("other") tells nothing either: Postmaster Tools and the loops are about mailboxes that people have for themselves.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A reading that is shown. `of` is its denominator in words ("" for none), `total` the reading that holds that.

    `unit` is `ratio`, `messages`, `complaints`, `replies`, `meetings`, `days` or `state`.
    """

    reading: str
    unit: str
    of: str = ""
    total: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """One source.

    `speaks_for` are the mailbox providers whose complaints it tells once it answers; `perhaps` those whose complaints
    it tells only if their loop was joined for the domain, which cannot be seen from here. The first of `figures` that
    was read is the gist. `days_of` is the provider whose mail its days are about ("" all mail); `lag` how long after a
    day's end its numbers are there (None: it tells of no days), where the domain sent at least `least` messages.
    """

    figures: tuple[Figure, ...] = ()
    speaks_for: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()
    days_of: str = ""
    lag: timedelta | None = None
    least: int = 1


_POSTED = "mail to the inboxes of personal Gmail accounts that passed DKIM, by Google's day; their number is not told"
_BY_IP = "recipients of all mail from the IP address to Outlook.com, by Microsoft's day, whoever sent it"
_SENT = "messages the platform says it sent"
_RECEIVED = "messages in the domain's name, whoever sent them, that the reporter saw on that day"
_SESSIONS = "TLS sessions of the reporter's with the domain's own mail servers on that day"
_COUNTED = "messages counted as sent, by the hour of sending"

_GOOGLE = (
    Figure("spam_rate", "ratio", _POSTED),
    Figure("feedback_loop_spam_rate_max", "ratio", "mail of the worst Feedback-ID; its number is not told"),
    Figure("dkim_success_rate", "ratio", "mail to Gmail; its number is not told"),
    Figure("dmarc_success_rate", "ratio", "mail to Gmail; its number is not told"),
    Figure("reject_rate", "ratio", "mail to Gmail; its number is not told"),
    Figure("temp_fail_rate", "ratio", "mail to Gmail; its number is not told"),
)
_SNDS = (
    # "< 0.1%" is an interval, and neither of its ends: as written first, then both ends.
    Figure("complaint_rate_text", "state", _BY_IP, "message_recipients"),
    Figure("complaint_rate_low", "ratio", _BY_IP, "message_recipients"),
    Figure("complaint_rate_high", "ratio", _BY_IP, "message_recipients"),
    Figure("filter_result", "state"),
    Figure("trap_hits", "messages"),
)
_PLATFORM = (
    Figure("complained", "complaints", _SENT, "sent"),
    Figure("hard_bounced", "messages", _SENT, "sent"),
    Figure("soft_bounced", "messages", _SENT, "sent"),
    Figure("bounced", "messages", _SENT, "sent"),
    Figure("unsubscribed", "messages", _SENT, "sent"),
    Figure("replied", "replies", _SENT, "sent"),
    Figure("positive_replies", "replies", _SENT, "sent"),
    Figure("meetings", "meetings", _SENT, "sent"),
    Figure("warmup_spam", "messages", "warm-up messages, exchanged between warm-up mailboxes", "warmup_sent"),
    Figure("sent", "messages"),
)
_SES = (
    *_PLATFORM,
    Figure("complaints", "complaints", "messages to one recipient each, over the last 7 days", "sends"),
    Figure("hard_bounces", "messages", "messages to one recipient each, over the last 7 days", "sends"),
    Figure("sends", "messages"),
    Figure("sending_enabled", "state"),
)
_STATE = (Figure("code", "state"),)

_DAY = timedelta(days=1)
# Every one of these joins Yahoo's and Microsoft's loops for its customers; of the others none says which.
_RELAY = About(_PLATFORM, frozenset({"yahoo", "microsoft"}), frozenset(LOOPS) - {"yahoo", "microsoft"}, lag=_DAY)
_OUTREACH = About(_PLATFORM, lag=_DAY)

_RELAYS = ("mailgun", "mandrill", "postmark", "resend", "sendgrid", "ses", "sparkpost")
_ANY_LOOP = frozenset(one.provider for one in REPORTERS if "arf" in one.feeds and one.provider) | frozenset(LOOPS)

ABOUT: Mapping[str, About] = MappingProxyType(
    {
        **dict.fromkeys(AUTHENTICATION, About(_STATE)),
        **dict.fromkeys(_RELAYS, _RELAY),
        "ses": About(_SES, _RELAY.speaks_for, _RELAY.perhaps, lag=_DAY),
        # No complaint in any of their APIs and webhooks (their own specifications, read 2026-11-22).
        **dict.fromkeys(("instantly", "lemlist", "smartlead"), _OUTREACH),
        # One's own sender reports complaints from the loops that it has joined: which, only it knows.
        "webhook": About((*_PLATFORM, *_STATE), perhaps=frozenset(LOOPS), lag=_DAY),
        EVENTS: About((Figure("complained", "complaints", _COUNTED, "sent"), Figure("sent", "messages")), lag=_DAY),
        "feedback_mail": About((Figure("mails", "messages"), *_STATE), perhaps=_ANY_LOOP),
        aggregate_report.DMARC: About((Figure("pass_rate", "ratio", _RECEIVED, "messages"),)),
        aggregate_report.TLS: About((Figure("pass_rate", "ratio", _SESSIONS, "sessions"),)),
        # 1 to 3 days late, silent about little mail ("up to the order of hundreds" a day): Postmaster help, 2026-11-22.
        "google_postmaster": About(
            (*_GOOGLE, Figure("days", "days")), frozenset({"google"}), days_of="google", lag=3 * _DAY, least=100
        ),
        # 1 to 2 days late, and only for IP addresses with 100 messages a day: SNDS FAQ and users of it, 2026-11.
        "microsoft_snds": About(
            (*_SNDS, *_STATE), frozenset({"microsoft"}), days_of="microsoft", lag=2 * _DAY, least=100
        ),
    }
)

COMPLAINT_READINGS = frozenset({"complained", "complaints", "spam_rate", "complaint_rate_high"})
"""The readings by which a source shows that it really tells of complaints."""


def about(source: str) -> About:
    """What is known of a source; of one that is not listed, that it has a state."""
    return ABOUT.get(source, About(_STATE))
