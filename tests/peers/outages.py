"""Every outage that a sending platform can have, and what has to be said of it."""

from peers import vendor_server
from peers.outreach import Fault
from probes.observation import Why

OUTAGES = [
    (Fault.UNAUTHORIZED, Why.DENIED, "401"),
    (Fault.UNPAID, Why.REFUSED, "402"),
    (Fault.FORBIDDEN, Why.DENIED, "403"),
    (Fault.RATE_LIMITED, Why.RATE_LIMITED, "ask again in 77 s"),
    (Fault.BROKEN, Why.SERVFAIL, "500"),
    (Fault.SILENT, Why.TIMEOUT, "no answer within"),
    (Fault.HTML, Why.UNREADABLE, "200"),
    (Fault.GARBAGE, Why.UNREADABLE, "200"),
    (Fault.TRUNCATED, Why.UNREADABLE, "200"),
    (Fault.OTHER_JSON, Why.UNREADABLE, "200"),
    (Fault.REDIRECT, Why.REFUSED, "redirects are not followed"),
    (Fault.TELLS_THE_SECRET, Why.REFUSED, "422"),
]

OF_VENDORS = [
    (vendor_server.Fault.UNAUTHORIZED, Why.DENIED),
    (vendor_server.Fault.FORBIDDEN, Why.DENIED),
    (vendor_server.Fault.RATE_LIMITED, Why.RATE_LIMITED),
    (vendor_server.Fault.BROKEN, Why.SERVFAIL),
    (vendor_server.Fault.BROKEN_PAGE, Why.SERVFAIL),
    (vendor_server.Fault.HANG, Why.TIMEOUT),
    (vendor_server.Fault.HTML, Why.UNREADABLE),
    (vendor_server.Fault.TRUNCATED, Why.UNREADABLE),
    (vendor_server.Fault.ANOTHER_SHAPE, Why.UNREADABLE),
    (vendor_server.Fault.REDIRECT, Why.REFUSED),
    (vendor_server.Fault.TELLS_THE_SECRET, Why.REFUSED),
]
