"""What staff looks at under /v1/admin: positions, kill switches, risk limits, the settings of an instrument."""

from typing import Final, get_args

from fastapi import APIRouter
from msgspec import Struct
from starlette.responses import Response

from beurs.admin.schemas import FeatureWord, Weekday
from beurs.catalogue import Catalogue, Instrument
from beurs.deps import Operator, RunningExchange, Services, answer
from beurs.engine import format_amount
from beurs.errors import NotFound
from beurs.positions import Position, position_of
from beurs.rows import BandsRow, MatchingRow, RiskLimitsRow, ScheduleRow
from beurs.timestamps import timestamp
from beurs.values import Feature
from beurs.web.openapi import errors, json_of
from beurs.web.problems import Problem
from beurs.web.words import DecimalText

router: Final = APIRouter(prefix="/v1/admin", tags=["administration"])

_NEVER: Final = 2**63 - 1


class AccountPositions(Struct, frozen=True):
    """The positions of an account, by instrument; closed ones too."""

    account: str
    positions: list[Position]


class KillSwitchState(Struct, frozen=True):
    """A kill switch that is engaged; null where it does not belong to its scope."""

    scope: str
    symbol: str | None
    group_id: int | None
    account: str | None
    key_id: int | None


class KillSwitchList(Struct, frozen=True):
    """The kill switches that are engaged."""

    kill_switches: list[KillSwitchState]


class RiskLimitsState(Struct, frozen=True):
    """The limits of a scope on an instrument, or with `symbol` null on all; null is no bound."""

    scope: str
    symbol: str | None
    group_id: int | None
    account: str | None
    key_id: int | None
    max_order_quantity: DecimalText | None
    max_order_notional: DecimalText | None
    max_open_orders: int | None
    max_open_conditional_orders: int | None
    max_position: DecimalText | None
    max_exposure: DecimalText | None
    max_order_rate: int | None
    rate_window_ns: int | None
    fat_finger_bps: int | None
    duplicate_window_ns: int | None


class RiskLimitsList(Struct, frozen=True):
    """The risk limits that are set."""

    risk_limits: list[RiskLimitsState]


class PriceBands(Struct, frozen=True):
    """Between which prices an instrument may trade; 0 is off."""

    static_up_bps: int
    static_down_bps: int
    dynamic_bps: int
    collar_bps: int
    action: str
    auction_ns: int
    auction_random_ns: int
    limit_state_ns: int


class Matching(Struct, frozen=True):
    """How orders at one price share what comes in; null where the algorithm has no such thing."""

    algorithm: str
    top_max: DecimalText | None
    lead_percent: int | None
    fifo_percent: int | None
    min_allocation: DecimalText | None
    leveling: bool | None


class LeadMarketMaker(Struct, frozen=True):
    """An account's weight among the lead market makers."""

    account: str
    share: int


class ScheduleEntry(Struct, frozen=True):
    """An entry of the daily schedule; `next_time` is when it happens next, its random delay included."""

    slot: int
    weekdays: list[Weekday]
    time_of_day: str
    random_ns: int
    status: str
    next_time: str | None


class InstrumentSettings(Struct, frozen=True):
    """What is set for an instrument."""

    symbol: str
    status: str
    end_time: str | None
    """When the auction that it is in ends; null if it does not by itself."""
    instrument_group_id: int
    reference_price: DecimalText | None
    mark_price: DecimalText | None
    features: list[FeatureWord]
    max_triggers: int
    price_bands: PriceBands | None
    matching: Matching
    lead_market_makers: list[LeadMarketMaker]
    schedule: list[ScheduleEntry]


@router.get(
    "/accounts/{code}/positions",
    response_class=Response,
    responses=json_of(AccountPositions, 200, "The positions.") | errors(401, 404, 422, 503),
)
async def list_positions(_operator: Operator, services: Services, code: str) -> Response:
    """The positions of an account."""
    try:
        return answer(await services.read(_positions, services, code))
    except NotFound as error:
        raise Problem("unknown_account", field="code") from error


@router.get(
    "/kill-switches",
    response_class=Response,
    responses=json_of(KillSwitchList, 200, "The kill switches.") | errors(401, 422, 503),
)
async def list_kill_switches(_operator: Operator, services: Services) -> Response:
    """The kill switches that are engaged."""
    return answer(await services.read(_kill_switches, services))


@router.get(
    "/risk-limits",
    response_class=Response,
    responses=json_of(RiskLimitsList, 200, "The risk limits.") | errors(401, 422, 503),
)
async def list_risk_limits(_operator: Operator, services: Services) -> Response:
    """The risk limits that are set, for accounts, groups and keys."""
    return answer(await services.read(_risk_limits, services))


@router.get(
    "/instruments/{symbol}/settings",
    response_class=Response,
    responses=json_of(InstrumentSettings, 200, "The settings.") | errors(401, 404, 422, 503),
)
async def show_settings(_operator: Operator, services: Services, symbol: str) -> Response:
    """What is set for an instrument: bands, features, matching, schedule, and the prices that belong to them."""
    try:
        return answer(await services.read(_settings, services, symbol))
    except NotFound as error:
        raise Problem("unknown_instrument", field="symbol") from error


def _positions(services: RunningExchange, code: str) -> AccountPositions:
    names = services.instruments.catalogue
    account = names.account(code)
    rows = services.node.positions(account.account_id)
    return AccountPositions(account.code, [position_of(row, names.instrument(row["instrument_id"])) for row in rows])


def _kill_switches(services: RunningExchange) -> KillSwitchList:
    names = services.instruments.catalogue
    return KillSwitchList(
        [
            KillSwitchState(
                row["scope"],
                _symbol(names, row["instrument_id"]),
                row["group_id"] if row["scope"] == "group" else None,
                _account(names, row["account_id"]),
                row["key_id"] if row["scope"] == "key" else None,
            )
            for row in services.node.kill_switches()
        ]
    )


def _risk_limits(services: RunningExchange) -> RiskLimitsList:
    names = services.instruments.catalogue
    return RiskLimitsList([_limits(names, row) for row in services.node.risk_limits()])


def _limits(names: Catalogue, row: RiskLimitsRow) -> RiskLimitsState:
    # Without an instrument only counts are bounded: there is nothing that needs its decimals.
    instrument = names.instrument(row["instrument_id"]) if row["instrument_id"] else None

    def lots(count: int) -> str | None:
        return instrument.lot.text(count) if instrument is not None and count else None

    def money(units: int) -> str | None:
        return format_amount(units, instrument.quote_unit.scale) if instrument is not None and units else None

    return RiskLimitsState(
        scope=row["scope"],
        symbol=None if instrument is None else instrument.symbol,
        group_id=row["group_id"] if row["scope"] == "group" else None,
        account=_account(names, row["account_id"]),
        key_id=row["key_id"] if row["scope"] == "key" else None,
        max_order_quantity=lots(row["max_order_quantity"]),
        max_order_notional=money(row["max_order_notional"]),
        max_open_orders=row["max_open_orders"] or None,
        max_open_conditional_orders=row["max_open_conditional_orders"] or None,
        max_position=lots(row["max_position"]),
        max_exposure=money(row["max_exposure"]),
        max_order_rate=row["max_order_rate"] or None,
        rate_window_ns=row["rate_window_ns"] or None,
        fat_finger_bps=row["fat_finger_bps"] or None,
        duplicate_window_ns=row["duplicate_window_ns"] or None,
    )


def _settings(services: RunningExchange, symbol: str) -> InstrumentSettings:
    names = services.instruments.catalogue
    known = names.instrument(symbol)
    instrument = next(each for each in names.instruments() if each.instrument_id == known.instrument_id)
    row = services.node.settings(instrument.instrument_id)
    assert row is not None  # instruments are never removed
    words: tuple[FeatureWord, ...] = get_args(FeatureWord)
    return InstrumentSettings(
        symbol=instrument.symbol,
        status=instrument.status,
        end_time=timestamp(row["end_time_ns"]) if row["end_time_ns"] else None,
        instrument_group_id=row["instrument_group_id"],
        reference_price=instrument.tick.text(row["reference"]) if row["reference"] else None,
        mark_price=instrument.tick.text(row["mark_price"]) if row["mark_price"] else None,
        features=[word for word in words if row["features"] & Feature[word.upper()]],
        max_triggers=row["max_triggers"],
        price_bands=_bands(row["bands"]),
        matching=_matching(row["matching"], instrument),
        lead_market_makers=[
            LeadMarketMaker(names.account(account_id).code, share) for account_id, share in row["lead_market_makers"]
        ],
        schedule=[_entry(entry) for entry in row["schedule"]],
    )


def _bands(row: BandsRow | None) -> PriceBands | None:
    return None if row is None else PriceBands(**row)


def _matching(row: MatchingRow | None, instrument: Instrument) -> Matching:
    if row is None:
        return Matching("price_time", None, None, None, None, None)
    return Matching(
        algorithm=row["algorithm"],
        top_max=instrument.lot.text(row["top_max"]) if row["top_max"] else None,
        lead_percent=row["lead_percent"],
        fifo_percent=row["fifo_percent"],
        min_allocation=instrument.lot.text(row["min_allocation"]),
        leveling=row["leveling"],
    )


def _entry(row: ScheduleRow) -> ScheduleEntry:
    days: tuple[Weekday, ...] = get_args(Weekday)
    return ScheduleEntry(
        slot=row["slot"],
        weekdays=[day for at, day in enumerate(days) if row["weekdays"] >> at & 1],
        time_of_day=timestamp(row["time_of_day_ns"])[11:-1],
        random_ns=row["random_ns"],
        status=row["status"],
        next_time=None if row["due_ns"] == _NEVER else timestamp(row["due_ns"]),
    )


def _symbol(names: Catalogue, instrument_id: int) -> str | None:
    return names.instrument(instrument_id).symbol if instrument_id else None


def _account(names: Catalogue, account_id: int) -> str | None:
    return names.account(account_id).code if account_id else None
