"""Who is believed about what: the known senders of complaint loops and bounces. Data, with where it was read.

That a signature holds proves who wrote a report; it does not make the writer's word worth acting upon. Anybody can
sign with a domain of their own, and anybody can write from a free mailbox at a large provider: an entry for such a
domain names the one address that is the loop's, and the signature must cover it.
"""

from typing import Literal

from pydantic import Field

from probes.config import Strict

Feed = Literal["arf", "dsn"]


class Reporter(Strict):
    """One source of reports.

    `senders` are its From addresses; `@domain` stands for every address at exactly this domain. It is proven by a
    DKIM signature (d=) of the sender's own domain, or of one of `signers`, which must belong to the same organisation.
    `provider` is the mailbox provider that the complaints come from, in the words of probes/provider.py, "" where the
    loop serves several. `source` and `date` tell where this was read, and when.
    """

    name: str
    feeds: tuple[Feed, ...] = ("arf",)
    senders: tuple[str, ...] = Field(min_length=1)
    signers: tuple[str, ...] = ()
    provider: str = ""
    source: str = ""
    date: str = ""

    def is_sender(self, sender: str) -> bool:
        """Whether mail from this address is this reporter's."""
        wanted = sender.lower()
        return any(
            wanted == known.lower() or (known.startswith("@") and wanted.endswith(known.lower()))
            for known in self.senders
        )

    def is_signer(self, domain: str, sender: str) -> bool:
        """Whether a signature of `domain` proves mail from `sender` to be this reporter's."""
        return domain in (sender.rpartition("@")[2].lower(), *self.signers)


_VALIDITY = (
    "feedbackloop@comcastfbl.senderscore.net feedbackloop@fbl-bluetie.app.returnpath.net "
    "feedbackloop@fbl-opensrs.app.returnpath.net feedbackloop@fbl.apps.rackspace.com feedbackloop@fbl.cox.net "
    "feedbackloop@fbl.fastmail.com feedbackloop@fbl.hostedemail.com feedbackloop@fbl.italiaonline.net "
    "feedbackloop@fbl.synacor.com feedbackloop@fbl.usa.net feedbackloop@fbl.zoho.com "
    "feedbackloop@feedback.apps.rackspace.com feedbackloop@feedback.bluetie.com "
    "feedbackloop@feedback.postmaster.rr.com feedbackloop@feedback.terra.com feedbackloop@mailru.senderscore.net "
    "feedbackloop@rackspacefbl.senderscore.net feedbackloop@yandexfbl.senderscore.net"
)

REPORTERS: tuple[Reporter, ...] = (
    Reporter(
        name="Yahoo CFL",
        senders=("@arf.mail.yahoo.com",),
        provider="yahoo",
        source="https://senders.yahooinc.com/faqs/: from feedback@arf.mail.yahoo.com, signed d=arf.mail.yahoo.com",
        date="2026-11-22",
    ),
    Reporter(
        name="Microsoft JMRP",
        # Everybody can have a mailbox at hotmail.com: this one address, and not the domain.
        senders=("staff@hotmail.com",),
        provider="microsoft",
        source="JMRP reports in sisimai/set-of-emails (arf-13, arf-22); their signature was not seen",
        date="2026-11-22",
    ),
    Reporter(
        name="Validity Universal Feedback Loop",
        senders=tuple(_VALIDITY.split()),
        signers=("senderscore.net", "mailstream.senderscore.net", "returnpath.net"),
        source="sender list of AbuseIO's parser-fbl (config/Fbl.php), sisimai arf-25; their signatures were not seen",
        date="2026-11-22",
    ),
    Reporter(
        name="Amazon SES complaints",
        senders=("complaints@email-abuse.amazonses.com",),
        signers=("amazonses.com",),
        source="sisimai lib/sisimai/arf.rb; its signature was not seen",
        date="2026-11-22",
    ),
    Reporter(
        name="Google bounces",
        feeds=("dsn",),
        senders=("mailer-daemon@googlemail.com",),
        provider="google",
        source="bounces of Gmail in public parsers of them; their signature was not seen",
        date="2026-11-22",
    ),
    Reporter(
        name="Amazon SES bounces",
        feeds=("dsn",),
        senders=("mailer-daemon@amazonses.com", "mailer-daemon@email-bounces.amazonses.com"),
        signers=("amazonses.com",),
        source="bounces forwarded by SES, in public parsers of them; their signature was not seen",
        date="2026-11-22",
    ),
)


def believed(sender: str, signer: str, feed: Feed, more: tuple[Reporter, ...] = ()) -> Reporter | None:
    """The reporter that a proven `signer` makes of mail from `sender`, among `more` and REPORTERS."""
    for reporter in (*more, *REPORTERS):
        if feed in reporter.feeds and reporter.is_sender(sender) and reporter.is_signer(signer, sender):
            return reporter
    return None
