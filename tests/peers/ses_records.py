"""Records of Amazon SES, as its developer guide shows them, sent and told at fixed times."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from peers.sns import stamp

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT_AT = NOW - timedelta(hours=3)
MESSAGE_ID = "0102019c8d1f2a3b-61b59c11-9236-11e6-8f96-7be8aexample-000000"
MAIL: dict[str, Any] = {
    "timestamp": stamp(SENT_AT),
    "source": "Acme <bounces@mail.acme.com>",
    "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/acme.com",
    "sendingAccountId": "123456789012",
    "messageId": MESSAGE_ID,
    "destination": ["Ann <ann@Gmail.com>", "bob@outlook.com"],
    "headersTruncated": False,
    "headers": [{"name": "From", "value": "Acme <sales@Acme.com>"}],
    "commonHeaders": {"from": ["Acme <sales@Acme.com>"], "to": ["ann@gmail.com"], "subject": "Hello"},
    "tags": {"ses:configuration-set": ["acme"], "ses:from-domain": ["tagged.example"]},
}
AT = {"timestamp": stamp(NOW)}
BOUNCE: dict[str, Any] = {
    "eventType": "Bounce",
    "mail": MAIL,
    "bounce": AT
    | {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": "ann@gmail.com", "action": "failed", "status": "5.1.1"}],
        "feedbackId": "f-1",
    },
}
COMPLAINT: dict[str, Any] = {
    "eventType": "Complaint",
    "mail": MAIL,
    "complaint": AT
    | {
        "complainedRecipients": [{"emailAddress": "ann@gmail.com"}],
        "feedbackId": "f-2",
        "complaintSubType": None,
        "complaintFeedbackType": "abuse",
        "userAgent": "ExampleCorp Feedback Loop (V0.01)",
    },
}
DELIVERY: dict[str, Any] = {"eventType": "Delivery", "mail": MAIL, "delivery": AT | {"recipients": ["ann@gmail.com"]}}
SUBSCRIPTION: dict[str, Any] = {
    "eventType": "Subscription",
    "mail": MAIL | {"destination": ["ann@gmail.com"]},
    "subscription": AT
    | {
        "contactList": "all",
        "source": "UnsubscribeHeader",
        "newTopicPreferences": {"unsubscribeAll": True, "topicSubscriptionStatus": []},
        "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
    },
}


def changed(record: dict[str, Any], **parts: dict[str, Any]) -> dict[str, Any]:
    """The record with members of its objects changed; a value of `...` takes the member away."""
    copy = deepcopy(record)
    for part, members in parts.items():
        copy[part] = {name: value for name, value in (copy[part] | members).items() if value is not ...}
    return copy
