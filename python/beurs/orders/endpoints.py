"""The routes of orders under /v1/orders."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, ParamSpec, TypeVar

import msgspec
from fastapi import APIRouter, Path, Query, Request
from msgspec import UNSET
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from beurs import keys
from beurs.deps import Cursor, JsonBody, Limit, RunningExchange, Services, Trader, answer
from beurs.engine import mass_cancel, new_order_list
from beurs.orders import schemas
from beurs.orders.commands import (
    CONTINGENCY,
    ORDER_ID,
    ORDER_ID_MAX,
    SIDE,
    OrderReference,
    cancel_replace_command,
    new_order_command,
)
from beurs.orders.reports import (
    batch_reject,
    cancel_replace_report,
    execution_report,
    mass_cancel_report,
    new_order_list_report,
    open_order,
    order_list_report,
    stored_order,
)
from beurs.store.models import OPEN_STATUSES
from beurs.store.models import Order as StoredOrder
from beurs.web.bodies import decode, refuse_repeated_keys
from beurs.web.edge import HotRoute
from beurs.web.openapi import body_of, errors, json_of
from beurs.web.problems import Problem, from_error
from beurs.web.words import SideText

router: Final = APIRouter(prefix="/v1/orders", tags=["orders"])
lists_router: Final = APIRouter(prefix="/v1/order-lists", tags=["orders"])

P = ParamSpec("P")
T = TypeVar("T")

_BATCH: Final = msgspec.json.Decoder(schemas.OrderBatch)
_REPLACE: Final = msgspec.json.Decoder(schemas.ReplaceOrder)
_CANCEL_REPLACE: Final = msgspec.json.Decoder(schemas.CancelReplace)
_NEW_LIST: Final = msgspec.json.Decoder(schemas.NewOrderList)
_LIST_ORDERS_MAX: Final = 3
_CLOSED: Final = ("filled", "canceled", "expired")

OrderId = Annotated[str, Path(description="The order's `order_id`, or `client:` and its `client_order_id`.")]
Symbol = Annotated[str | None, Query(description="Only on this instrument.")]


class _Hot(Response):
    """Hands the request to the hot route. Only reached when the application runs without its edge."""

    def __init__(self, route: HotRoute) -> None:
        super().__init__()
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._route(scope, receive, send, b"-", None)


@router.post(
    "",
    status_code=201,
    response_class=Response,
    responses=json_of(schemas.ExecutionReport, 201, "The order was accepted; what it did.")
    | errors(400, 401, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(schemas.NewOrder) | {"security": [{"ApiKey": []}]},
)
async def new_order(request: Request) -> Response:
    """Enter an order.

    The answer comes when the order is durable. Repeating the request with the same `client_order_id` has one effect.
    """
    return _Hot(request.app.state.door.new_order)


@router.post(
    "/batch",
    response_class=Response,
    responses=json_of(schemas.BatchReport, 200, "What became of each order.") | errors(400, 401, 413, 415, 422, 503),
    openapi_extra=body_of(schemas.OrderBatch),
)
async def new_orders(trader: Trader, services: Services, body: JsonBody) -> Response:
    """Enter up to 100 orders, in their order.

    A body that cannot be read enters none. Otherwise each order is accepted or refused by itself, and other accounts'
    commands may come between them.
    """
    batch = decode(_BATCH, body)
    refuse_repeated_keys(body)
    if not 1 <= len(batch.orders) <= services.settings.batch_orders_max:
        raise Problem("invalid_value", f"A batch has 1 to {services.settings.batch_orders_max} orders.", "orders")
    results = await asyncio.gather(*(_enter(trader, services, order) for order in batch.orders))
    return answer(schemas.BatchReport(list(results)))


async def _enter(trader: keys.Trader, services: RunningExchange, order: schemas.NewOrder) -> schemas.BatchResult:
    try:
        command = new_order_command(trader, order, services.instruments[order.symbol])
        events = await services.sequencer.submit(command)
        return schemas.BatchResult(_report(services, events), None)
    except Exception as error:
        problem = from_error(error)
        if problem.status == 500:
            raise
        return schemas.BatchResult(None, batch_reject(problem))


@router.post(
    "/cancel-replace",
    response_class=Response,
    responses=json_of(schemas.CancelReplaceReport, 200, "What became of both halves.")
    | errors(400, 401, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(schemas.CancelReplace),
)
async def cancel_replace(trader: Trader, services: Services, body: JsonBody) -> Response:
    """Cancel an own open order and enter another one, as one command.

    If nothing was done the answer is the error: of the cancel when it was refused and stopped the rest, of the new
    order when both were refused. The new order may not use the canceled one's `client_order_id`.
    """
    both = decode(_CANCEL_REPLACE, body)
    refuse_repeated_keys(body)
    instrument = services.instruments.by_symbol.get(both.new_order.symbol)
    if instrument is None:
        raise Problem("unknown_instrument", field="new_order.symbol")
    events = await services.sequencer.submit(cancel_replace_command(trader, both, instrument))
    return answer(_counted(services, cancel_replace_report, events, services.instruments))


@lists_router.post(
    "",
    status_code=201,
    response_class=Response,
    responses=json_of(schemas.NewOrderListReport, 201, "The list was entered; what it did.")
    | errors(400, 401, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(schemas.NewOrderList),
)
async def new_list(trader: Trader, services: Services, body: JsonBody) -> Response:
    """Enter orders that depend on each other. All of them are entered or none."""
    entered = decode(_NEW_LIST, body)
    refuse_repeated_keys(body)
    orders = entered.orders
    if len(orders) > _LIST_ORDERS_MAX:
        raise Problem("invalid_order_list", field="orders")
    commands = []
    for place, order in enumerate(orders):
        try:
            commands.append(new_order_command(trader, order, services.instruments[order.symbol]))
        except Problem as problem:
            raise problem.within(f"orders[{place}]") from None
    events = await services.sequencer.submit(new_order_list(CONTINGENCY[entered.contingency], commands))
    return answer(_counted(services, new_order_list_report, events, len(orders), services.instruments), 201)


@lists_router.get(
    "/{list_id}",
    response_class=Response,
    responses=json_of(schemas.OrderListReport, 200, "The list.") | errors(401, 404, 422, 503),
)
async def get_list(
    trader: Trader, services: Services, list_id: Annotated[str, Path(description="The list's `list_id`.")]
) -> Response:
    """Get one own order list with its orders, open or ended."""
    found = None
    if ORDER_ID.fullmatch(list_id) is not None and int(list_id) <= ORDER_ID_MAX:
        await services.store_caught_up()
        found = await services.read(services.repository.order_list, trader.account_id, int(list_id))
    if found is None:
        raise Problem("unknown_order", "The account has no order list of that id.", "list_id")
    listed, stored = found
    return answer(order_list_report(listed, await services.read(_as_now, services, stored), services.instruments))


def _as_now(services: RunningExchange, stored: Sequence[StoredOrder]) -> list[schemas.Order]:
    """Orders of the store as they are now: the trigger price of one that trails moves without an event."""
    orders = []
    for row in stored:
        trails = row.status in OPEN_STATUSES and row.terms is not None and row.terms.trail_bps
        now = services.node.order(row.order_id) if trails else None
        orders.append(stored_order(row, services.instruments) if now is None else open_order(now, services.instruments))
    return orders


def _report(services: RunningExchange, events: bytes) -> schemas.ExecutionReport:
    return _counted(services, execution_report, events, services.instruments)


def _counted(services: RunningExchange, report_of: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """The report of a command, counted as accepted or refused. Raises Problem if it was refused."""
    try:
        report = report_of(*arguments, **named)
    except Problem as problem:
        services.metrics.rejected(problem.code)
        raise
    services.metrics.commands_accepted += 1
    return report


@router.get(
    "",
    response_class=Response,
    responses=json_of(schemas.OrderList, 200, "The orders.") | errors(401, 404, 422, 503),
)
async def list_orders(
    trader: Trader,
    services: Services,
    symbol: Symbol = None,
    status: Annotated[Literal["open", "closed", "all"], Query(description="Which orders.")] = "open",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List own orders, the newest first. Everything that was acknowledged before is in it."""
    instrument_id = None if symbol is None else services.instruments[symbol].instrument_id
    if status == "open":
        rows = await services.read(services.node.open_orders, trader.account_id)
        chosen = [
            row
            for row in reversed(rows)
            if instrument_id in (None, row["instrument_id"]) and (cursor is None or row["order_id"] < cursor)
        ]
        orders = [open_order(row, services.instruments) for row in chosen[: limit + 1]]
    else:
        await services.store_caught_up()
        stored = await services.read(
            services.repository.orders,
            trader.account_id,
            statuses=_CLOSED if status == "closed" else None,
            instrument_id=instrument_id,
            before=cursor,
            limit=limit + 1,
        )
        orders = await services.read(_as_now, services, stored)
    more = len(orders) > limit
    return answer(schemas.OrderList(orders[:limit], orders[limit - 1].order_id if more else None))


@router.delete(
    "",
    response_class=Response,
    responses=json_of(schemas.MassCancelReport, 200, "What was canceled.") | errors(401, 404, 422, 503),
)
async def cancel_orders(
    trader: Trader,
    services: Services,
    symbol: Symbol = None,
    side: Annotated[SideText | None, Query(description="Only on this side.")] = None,
) -> Response:
    """Cancel all own orders, or those on an instrument or a side. Nothing to cancel is not an error."""
    instrument_id = 0 if symbol is None else services.instruments[symbol].instrument_id
    command = mass_cancel(trader.account_id, instrument_id, 0 if side is None else SIDE[side])
    return answer(mass_cancel_report(await services.sequencer.submit(command)))


@router.get(
    "/{order_id:path}",
    response_class=Response,
    responses=json_of(schemas.Order, 200, "The order.") | errors(401, 404, 422, 503),
)
async def get_order(trader: Trader, services: Services, order_id: OrderId) -> Response:
    """Get one own order, open or closed. By `client_order_id`: the newest one that had it."""
    reference = OrderReference(order_id)
    row = await services.read(reference.find, services.node, trader)
    if row is not None:
        return answer(open_order(row, services.instruments))
    await services.store_caught_up()
    if reference.order_id:
        stored = await services.read(services.repository.order, trader.account_id, reference.order_id)
    else:
        stored = await services.read(
            services.repository.order_by_client_order_id, trader.account_id, reference.client_order_id
        )
    if stored is None:
        raise Problem("unknown_order", "The account has no order of that id.", "order_id")
    return answer(stored_order(stored, services.instruments))


@router.patch(
    "/{order_id:path}",
    response_class=Response,
    responses=json_of(schemas.ExecutionReport, 200, "The order was changed; what it did.")
    | errors(400, 401, 404, 409, 413, 415, 422, 503),
    openapi_extra=body_of(schemas.ReplaceOrder),
)
async def replace_order(trader: Trader, services: Services, order_id: OrderId, body: JsonBody) -> Response:
    """Change price, total quantity, trigger price, display quantity or `client_order_id` of an own open order.

    It keeps its place in the queue only when the price stays and the quantity does not grow.
    """
    change = decode(_REPLACE, body)
    refuse_repeated_keys(body)
    if all(getattr(change, name) is UNSET for name in change.__struct_fields__):
        raise Problem("missing_field", f"At least one of {', '.join(change.__struct_fields__)} is required.")
    reference = OrderReference(order_id)
    row = await services.read(reference.find, services.node, trader)
    if row is None:
        raise Problem("unknown_order", field="order_id")
    instrument = services.instruments.by_id[row["instrument_id"]]
    events = await services.sequencer.submit(reference.replace(trader, change, instrument))
    return answer(_report(services, events))


@router.delete(
    "/{order_id:path}",
    response_class=Response,
    responses=json_of(schemas.ExecutionReport, 200, "The order was canceled.") | errors(401, 404, 409, 422, 503),
    openapi_extra={"security": [{"ApiKey": []}]},
)
async def cancel_order(request: Request, order_id: OrderId) -> Response:
    """Cancel one own open order."""
    return _Hot(request.app.state.door.cancel_order)
