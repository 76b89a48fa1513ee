"""The routes of the own account under /v1/account."""

from typing import Final

from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from beurs import keys
from beurs.deps import RunningExchange, Services, Trader, answer
from beurs.engine import format_amount
from beurs.web.openapi import errors, json_of
from beurs.web.words import DecimalText

router: Final = APIRouter(prefix="/v1/account", tags=["account"])


class Balance(Struct, frozen=True):
    """An account's money in one asset: available = total − held."""

    asset: str
    total: DecimalText
    held: DecimalText
    available: DecimalText


class BalanceList(Struct, frozen=True):
    """An account's money, of every asset that it has."""

    balances: list[Balance]


class AccountReport(Struct, frozen=True):
    """An account."""

    account_id: str
    account: str
    group_id: int
    balances: list[Balance]


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


@router.get(
    "/balances", response_class=Response, responses=json_of(BalanceList, 200, "The balances.") | errors(401, 422, 503)
)
async def balances(trader: Trader, services: Services) -> Response:
    """The own balances. Everything that was acknowledged before is in them."""
    return answer(BalanceList(await _balances(services, trader)))
