"""What endpoints ask for in their signatures.

`trader: Trader` is authority: an endpoint that has one may act for its account, and nothing else gives that right.
`operator: Operator` is that of the venue's staff, in the same way.
`services: Services` is the running exchange.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, ParamSpec, TypeVar

import msgspec
from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader
from pydantic import BeforeValidator
from starlette.responses import Response

from beurs import keys
from beurs.config import Settings
from beurs.engine import Node
from beurs.metrics import Metrics
from beurs.sequencer import Sequencer
from beurs.store import Projector, Repository, StoreWatch
from beurs.streams import Feed, MarketDataEndpoint
from beurs.timestamps import parse_timestamp
from beurs.web import authority
from beurs.web.bodies import JSON, read_body, require_json
from beurs.web.problems import Problem
from beurs.web.steps import Instruments

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class RunningExchange:
    """The running parts of one exchange."""

    settings: Settings
    node: Node
    sequencer: Sequencer
    instruments: Instruments
    keys: keys.KeyRing
    metrics: Metrics
    repository: Repository
    projector: Projector | StoreWatch
    feed: Feed
    market_data: MarketDataEndpoint
    started_at: float

    async def store_caught_up(self) -> None:
        """Waits until the store has everything that is durable now, so that a client sees what it has been told."""
        # In a worker that is a question to another process.
        sequence = await self.read(self.node.latest) if self.node.is_replica else self.node.sequence
        if not await self.projector.wait_for_async(sequence, self.settings.store_wait_seconds_max):
            raise Problem("store_unavailable")

    def now_ns(self) -> int:
        """What time it is for the exchange: a manual clock stands where the last command is, or was moved to."""
        return self.node.event_time_ns if self.settings.clock == "manual" else time.time_ns()

    @staticmethod
    async def read(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Calls something that blocks in a worker thread."""
        return await asyncio.to_thread(function, *arguments, **named)


async def _services(request: Request) -> RunningExchange:
    running: RunningExchange = request.app.state.exchange
    return running


Services = Annotated[RunningExchange, Depends(_services)]

API_KEY: Final = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKey", description="The key of an account.", auto_error=False
)
STAFF_KEY: Final = APIKeyHeader(
    name="X-API-Key", scheme_name="StaffKey", description="The key of a member of the venue's staff.", auto_error=False
)


async def _trader(
    request: Request, services: Services, _documented: Annotated[str | None, Security(API_KEY)]
) -> keys.Trader:
    return authority.trader(services.keys, _presented(request))


async def _operator(
    request: Request, services: Services, _documented: Annotated[str | None, Security(STAFF_KEY)]
) -> keys.Operator:
    return authority.operator(services.keys, _presented(request))


def _presented(request: Request) -> bytes | None:
    """The key of the request. One that stands twice is no key at all."""
    presented = request.headers.getlist("x-api-key")
    if not presented:
        return None
    return presented[0].encode("latin-1") if len(presented) == 1 else b""


Trader = Annotated[keys.Trader, Depends(_trader)]
Operator = Annotated[keys.Operator, Depends(_operator)]


async def only_known_parameters(request: Request) -> None:
    """Refuses query parameters that the endpoint does not have, or that are given twice. Every route depends on it."""
    left = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    for name, _ in request.query_params.multi_items():
        if name not in left:
            raise Problem("unknown_parameter", field=name[:100])
        left.remove(name)


async def _json_body(request: Request, services: Services) -> bytes:
    kinds = request.headers.getlist("content-type")
    require_json(kinds[0].encode("latin-1") if len(kinds) == 1 else None)
    return await read_body(request.receive, services.settings.body_bytes_max)


JsonBody = Annotated[bytes, Depends(_json_body)]


def _whole_number(digits_max: int) -> BeforeValidator:
    pattern = re.compile(rf"0|[1-9][0-9]{{0,{digits_max - 1}}}", re.ASCII)

    def check(value: Any) -> Any:
        if isinstance(value, str):
            if pattern.fullmatch(value) is None:
                raise ValueError(f"must be a whole number of at most {digits_max} ASCII digits")
            return int(value)
        return value

    return BeforeValidator(check)


Limit = Annotated[int, _whole_number(4), Query(ge=1, le=1000, description="How many at most.")]
Depth = Annotated[int, _whole_number(4), Query(ge=1, le=1000, description="Price levels on each side at most.")]
Cursor = Annotated[
    int | None,
    _whole_number(18),
    Query(
        ge=1, description="Where to read on: `next_cursor` of the page before.", json_schema_extra={"type": "string"}
    ),
]
OrderIdFilter = Annotated[
    int | None,
    _whole_number(18),
    Query(ge=1, description="Only of this order, by its `order_id`.", json_schema_extra={"type": "string"}),
]
Time = Annotated[
    int | None,
    BeforeValidator(lambda value: parse_timestamp(value) if isinstance(value, str) else value),
    Query(le=2**63 - 1, description="UTC, as in 2025-01-31T09:30:00Z.", json_schema_extra={"type": "string"}),
]

_encode = msgspec.json.Encoder().encode


def answer(content: Any, status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(_encode(content), status, media_type=JSON.decode())
