"""How far the complaint detector reaches: for how long back, and to whose mail. It is known without loading numpy."""

from datetime import timedelta

LOOK_BACK = timedelta(days=60)
"""Older cohorts are no longer judged (and no event about them is taken in: `Window.past`)."""

FEEDBACK = frozenset({"yahoo", "microsoft", ""})
"""The providers that tell of complaints one by one: Yahoo's Complaint Feedback Loop (senders.yahooinc.com/faqs) and
Microsoft's JMRP; Gmail tells aggregates only (support.google.com/mail/answer/6254652), read 2026-11-22. "" is mail
whose provider the platform does not tell: nothing else could be counted then. A policy may name others."""
