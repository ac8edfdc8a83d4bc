"""Every platform that can be touched, by kind: `module:class`, imported when first used, for some are heavy."""

from importlib import import_module

from deliverd.platforms.base import Platform
from probes.config import Strict

PLATFORMS: dict[str, str] = {
    "instantly": "deliverd.platforms.instantly:Instantly",
    "lemlist": "deliverd.platforms.lemlist:Lemlist",
    "mailgun": "deliverd.platforms.mailgun:Mailgun",
    "mandrill": "deliverd.platforms.mandrill:Mandrill",
    "postmark": "deliverd.platforms.postmark:Postmark",
    "resend": "deliverd.platforms.resend:Resend",
    "sendgrid": "deliverd.platforms.sendgrid:SendGrid",
    "ses": "deliverd.platforms.ses:Ses",
    "smartlead": "deliverd.platforms.smartlead:Smartlead",
    "sparkpost": "deliverd.platforms.sparkpost:SparkPost",
    "webhook": "deliverd.platforms.webhook:Webhook",
}


def open_platform(account: str, kind: str, config: Strict) -> Platform:
    """The adapter of an account; `config` is the Config of probes/KIND.py. Raises LookupError for an unknown kind."""
    if kind not in PLATFORMS:
        raise LookupError(f"there is no platform kind {kind!r}; there are {', '.join(sorted(PLATFORMS))}")
    module, _, name = PLATFORMS[kind].partition(":")
    platform: Platform = getattr(import_module(module), name)(account, config)
    return platform
