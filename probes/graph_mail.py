"""The door to a Microsoft 365 mailbox: Graph v1.0, with the rights Mail.ReadWrite of an application.

What is done is marked as read, what is odd is flagged too. Mails are read whole as MIME (`$value`). New mail is told by
a delta query, asked every few seconds; its link is the token that the caller keeps. Sources: learn.microsoft.com/graph,
delta-query-messages, outlook-get-mime-message, json-batching, outlook-immutable-id (as of 2026-11).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from probes import graph_parse
from probes.graph_parse import Item, Page
from probes.graph_token import Application, Tokens
from probes.http import MAX_ANSWER_BYTES, Http, HttpFault, Response, check
from probes.mailbox import HEAD_BYTES, Mail, MailboxFault
from probes.observation import Why
from probes.server_time import server_time

AUTHORITY = "https://login.microsoftonline.com"
BASE_URL = "https://graph.microsoft.com/v1.0"

_PAGE = 200
_MOST_PAGES = 10_000
_BATCH = 20
"""Requests in one $batch, at most (learn.microsoft.com/graph/json-batching)."""
_TRIES = 3
_PATIENCE_SECONDS = 60.0
"""How long a call may be put off by Retry-After; what asks for more is told to the caller."""
_LONG_AGO = "1900-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Place:
    """Which mailbox. `user` is its address; INBOX is the folder of that well-known name, others go by their id."""

    base_url: str
    user: str
    folder: str = "INBOX"
    timeout_seconds: float = 30.0
    poll_seconds: float = 15.0


class GraphMail:
    """One folder of one mailbox. Each call gets a token of its own."""

    def __init__(self, application: Application, place: Place) -> None:
        self._application = application
        self._place = place

    async def mails(self, most_bytes: int) -> AsyncGenerator[Mail, None]:
        """Every mail that is not read, oldest first. Raises MailboxFault.

        Not by the pages that Graph numbers: these would move on while mails are marked. Each page begins at the time
        at which the last one ended.
        """
        async with _Session(self._application, self._place) as session:
            since, seen = _LONG_AGO, frozenset[str]()
            while items := await session.unread(since, seen):
                for item in items:
                    mail = await session.mail(item.id, most_bytes)
                    if mail is not None:
                        yield mail
                last = items[-1].received
                if last < since:
                    raise MailboxFault(Why.UNREADABLE, f"{self._place.base_url} does not list mails in order")
                newest = frozenset(item.id for item in items if item.received == last)
                since, seen = last, newest | (seen if last == since else frozenset())

    async def acknowledge(self, ids: Sequence[str], odd: Sequence[str] = ()) -> None:
        """Mark mails as read, odd ones as flagged too. Raises MailboxFault."""
        flagged = frozenset(odd)
        names = list(dict.fromkeys((*ids, *odd)))
        if not names:
            return
        async with _Session(self._application, self._place) as session:
            for at in range(0, len(names), _BATCH):
                await session.mark(names[at : at + _BATCH], flagged)

    async def wait(self, after: str, seconds: float) -> str:
        """Until a mail comes in, asked for every `poll_seconds`. Raises MailboxFault."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with _Session(self._application, self._place) as session:
            token = after
            while token and session.owns(token):
                found = await session.changes(token)
                if found is None:  # the link has lapsed: what came meanwhile is unknown, so the caller looks
                    break
                came, token = found
                left = end - loop.time()
                if came or left <= 0:
                    return token
                await asyncio.sleep(min(self._place.poll_seconds, left))
            return await session.begin()


class _Session:
    """One token, one pool of connections."""

    def __init__(self, application: Application, place: Place) -> None:
        self._place = place
        self._tokens = Tokens(application)
        self._http = Http(place.timeout_seconds, connections=2)
        self._mailbox = f"{place.base_url}/users/{quote(place.user, safe='')}"
        folder = "inbox" if place.folder.upper() == "INBOX" else place.folder
        self._folder = f"{self._mailbox}/mailFolders/{quote(folder, safe='')}"

    async def __aenter__(self) -> "_Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tokens.close()
        await self._http.aclose()

    def owns(self, link: str) -> bool:
        """Whether a link leads to where our token may be sent."""
        return link.startswith(f"{self._place.base_url}/")

    async def unread(self, since: str, seen: frozenset[str]) -> list[Item]:
        """The next unread mails from a time on, less those `seen` already; [] when there are no more."""
        asked = {
            # What is ordered by has to be filtered by, and first: Graph refuses it otherwise (InefficientFilter).
            "$filter": f"receivedDateTime ge {since} and isRead eq false",
            "$orderby": "receivedDateTime",
            "$select": "id,receivedDateTime,isRead",
            "$top": str(_PAGE),
        }
        link = f"{self._folder}/messages?{urlencode(asked, quote_via=quote)}"
        for _ in range(_MOST_PAGES):
            page = await self._page(link)
            fresh = [item for item in page.items if item.id not in seen]
            if fresh or not page.next:
                return fresh
            link = page.next
        raise MailboxFault(Why.UNREADABLE, f"{self._place.base_url} answers page after page without end")

    async def mail(self, name: str, most_bytes: int) -> Mail | None:
        """One mail, or its beginning when it is too large; None when it was taken away meanwhile."""
        place = f"{self._mailbox}/messages/{quote(name, safe='')}"
        try:
            answer = await self._call("GET", f"{place}/$value")
        except _TooLong:
            answer = await self._call("GET", f"{place}?$select=internetMessageHeaders")
            return None if answer.status == 404 else Mail(name, self._headers(answer), MAX_ANSWER_BYTES + 1)
        if answer.status == 404:
            return None
        size = len(answer.body)
        return Mail(name, answer.body if size <= most_bytes else answer.body[:HEAD_BYTES], size)

    async def mark(self, names: Sequence[str], odd: frozenset[str]) -> None:
        """Mark up to 20 mails in one call, those that Graph puts off again."""
        left = dict(enumerate(names))
        for _ in range(_TRIES):
            body = msgspec.json.encode({"requests": [self._marking(key, name, odd) for key, name in left.items()]})
            answer = await self._call("POST", f"{self._place.base_url}/$batch", body)
            wait = 0.0
            for key, status, headers, said in self._parsed(graph_parse.batch, answer):
                if key not in left:
                    continue
                one = Response(status, {**answer.headers, **headers}, said)
                if status in (404, 410) or 200 <= status < 300:
                    del left[key]  # what is gone needs no mark
                    continue
                fault = self._judged(one, "marking a mail as read")
                if fault is not None and fault.why is not Why.RATE_LIMITED:
                    raise fault
                wait = max(wait, (fault.retry_after if fault else None) or 1.0)
            if not left:
                return
            if wait > _PATIENCE_SECONDS:
                break
            await asyncio.sleep(wait)
        raise MailboxFault(Why.RATE_LIMITED, f"{self._place.base_url}: marks are put off", wait or None)

    async def begin(self) -> str:
        """A link to what changes from now on. Asked from the newest mail on: an old folder may hold very many."""
        newest = {"$orderby": "receivedDateTime desc", "$select": "id,receivedDateTime,isRead", "$top": "1"}
        page = await self._page(f"{self._folder}/messages?{urlencode(newest, quote_via=quote)}")
        asked = {"$select": "isRead"}
        if page.items:
            asked["$filter"] = f"receivedDateTime ge {page.items[0].received}"
        found = await self.changes(f"{self._folder}/messages/delta?{urlencode(asked, quote_via=quote)}")
        if found is None:
            raise MailboxFault(Why.SERVFAIL, f"{self._place.base_url} begins no delta query")
        return found[1]

    async def changes(self, link: str) -> tuple[bool, str] | None:
        """Whether something unread came since a link, and the next link; None when Graph no longer knows the link."""
        came = False
        for _ in range(_MOST_PAGES):
            answer = await self._call("GET", link)
            if answer.status == 410:
                return None
            page = self._of(answer)
            came = came or any(not item.removed and not item.read for item in page.items)
            if page.delta:
                return came, page.delta
            if not page.next:
                break
            link = page.next
        raise MailboxFault(Why.UNREADABLE, f"{self._place.base_url} ends a delta query without a link")

    async def _page(self, link: str) -> Page:
        return self._of(await self._call("GET", link))

    def _of(self, answer: Response) -> Page:
        if answer.status in (404, 410):
            said = graph_parse.words(answer.body)
            raise MailboxFault(Why.DENIED, f"{self._folder}: there is no such mailbox or folder{said and f' ({said})'}")
        page: Page = self._parsed(graph_parse.page, answer)
        if not all(self.owns(link) for link in (page.next, page.delta) if link):
            raise MailboxFault(Why.UNREADABLE, f"{self._place.base_url} links to another server")
        return page

    def _headers(self, answer: Response) -> bytes:
        found: bytes = self._parsed(graph_parse.headers, answer)
        return found[:HEAD_BYTES]

    def _parsed(self, read: Any, answer: Response) -> Any:
        try:
            return read(answer.body)
        except ValueError as fault:
            raise MailboxFault(Why.UNREADABLE, f"{self._place.base_url} answers {fault}") from None

    def _marking(self, key: int, name: str, odd: frozenset[str]) -> dict[str, Any]:
        mark: dict[str, Any] = {"isRead": True}
        if name in odd:
            mark["flag"] = {"flagStatus": "flagged"}
        path = f"/users/{quote(self._place.user, safe='')}/messages/{quote(name, safe='')}"
        named = {"Content-Type": "application/json", "Prefer": 'IdType="ImmutableId"'}
        return {"id": str(key), "method": "PATCH", "url": path, "headers": named, "body": mark}

    async def _call(self, method: str, url: str, body: bytes | None = None) -> Response:
        """One call, put off where Graph asks for it; 404 and 410 are answers. Raises MailboxFault, _TooLong."""
        waited, attempt = 0.0, 0
        while True:
            attempt += 1
            answer = await self._once(method, url, body)
            if answer.status in (404, 410):
                return answer
            fault = self._judged(answer, url.partition("?")[0])
            if fault is None:
                return answer
            wait = fault.retry_after if fault.retry_after is not None else 1.0
            waited += wait
            if fault.why not in (Why.RATE_LIMITED, Why.SERVFAIL) or attempt == _TRIES or waited > _PATIENCE_SECONDS:
                raise fault
            await asyncio.sleep(wait)

    async def _once(self, method: str, url: str, body: bytes | None) -> Response:
        token = await self._tokens.token()
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "*/*",
            "Prefer": f'IdType="ImmutableId", odata.maxpagesize={_PAGE}',
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._http.request(method, url, headers=headers, body=body)
        except HttpFault as fault:
            if fault.detail.endswith(f"longer than {MAX_ANSWER_BYTES} bytes"):
                raise _TooLong(fault.why, fault.detail) from None
            raise MailboxFault(fault.why, fault.detail) from None

    def _judged(self, answer: Response, where: str) -> MailboxFault | None:
        """What is wrong with an answer by its status, None when nothing is."""
        try:
            check(answer, where, server_time(answer.headers))
        except HttpFault as fault:
            wait = "" if fault.retry_after is None else f"; retry after {fault.retry_after:g} s"
            return MailboxFault(fault.why, f"{fault.detail}{wait}", fault.retry_after)
        return None


class _TooLong(MailboxFault):
    """An answer longer than what is read of one."""
