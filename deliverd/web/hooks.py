"""The door for mail events: POST /hooks/ACCOUNT. 200 only after the commit; 503 when that cannot be had."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from deliverd.engine.context import Context
from deliverd.engine.ingest import Receipt, UnknownAccount, ingest
from deliverd.settings import Web
from deliverd.store.faults import StoreError
from deliverd.web import metrics
from probes.http import HttpFault
from probes.observation import ForgedRequest, MalformedRequest, Reject

log = structlog.get_logger("deliverd.web")

RETRY_AFTER = "5"
"""Seconds after which a sender that was told 503 should come back."""


LOGGED = 10
"""Of so many events rejected in one request the log says each."""


class TooLarge(ValueError):  # noqa: N818
    """A body over `web.max_body_bytes`. Not to be retried."""


class TooSlow(ValueError):  # noqa: N818
    """A body that did not arrive whole within `web.request_seconds`. May be retried."""


class Hooks:
    """Takes webhook requests in. `adverse` is called with the domains that should be judged at once."""

    def __init__(self, ctx: Context, adverse: Callable[[Iterable[str]], None]) -> None:
        self._ctx = ctx
        self._adverse = adverse

    async def receive(self, request: Request) -> Response:
        account: str = request.path_params["account"]
        try:
            body = await _timely(request, self._ctx.settings.web)
            receipt = await ingest(self._ctx, account, request.headers, body, self._ctx.clock())
        except ClientDisconnect:
            return _refuse(account, 400, "disconnected", "the request ended before its body did", self._ctx)
        except TooLarge as fault:
            return _refuse(account, 413, "too-large", str(fault), self._ctx)
        except TooSlow as fault:
            return _refuse(account, 408, "too-slow", str(fault), self._ctx)
        except UnknownAccount as fault:
            return _refuse(account, 404, "unknown-account", str(fault), self._ctx)
        except ForgedRequest as fault:
            return _refuse(account, 401, "forged", str(fault), self._ctx)
        except MalformedRequest as fault:
            return _refuse(account, 422, "malformed", str(fault), self._ctx)
        except StoreError as fault:
            return _refuse(account, 503, "store", str(fault), self._ctx)
        except HttpFault as fault:
            # What proves the signature could not be fetched just now: neither good nor forged, so come back.
            return _refuse(account, 503, "unverifiable", str(fault), self._ctx)
        return self._accepted(account, receipt)

    def _accepted(self, account: str, receipt: Receipt) -> Response:
        metrics.ACCEPTED.labels(account).inc(receipt.accepted)
        if receipt.duplicates:
            metrics.DUPLICATES.labels(account).inc(receipt.duplicates)
        _tell_rejected(account, receipt.rejected)
        if receipt.adverse:
            self._adverse(receipt.adverse)
        nothing_good = receipt.rejected and not (receipt.accepted or receipt.duplicates)
        answer = {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "rejected": [
                {"index": reject.index, "code": reject.code, "reason": reject.reason} for reject in receipt.rejected
            ],
        }
        return JSONResponse(answer, status_code=422 if nothing_good else 200)


async def _timely(request: Request, web: Web) -> bytes:
    """The whole body, within the time and the size that it may have. Raises TooSlow, TooLarge, ClientDisconnect."""
    try:
        async with asyncio.timeout(web.request_seconds):
            return await _body(request, web.max_body_bytes)
    except TimeoutError:
        raise TooSlow(f"the body did not arrive whole within {web.request_seconds:g} s (web.request_seconds)") from None


async def _body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over `limit` bytes, before it is all read."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise TooLarge(f"the body is {int(declared):,} bytes; at most {limit:,} are taken (web.max_body_bytes)")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body is over {limit:,} bytes (web.max_body_bytes)")
        chunks.append(chunk)
    return b"".join(chunks)


def _tell_rejected(account: str, rejected: Sequence[Reject]) -> None:
    """Count every one, and log the first few: one request may hold thousands, and its answer names them all."""
    for reject in rejected:
        metrics.REJECTED.labels(account, reject.code).inc()
    for reject in rejected[:LOGGED]:
        log.warning("event rejected", account=account, code=reject.code, index=reject.index, why=reject.reason)
    if more := rejected[LOGGED:]:
        log.warning("more events rejected", account=account, codes=dict(Counter(reject.code for reject in more)))


def _refuse(account: str, status: int, code: str, reason: str, ctx: Context) -> Response:
    known = account if account in ctx.settings.platforms else "unknown"
    metrics.REFUSED.labels(known, code).inc()
    log.warning("request refused", account=account[:64], status=status, code=code, why=reason)
    headers = {"retry-after": RETRY_AFTER} if status == 503 else {}
    if status == 408:
        headers["connection"] = "close"  # the rest of the body would be taken for the next request
    return JSONResponse({"error": code, "reason": reason}, status_code=status, headers=headers)
