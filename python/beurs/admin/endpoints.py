"""What an operator looks at: /health, /ready, /stats, /metrics. They tell nothing about single accounts."""

import time
from typing import Any, Final

from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from beurs.deps import Services, answer
from beurs.engine import VERSION
from beurs.web.openapi import errors, json_of
from beurs.web.problems import Problem

router: Final = APIRouter(tags=["operation"])

_TEXT: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "Metrics.", "content": {"text/plain": {}}}}


class Health(Struct, frozen=True):
    """The process answers."""

    status: str


class Stats(Struct, frozen=True):
    """Figures of the running exchange. What the node says of itself is in `node`."""

    version: str
    uptime_seconds: float
    sequence: int
    commands_under_way: int
    commands_accepted: int
    rejects: dict[str, int]
    store: dict[str, Any]
    market_data: dict[str, Any]
    node: dict[str, Any]


@router.get("/health", response_class=Response, responses=json_of(Health, 200, "It does.") | errors(422))
async def health() -> Response:
    """Whether the process answers at all."""
    return answer(Health("ok"))


@router.get("/ready", response_class=Response, responses=json_of(Health, 200, "It is.") | errors(422, 503))
async def ready(services: Services) -> Response:
    """Whether orders are taken and the store follows."""
    if not services.sequencer.is_open:
        raise Problem("unavailable", "The engine or its journal is not available.")
    if not services.projector.running or services.projector.error is not None:
        raise Problem("store_unavailable", "The store does not follow.")
    if services.feed.error is not None:
        raise Problem("unavailable", "The market data feed does not follow.")
    return answer(Health("ready"))


@router.get("/stats", response_class=Response, responses=json_of(Stats, 200, "The figures.") | errors(422, 503))
async def stats(services: Services) -> Response:
    """Figures of the running exchange."""
    return answer(
        Stats(
            version=VERSION,
            uptime_seconds=round(time.monotonic() - services.started_at, 3),
            sequence=services.node.sequence,
            commands_under_way=services.sequencer.depth,
            **services.metrics.figures(),
            store=services.projector.stats(),
            market_data=services.feed.stats() | services.market_data.stats(),
            node=services.node.stats(),
        )
    )


@router.get(
    "/metrics",
    response_class=Response,
    responses=_TEXT | errors(422),
)
async def metrics(services: Services) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(services.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
