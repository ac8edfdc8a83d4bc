"""The web application: mail events in, health and metrics out."""

from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deliverd.engine.context import Context
from deliverd.engine.status import standings
from deliverd.store.faults import StoreError
from deliverd.web import metrics
from deliverd.web.hooks import Hooks


def build(ctx: Context, adverse: Callable[[Iterable[str]], None], unready: Callable[[], str]) -> Starlette:
    """The application. `adverse` judges domains at once; `unready` says why the daemon is not ready ("" when it is)."""
    hooks = Hooks(ctx, adverse)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        why = unready()
        return JSONResponse({"status": "unready" if why else "ready", "why": why}, status_code=503 if why else 200)

    async def exposition(_: Request) -> Response:
        try:
            counted = await ctx.store.read(lambda conn: standings(conn, ctx.settings))
        except StoreError:
            counted = {}
        for standing, number in counted.items():
            metrics.STANDING.labels(standing).set(number)
        return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)

    async def present(_: Request) -> Response:
        return Response()

    return Starlette(
        routes=[
            Route("/hooks/{account}", hooks.receive, methods=["POST"]),
            # Mandrill asks whether the address is there before it sends anything to it.
            Route("/hooks/{account}", present, methods=["HEAD"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", exposition),
        ]
    )
