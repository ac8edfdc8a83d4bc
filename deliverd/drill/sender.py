"""The drill's sending platform: it sends mail in fast motion, and speaks `webhook` to whoever minds its domains.

Its control address takes signed orders (`POST`) and tells the state of a domain (`GET`), as docs/own-sender.md has
it. On purpose it can refuse pauses, with an error inside a 200, and go dark: then it takes calls and never answers.
"""

import asyncio
import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deliverd.drill.diary import Diary, What
from deliverd.drill.lanes import Event, Ids, Lane
from deliverd.drill.serving import Serving
from deliverd.model import Limit, SendState

_TICK_SECONDS = 0.1
_DARK_SECONDS = 30


class Sender:
    """The platform: its lanes, by domain, and the control address over them.

    `reports` is where what happened to the mail is put, for `feed.Feed` to take to deliverd.
    """

    def __init__(self, lanes: Iterable[Lane], secret: str, diary: Diary, random: Random) -> None:
        self.lanes = {lane.domain: lane for lane in lanes}
        self.reports: asyncio.Queue[Event] = asyncio.Queue()
        self.refusals = 0
        self.dark = False
        self.ids = Ids()
        self.random = random
        self._webhook = Webhook(secret)
        self._diary = diary
        self._closing = asyncio.Event()
        route = Route("/control", self._control, methods=["GET", "POST"])
        self._serving = Serving(Starlette(routes=[route]))
        self._sending: asyncio.Task[None] | None = None

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self._serving.port}/control"

    async def start(self) -> None:
        """Listen for orders. No mail leaves yet. Raises OSError."""
        await self._serving.start()

    def send(self) -> None:
        """Begin to send mail."""
        self._sending = asyncio.create_task(self._send_for_ever())

    async def stop(self) -> None:
        """Stop sending and listening. May be called twice."""
        self._closing.set()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        await self._serving.stop()

    def tick(self, now: datetime, seconds: float) -> None:
        """Let `seconds` of the drill go by for every lane."""
        for lane in self.lanes.values():
            was_good, had_room = lane.first_bad_at is None, lane.room > 0
            for event in lane.tick(now, seconds, self.ids, self.random):
                self.reports.put_nowait(event)
                if event["type"] == "complained" and lane.first_bad_at and not self._diary.first(What.COMPLAINT):
                    self._diary.write(What.COMPLAINT, lane.domain, "the first person complains")
            if was_good and lane.first_bad_at is not None:
                self._diary.write(What.BAD_SENT, lane.domain, "the first bad message leaves")
            if had_room and not lane.room:
                text = f"the daily limit of {lane.daily_limit:,} is used up: no more mail leaves today"
                self._diary.write(What.EXHAUSTED, lane.domain, text)

    async def _send_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            passed, last = loop.time() - last, loop.time()
            self.tick(self._diary.now(), passed)

    async def _control(self, request: Request) -> Response:
        body = await request.body()
        try:
            self._webhook.verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError as fault:
            return JSONResponse({"error": str(fault)}, status_code=401)
        try:
            order = _order(request, body)
        except (ValueError, KeyError, TypeError) as fault:
            return JSONResponse({"error": f"cannot read the order: {type(fault).__name__}"}, status_code=422)
        lane = self.lanes.get(str(order.get("domain")))
        if self.dark:
            return await self._never(request.method, order)
        if lane is None:
            return JSONResponse({"error": "no such domain"}, status_code=404)
        if request.method == "GET":
            return JSONResponse(_state(lane))
        return self._obey(lane, order)

    def _obey(self, lane: Lane, order: dict[str, Any]) -> Response:
        state, daily_limit = SendState(order["state"]), order["daily_limit"]
        said = _limit_in_words(state, daily_limit)
        if state is SendState.PAUSED and self.refusals:
            self.refusals -= 1
            self._diary.write(What.REFUSED, lane.domain, f"the platform is told {said}, and answers with an error")
            return JSONResponse({"error": "internal error 1047: queue is locked, try again later"})
        lane.state, lane.daily_limit, lane.author = state, daily_limit, str(order["author"])
        self._diary.write(What.ORDERED, lane.domain, f"the platform is told {said}, and does so")
        return JSONResponse(_state(lane))

    async def _never(self, method: str, order: dict[str, Any]) -> Response:
        if method == "POST":
            said = _limit_in_words(SendState(order["state"]), order["daily_limit"])
            self._diary.write(What.UNANSWERED, str(order["domain"]), f"the dark platform is told {said}")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), _DARK_SECONDS)
        return Response(status_code=503)


def _order(request: Request, body: bytes) -> dict[str, Any]:
    if request.method == "GET":
        return {"domain": request.query_params.get("domain")}
    order: dict[str, Any] = json.loads(body)
    # Limit itself says which states go with a daily limit.
    Limit(SendState(order["state"]), order["daily_limit"])
    return {"domain": order["domain"], "author": order["author"], **order}


def _state(lane: Lane) -> dict[str, Any]:
    return {
        "domain": lane.domain,
        "state": lane.state.value,
        "daily_limit": lane.daily_limit,
        "author": lane.author,
        "statistics": {"sent_today": lane.sent_today},
    }


def _limit_in_words(state: SendState, daily_limit: int | None) -> str:
    words = {SendState.RUNNING: "to let it run", SendState.PAUSED: "to pause it"}
    return words.get(state) or f"to let out at most {daily_limit:,} a day"
