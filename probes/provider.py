"""Which mailbox provider a recipient's domain belongs to, by name alone.

Only domains that people share are listed; a company's own domain is "other", wherever its mail is hosted, so
that the number of providers stays small enough to count by. No provider publishes a complete list of its domains:
these are the widely known ones, and one that is missing is counted as "other", which loses detail and nothing else.
yahoo.co.jp is absent on purpose: it is another company's. Yahoo runs the mail of AOL, AT&T, Comcast and Verizon
(https://www.twilio.com/docs/sendgrid/concepts/inbox-provider-insights/yahoo, read 2026-11-22).
"""

OTHER = "other"

DOMAINS: dict[str, str] = {
    "google": "gmail.com googlemail.com",
    "microsoft": """
        outlook.com outlook.at outlook.be outlook.cl outlook.cz outlook.de outlook.dk outlook.es outlook.fr outlook.ie
        outlook.in outlook.it outlook.jp outlook.kr outlook.pt outlook.sa outlook.com.ar outlook.com.au outlook.com.br
        hotmail.com hotmail.be hotmail.ca hotmail.ch hotmail.co.jp hotmail.co.uk hotmail.com.ar hotmail.com.br
        hotmail.com.tr hotmail.de hotmail.dk hotmail.es hotmail.fi hotmail.fr hotmail.gr hotmail.it hotmail.nl
        hotmail.no hotmail.se
        live.com live.at live.be live.ca live.cl live.cn live.co.uk live.co.za live.com.ar live.com.au live.com.mx
        live.com.pt live.de live.dk live.fi live.fr live.ie live.in live.it live.jp live.nl live.no live.ru live.se
        msn.com passport.com windowslive.com
    """,
    "yahoo": """
        yahoo.com yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.co.za yahoo.com.ar
        yahoo.com.au yahoo.com.br yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.ph yahoo.com.sg yahoo.com.tr
        yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk yahoo.es yahoo.fi yahoo.fr yahoo.gr yahoo.hu yahoo.ie
        yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.ro yahoo.se
        ymail.com rocketmail.com myyahoo.com aol.com aol.co.uk aol.de aol.fr aol.it aim.com love.com games.com
        netscape.net verizon.net att.net sbcglobal.net bellsouth.net ameritech.net pacbell.net swbell.net
        comcast.net
    """,
    "apple": "icloud.com me.com mac.com privaterelay.appleid.com",
    "gmx": "gmx.com gmx.de gmx.net gmx.at gmx.ch web.de mail.com",
    "telekom": "t-online.de magenta.de",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "laposte": "laposte.net",
    "libero": "libero.it virgilio.it",
    "seznam": "seznam.cz email.cz post.cz",
    "mailru": "mail.ru bk.ru inbox.ru list.ru internet.ru",
    "yandex": "yandex.ru yandex.com ya.ru",
    "proton": "proton.me protonmail.com pm.me",
    "fastmail": "fastmail.com fastmail.fm",
    "qq": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "naver": "naver.com",
}

_BY_DOMAIN = {domain: provider for provider, domains in DOMAINS.items() for domain in domains.split()}


def provider_of(recipient_domain: str) -> str:
    """The provider of `recipient_domain` (any case, a final dot allowed): a key of DOMAINS, or OTHER; "" for ""."""
    name = recipient_domain.lower().removesuffix(".")
    return _BY_DOMAIN.get(name, OTHER) if name else ""
