"""The JSON of the venue's administration, and the table of what can be changed: `CHANGES`.

A body has the names and texts of the REST interface; `arguments` makes those of `beurs.administration` out of it, which
reads decimals and names and knows the ranges. What a field may be says its description; what makes sense, the engine.
A change of everything is asked for by `all`, never by leaving something out.

The command line is made of these types too, so nothing is imported here that takes long.
"""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from beurs.errors import InputError
from beurs.timestamps import parse_time_of_day, parse_timestamp
from beurs.values import AccountMode, BandAction, Feature, MatchingAlgorithm, Side, TradingStatus
from beurs.web.words import DECIMAL_PATTERN

_REASON: Final = "Why, for those who read it later: 1 to 64 printable ASCII characters."
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
FeatureWord = Literal[
    "conditional", "iceberg", "hidden", "pegged", "market_to_limit", "slide", "minimum_quantity", "order_lists"
]


def _text(description: str, pattern: str | None = None) -> Meta:
    return Meta(description=description, extra_json_schema={"pattern": pattern} if pattern else {})


def _decimal(description: str) -> Meta:
    return _text(description, DECIMAL_PATTERN)


def _number(description: str, low: int, high: int) -> Meta:
    # For the documentation: `beurs.arguments` refuses what is outside, and says so in its words.
    return Meta(description=description, extra_json_schema={"minimum": low, "maximum": high})


_NS_MAX, _U32_MAX = 2**63 - 1, 2**32 - 1
Reason = Annotated[str, _text(_REASON, r"^[!-~]([ -~]{0,62}[!-~])?$")]
Symbol = Annotated[str, _text("The instrument.")]
Account = Annotated[str, _text("The account's code.")]
AssetCode = Annotated[str, _text("The asset's code.")]
TradeId = Annotated[str, _text("The trade.", r"^[1-9][0-9]{0,17}$")]
GroupId = Annotated[int, _number("The account group; what is set for 0 holds where nothing else is set.", 0, 65_535)]
KeyId = Annotated[int, _number("Which key of the account.", 1, 4095)]
All = Annotated[bool, Meta(description="True for everything; else not given.")]
MakerPpm = Annotated[
    int, _number("What a maker pays, in millionths of the notional; a rebate if negative.", -(10**6), 10**6)
]
TakerPpm = Annotated[int, _number("What a taker pays, in millionths of the notional.", 0, 10**6)]
TimeText = Annotated[str, _text("UTC, as in 2025-01-31T09:30:00Z.")]


class FieldMissing(InputError):
    """A field must be given."""


class ChangeBody(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What every change has."""

    reason: Reason

    argument_names: ClassVar[dict[str, str]] = {}
    """How `beurs.administration` calls a field, where it has another name for it."""

    def check(self) -> None:
        """Refuses fields that do not go together."""

    def arguments(self) -> dict[str, Any]:
        """The arguments of the change. Raises InputError for what cannot be meant, naming the field."""
        self.check()
        arguments = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is UNSET or name in ("reason", "all"):
                continue
            argument, convert = _CONVERTED.get(name, (self.argument_names.get(name, name), _same))
            try:
                arguments[argument] = convert(value)
            except ValueError as error:
                raise InputError(name, str(error)) from None
        return arguments

    def field_of(self, argument: str) -> str:
        """The field that an argument was made of."""
        names = {converted: name for name, (converted, _) in _CONVERTED.items() if name in self.__struct_fields__}
        names |= {converted: name for name, converted in self.argument_names.items()}
        return names.get(argument, argument)

    def has(self, name: str) -> bool:
        """Whether a field is given. `all` must be true then."""
        value = getattr(self, name)
        if name == "all" and value is False:
            raise InputError("all", "must be true, or not be given")
        return value is not UNSET

    def require_one_of(self, *names: str) -> None:
        """Refuses a body that does not have exactly one of these fields."""
        given = [name for name in names if self.has(name)]
        if not given:
            raise FieldMissing(names[0], f"must be given, or another one of {', '.join(names)}")
        if len(given) > 1:
            raise InputError(given[1], f"cannot be given together with {given[0]}")

    def require_account_of_key(self) -> None:
        """Refuses a `key_id` without its `account`."""
        if self.has("key_id") and not self.has("account"):
            raise FieldMissing("account", "must be given with a key_id")


def _same(value: Any) -> Any:
    return value


def _weekdays(days: list[str]) -> int:
    return sum({1 << get_args(Weekday).index(day) for day in days})


def _features(words: list[str]) -> int:
    return sum({Feature[word.upper()].value for word in words})


def _trade_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and text[0] != "0" and len(text) <= 18):
        raise ValueError("must be a whole number of at most 18 digits, as text")
    return int(text)


_CONVERTED: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "end_time": ("end_time_ns", parse_timestamp),
    "from_time": ("from_ns", parse_timestamp),
    "until_time": ("until_ns", parse_timestamp),
    "time_of_day": ("time_of_day_ns", parse_time_of_day),
    "weekdays": ("weekdays", _weekdays),
    "features": ("features", _features),
    "trade_id": ("trade_id", _trade_id),
}


class AddAsset(ChangeBody, frozen=True, kw_only=True):
    """Make an asset known."""

    code: Annotated[str, _text("Its unique code: at most 15 characters of A-Z a-z 0-9 . _ -.")]
    scale: Annotated[int, _number("How many decimals its smallest unit has.", 0, 18)]


class ListInstrument(ChangeBody, frozen=True, kw_only=True):
    """Make an instrument tradable, at once."""

    symbol: Annotated[str, _text("Its unique symbol: at most 31 characters of A-Z a-z 0-9 . _ -.")]
    base: Annotated[str, _text("The asset that is traded.")]
    quote: Annotated[str, _text("The asset that pays.")]
    tick_size: Annotated[str, _decimal("The price step, in quote per base.")]
    lot_size: Annotated[str, _decimal("The quantity step, in base.")]
    min_quantity: Annotated[str, _decimal("The smallest order, in base; one lot if not given.")] | UnsetType = UNSET
    max_quantity: Annotated[str, _decimal("The largest order, in base; 2⁵³ − 1 lots if not given.")] | UnsetType = UNSET
    min_notional: (
        Annotated[str, _decimal("The smallest price × quantity of an order, in quote; none if not given.")] | UnsetType
    ) = UNSET


class OpenAccount(ChangeBody, frozen=True, kw_only=True):
    """Open an account. Its keys are made with `beurs key create`."""

    code: Annotated[str, _text("Its unique code: at most 31 characters of A-Z a-z 0-9 . _ -.")]
    group_id: GroupId = 0


class Deposit(ChangeBody, frozen=True, kw_only=True):
    """Bring money in."""

    account: Account
    asset: AssetCode
    amount: Annotated[str, _decimal("How much, in the asset.")]


class Withdraw(ChangeBody, frozen=True, kw_only=True):
    """Take money out, of what is available."""

    account: Account
    asset: AssetCode
    amount: Annotated[str, _decimal("How much, in the asset.")]


class SetTradingStatus(ChangeBody, frozen=True, kw_only=True):
    """Say what an instrument, the instruments of a group, or all accept. Exactly one of the three is given."""

    argument_names = {"instrument_group_id": "group"}

    status: TradingStatus
    symbol: Symbol | UnsetType = UNSET
    instrument_group_id: Annotated[int, _number("The instruments of this group.", 0, 65_535)] | UnsetType = UNSET
    all: All | UnsetType = UNSET
    end_time: Annotated[str, _text("When an auction ends by itself, UTC; not at all if not given.")] | UnsetType = UNSET

    def check(self) -> None:
        """One scope."""
        self.require_one_of("symbol", "instrument_group_id", "all")


class SetInstrumentGroup(ChangeBody, frozen=True, kw_only=True):
    """Put an instrument into a group, whose trading status can be set at once."""

    symbol: Symbol
    instrument_group_id: Annotated[int, _number("The group; at first 0.", 0, 65_535)]


class SetSchedule(ChangeBody, frozen=True, kw_only=True):
    """Set one entry of an instrument's daily schedule. Without weekdays the entry is removed."""

    symbol: Symbol
    slot: Annotated[int, _number("Which entry.", 0, 15)]
    status: TradingStatus
    weekdays: Annotated[list[Weekday], Meta(description="On which days.")]
    time_of_day: Annotated[str, _text("When, UTC, as in 09:30:00.")]
    random_ns: Annotated[int, _number("How much later it may happen at random, in nanoseconds.", 0, _NS_MAX)] = 0


class SetRandomSeed(ChangeBody, frozen=True, kw_only=True):
    """Draw anew what random times are made of. Nobody gets to see it: who knows it knows the times."""


class SetMarkPrice(ChangeBody, frozen=True, kw_only=True):
    """Set an instrument's mark price, which may trigger conditional orders."""

    symbol: Symbol
    price: Annotated[str, _decimal("The price, in quote per base.")]


class SetPriceBands(ChangeBody, frozen=True, kw_only=True):
    """Say between which prices an instrument may trade. What is not given is off."""

    symbol: Symbol
    reference: Annotated[str, _decimal("The static reference price; stays if not given.")] | UnsetType = UNSET
    static_up_bps: Annotated[int, _number("How far above the reference it may trade.", 0, 10**6)] = 0
    static_down_bps: Annotated[int, _number("How far below.", 0, 9999)] = 0
    dynamic_bps: Annotated[int, _number("How far from the last price.", 0, 9999)] = 0
    collar_bps: Annotated[int, _number("How far from the best price an order without a limit may trade.", 0, 9999)] = 0
    action: BandAction = BandAction.CANCEL
    auction_ns: Annotated[int, _number("How long a volatility auction lasts, in nanoseconds.", 0, _NS_MAX)] = 60 * 10**9
    auction_random_ns: Annotated[int, _number("How much longer at random, in nanoseconds.", 0, _NS_MAX)] = 0
    limit_state_ns: Annotated[
        int, _number("How long a best price may stand at a band, in nanoseconds; 0 is for ever.", 0, _NS_MAX)
    ] = 0


class SetMatching(ChangeBody, frozen=True, kw_only=True):
    """Say how orders at one price share what comes in. The instrument's book must be empty."""

    symbol: Symbol
    algorithm: MatchingAlgorithm
    top_max: Annotated[str, _decimal("What the order that set the best price gets first, in base.")] | UnsetType = UNSET
    lead_percent: Annotated[int, _number("Percent of what is left then that lead market makers get.", 0, 100)] = 0
    fifo_percent: Annotated[int, _number("Percent of what is left then that goes by time.", 0, 100)] = 0
    min_allocation: (
        Annotated[str, _decimal("A proportional share below this, in base, is nothing; one lot if not given.")]
        | UnsetType
    ) = UNSET
    leveling: Annotated[bool, Meta(description="Who got nothing in proportion gets a lot, the oldest first.")] = False


class SetLeadMarketMaker(ChangeBody, frozen=True, kw_only=True):
    """Set an account's weight among the lead market makers of an instrument."""

    symbol: Symbol
    account: Account
    share: Annotated[int, _number("Its weight; 0 if it is none.", 0, 10_000)]


class SetFeatures(ChangeBody, frozen=True, kw_only=True):
    """Say which kinds of orders an instrument takes."""

    symbol: Symbol
    features: Annotated[list[FeatureWord], Meta(description="The kinds beyond plain orders.")]
    max_triggers: Annotated[int, _number("Conditional orders that may trigger in one command.", 1, 100_000)] = 1_000


class SetRiskLimits(ChangeBody, frozen=True, kw_only=True):
    """Bound what an account, an account group, or a key of an account may do, on an instrument or, without a symbol, on
    all together, where only counts can be bounded. All limits are replaced: what is 0 or not given is not bounded."""

    account: Account | UnsetType = UNSET
    key_id: KeyId | UnsetType = UNSET
    group_id: Annotated[int, _number("The accounts of this group, together.", 0, 65_535)] | UnsetType = UNSET
    symbol: Symbol | UnsetType = UNSET
    max_order_quantity: Annotated[str, _decimal("The largest order, in base.")] | UnsetType = UNSET
    max_order_notional: Annotated[str, _decimal("The largest price × quantity, in quote.")] | UnsetType = UNSET
    max_open_orders: Annotated[int, _number("Open orders, conditional ones included.", 0, _U32_MAX)] = 0
    max_open_conditional_orders: Annotated[int, _number("Conditional orders that wait.", 0, _U32_MAX)] = 0
    max_position: Annotated[str, _decimal("The largest position, long or short, in base.")] | UnsetType = UNSET
    max_exposure: Annotated[str, _decimal("The largest exposure, in quote.")] | UnsetType = UNSET
    max_order_rate: Annotated[int, _number("New orders and replaces in `rate_window_ns`.", 0, _U32_MAX)] = 0
    rate_window_ns: Annotated[int, _number("1 ms to 24 h where there is a rate, in nanoseconds.", 0, _NS_MAX)] = 0
    fat_finger_bps: Annotated[
        int, _number("How far a limit may be from the last price, against its owner.", 0, _U32_MAX)
    ] = 0
    duplicate_window_ns: Annotated[int, _number("How long an equal order is refused, in nanoseconds.", 0, _NS_MAX)] = 0

    def check(self) -> None:
        """One scope, and a key with its account."""
        self.require_account_of_key()
        self.require_one_of("account", "group_id")


class SetAccountMode(ChangeBody, frozen=True, kw_only=True):
    """Say what an account may do."""

    account: Account
    mode: AccountMode


class SetAccountGroup(ChangeBody, frozen=True, kw_only=True):
    """Move an account to another group. Its open orders keep the fees that they were entered with."""

    account: Account
    group_id: GroupId


class SetTradeGroup(ChangeBody, frozen=True, kw_only=True):
    """Put an account into a trade group, whose members do not trade with each other."""

    account: Account
    trade_group_id: Annotated[int, _number("The group; 0 is none.", 0, _U32_MAX)]


class KillSwitch(ChangeBody, frozen=True, kw_only=True):
    """Cancel everything in a scope and refuse new orders there, or allow them again.

    The scope is exactly one of all, an instrument, an account group, and an account or one of its keys.
    """

    engaged: Annotated[bool, Meta(description="True engages the switch, false releases it.")]
    all: All | UnsetType = UNSET
    symbol: Symbol | UnsetType = UNSET
    group_id: Annotated[int, _number("The accounts of this group.", 0, 65_535)] | UnsetType = UNSET
    account: Account | UnsetType = UNSET
    key_id: KeyId | UnsetType = UNSET

    def check(self) -> None:
        """One scope, and a key with its account."""
        self.require_account_of_key()
        self.require_one_of("all", "symbol", "group_id", "account")


class SetFees(ChangeBody, frozen=True, kw_only=True):
    """Set the fees of an account group on an instrument, for orders from now on."""

    symbol: Symbol
    maker_ppm: MakerPpm
    taker_ppm: TakerPpm
    group_id: GroupId = 0


class SetFeeTier(ChangeBody, frozen=True, kw_only=True):
    """Set what an account group pays on an instrument from a 30-day volume on. The highest tier reached holds."""

    symbol: Symbol
    tier: Annotated[int, _number("Which tier.", 1, 15)]
    min_volume: Annotated[str, _decimal("From which volume on, in quote; 0 removes the tier.")]
    maker_ppm: MakerPpm
    taker_ppm: TakerPpm
    group_id: GroupId = 0


class SetFeePromotion(ChangeBody, frozen=True, kw_only=True):
    """Set what an account group pays on an instrument for a time, instead of schedule and tiers.

    An end that is not after the beginning removes the promotion.
    """

    symbol: Symbol
    from_time: TimeText
    until_time: TimeText
    maker_ppm: MakerPpm
    taker_ppm: TakerPpm
    group_id: GroupId = 0


class SetFeeCap(ChangeBody, frozen=True, kw_only=True):
    """Set the most that one order pays in fees on an instrument. Without `max_fee` there is no cap."""

    symbol: Symbol
    max_fee: Annotated[str, _decimal("The cap, in quote.")] | UnsetType = UNSET
    group_id: GroupId = 0

    def arguments(self) -> dict[str, Any]:
        """An absent cap is told, too."""
        return {"max_fee": None} | super().arguments()


class CancelOrders(ChangeBody, frozen=True, kw_only=True):
    """Cancel all orders of an account, on an instrument, or all there are; also where trading is halted."""

    account: Account | UnsetType = UNSET
    symbol: Symbol | UnsetType = UNSET
    all: All | UnsetType = UNSET
    side: Side | UnsetType = UNSET

    def check(self) -> None:
        """Some scope; account and symbol go together."""
        if self.has("account") and self.has("symbol"):
            self.require_one_of("account", "all")
        else:
            self.require_one_of("account", "symbol", "all")


class BustTrade(ChangeBody, frozen=True, kw_only=True):
    """Undo the money of a trade: what it moved moves back, fees included."""

    trade_id: TradeId


class AdjustTrade(ChangeBody, frozen=True, kw_only=True):
    """Correct the price of a trade: the difference in notional moves between its sides. Fees stay."""

    trade_id: TradeId
    new_price: Annotated[str, _decimal("The price that holds.")]


class Route(NamedTuple):
    """One thing that staff can change.

    Attributes:
        path: Where, under /v1/admin.
        body: What is asked for. Its docstring describes the route.
        method: Which method of the desk does it.
        status: The answer's status.
    """

    path: str
    body: type[ChangeBody]
    method: str
    status: int = 200


CHANGES: Final = (
    Route("/assets", AddAsset, "add_asset", 201),
    Route("/instruments", ListInstrument, "list_instrument", 201),
    Route("/accounts", OpenAccount, "open_account", 201),
    Route("/deposits", Deposit, "deposit", 201),
    Route("/withdrawals", Withdraw, "withdraw", 201),
    Route("/trading-status", SetTradingStatus, "set_trading_status"),
    Route("/instrument-group", SetInstrumentGroup, "set_instrument_group"),
    Route("/schedule", SetSchedule, "set_schedule"),
    Route("/random-seed", SetRandomSeed, "draw_random_seed"),
    Route("/mark-price", SetMarkPrice, "set_mark_price"),
    Route("/price-bands", SetPriceBands, "set_price_bands"),
    Route("/matching", SetMatching, "set_matching"),
    Route("/lead-market-makers", SetLeadMarketMaker, "set_lead_market_maker"),
    Route("/features", SetFeatures, "set_features"),
    Route("/risk-limits", SetRiskLimits, "set_risk_limits"),
    Route("/account-mode", SetAccountMode, "set_account_mode"),
    Route("/account-group", SetAccountGroup, "set_account_group"),
    Route("/trade-group", SetTradeGroup, "set_trade_group"),
    Route("/kill-switches", KillSwitch, "kill_switch"),
    Route("/fees", SetFees, "set_fees"),
    Route("/fee-tiers", SetFeeTier, "set_fee_tier"),
    Route("/fee-promotions", SetFeePromotion, "set_fee_promotion"),
    Route("/fee-caps", SetFeeCap, "set_fee_cap"),
    Route("/mass-cancel", CancelOrders, "mass_cancel"),
    Route("/trade-busts", BustTrade, "bust_settled_trade"),
    Route("/trade-adjustments", AdjustTrade, "adjust_settled_trade"),
)
"""Everything that staff can change."""
