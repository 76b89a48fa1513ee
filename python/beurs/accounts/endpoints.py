"""The routes of the own account under /v1/account."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from beurs import engine, keys
from beurs.deps import JsonBody, RunningExchange, Services, Trader, answer
from beurs.engine import decode_events, format_amount
from beurs.positions import Position, position_of
from beurs.timestamps import timestamp
from beurs.web.bodies import decode, refuse_repeated_keys
from beurs.web.openapi import body_of, errors, json_of
from beurs.web.problems import Problem, rejection
from beurs.web.words import DecimalText

router: Final = APIRouter(prefix="/v1/account", tags=["account"])


_TIMEOUT_MS_MAX: Final = 86_400_000


class Balance(Struct, frozen=True):
    """An account's money in one asset: available = total − held."""

    asset: str
    total: DecimalText
    held: DecimalText
    available: DecimalText


class BalanceList(Struct, frozen=True):
    """An account's money, of every asset that it has."""

    balances: list[Balance]


class PositionList(Struct, frozen=True):
    """An account's positions, by instrument; closed ones too."""

    positions: list[Position]


class AccountReport(Struct, frozen=True):
    """An account."""

    account_id: str
    account: str
    group_id: int
    balances: list[Balance]


class CancelAllAfter(Struct, forbid_unknown_fields=True, frozen=True):
    """In how many milliseconds all own open orders are canceled: 0 never, else 1 to 86,400,000."""

    timeout_ms: int


class CancelAllAfterReport(Struct, frozen=True):
    """When all own open orders will be canceled; `deadline` is null if they will not."""

    deadline: str | None
    sequence: int
    timestamp: str


_CANCEL_ALL_AFTER: Final = msgspec.json.Decoder(CancelAllAfter)


async def _balances(services: RunningExchange, trader: keys.Trader) -> list[Balance]:
    assets = services.instruments.assets
    return [
        Balance(
            asset=assets[asset_id].code,
            total=format_amount(total, assets[asset_id].scale),
            held=format_amount(held, assets[asset_id].scale),
            available=format_amount(total - held, assets[asset_id].scale),
        )
        for asset_id, total, held in await services.read(services.node.balances, trader.account_id)
    ]


@router.get("", response_class=Response, responses=json_of(AccountReport, 200, "The account.") | errors(401, 422, 503))
async def account(trader: Trader, services: Services) -> Response:
    """The own account and its balances."""
    await services.store_caught_up()
    stored = await services.read(services.repository.account, trader.account_id)
    assert stored is not None  # the store has caught up, and the trader's account is older
    group_id = stored.group_id
    return answer(AccountReport(str(trader.account_id), trader.account, group_id, await _balances(services, trader)))


@router.post(
    "/cancel-all-after",
    response_class=Response,
    responses=json_of(CancelAllAfterReport, 200, "The timer was set.") | errors(400, 401, 409, 413, 415, 422, 503),
    openapi_extra=body_of(CancelAllAfter),
)
async def cancel_all_after(trader: Trader, services: Services, body: JsonBody) -> Response:
    """Have all own open orders canceled when the time is over, unless this is asked again before.

    For a program that may die: it asks again and again, and when it no longer does, its orders go.
    """
    timeout_ms = decode(_CANCEL_ALL_AFTER, body).timeout_ms
    refuse_repeated_keys(body)
    if not 0 <= timeout_ms <= _TIMEOUT_MS_MAX:
        raise Problem("invalid_timeout", field="timeout_ms")
    events = await services.sequencer.submit(engine.cancel_all_after(trader.account_id, timeout_ms * 1_000_000))
    told: Any = decode_events(events)[-1]
    if told.kind == "rejected":
        raise rejection(told.code)
    deadline = timestamp(told.deadline_ns) if told.deadline_ns else None
    return answer(CancelAllAfterReport(deadline, told.sequence, timestamp(told.event_time_ns)))


@router.get(
    "/balances", response_class=Response, responses=json_of(BalanceList, 200, "The balances.") | errors(401, 422, 503)
)
async def balances(trader: Trader, services: Services) -> Response:
    """The own balances. Everything that was acknowledged before is in them."""
    return answer(BalanceList(await _balances(services, trader)))


@router.get(
    "/positions",
    response_class=Response,
    responses=json_of(PositionList, 200, "The positions.") | errors(401, 422, 503),
)
async def positions(trader: Trader, services: Services) -> Response:
    """The own positions, by average cost. Everything that was acknowledged before is in them.

    `average_price` is rounded half up to four decimals more than the tick size has; `cost` is exact. Profits are before
    fees.
    """
    return answer(await services.read(_positions, services, trader))


def _positions(services: RunningExchange, trader: keys.Trader) -> PositionList:
    names = services.instruments.catalogue
    rows = services.node.positions(trader.account_id)
    return PositionList([position_of(row, names.instrument(row["instrument_id"])) for row in rows])
