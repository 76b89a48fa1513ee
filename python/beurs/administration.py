"""What the venue's staff does: assets, instruments, accounts, fees, limits, statuses, corrections.

`Administration` is the part of `beurs.Exchange` for it; `Exchange.staff` gives the same commands with who and why.
Names and decimal text become the engine's integers here; whether a setting makes sense the engine says.
"""

from __future__ import annotations

from typing import TypeVar

from beurs import arguments, engine
from beurs.catalogue import Account, Asset, Catalogue, Instrument
from beurs.errors import InputError, Rejected
from beurs.reports import (
    AccountOpened,
    Event,
    KillSwitchSet,
    TradeCorrected,
    TradingStatusSet,
)
from beurs.values import (
    AccountMode,
    BandAction,
    Feature,
    MatchingAlgorithm,
    Number,
    StatusReason,
    Step,
    TradingStatus,
)

__all__ = ["Administration"]

_ReportType = TypeVar("_ReportType")
_U16, _U32, _I32 = 2**16 - 1, 2**32 - 1, 2**31 - 1


class Administration:
    """The commands of the venue's staff."""

    __slots__ = ()

    _catalogue: Catalogue

    def _execute(self, command: bytes, rejected: type[Rejected] = Rejected) -> list[Event]:
        """Executes one command; raises what is `rejected` if the engine refuses it."""
        raise NotImplementedError

    # What there is.

    def add_asset(self, code: str, *, scale: int) -> Asset:
        """Makes an asset known. Its smallest unit is `10**-scale`, with `scale` from 0 to 18.

        Raises Rejected: `invalid_code`, `duplicate_code`, `invalid_scale`, `too_many_entries`.
        """
        self._execute(engine.add_asset(arguments.text("code", code), arguments.integer("scale", scale, 0, 255)))
        return self._catalogue.asset(code)

    def list_instrument(
        self,
        symbol: str,
        *,
        base: str | int,
        quote: str | int,
        tick_size: Number,
        lot_size: Number,
        min_quantity: Number | None = None,
        max_quantity: Number | None = None,
        min_notional: Number | None = None,
    ) -> Instrument:
        """Makes an instrument tradable: `base` for `quote`, at once.

        Args:
            symbol: Its unique symbol.
            base: The asset that is traded.
            quote: The asset that pays.
            tick_size: The price step, in quote per base.
            lot_size: The quantity step, in base.
            min_quantity: The smallest order, in base; one lot if not given.
            max_quantity: The largest order, in base; 2**53 - 1 lots if not given.
            min_notional: The smallest price × quantity of an order, in quote; none if not given.

        Raises Rejected: `duplicate_code`, `same_asset`, `inexact_notional` and others of 501 to 511.
        """
        base_asset, quote_asset = self._catalogue.asset(base), self._catalogue.asset(quote)
        tick, lot = Step.of(tick_size, "tick_size"), Step.of(lot_size, "lot_size")
        command = engine.list_instrument(
            arguments.text("symbol", symbol),
            base_asset.asset_id,
            quote_asset.asset_id,
            tick.mantissa,
            tick.scale,
            lot.mantissa,
            lot.scale,
            1 if min_quantity is None else lot.count(min_quantity, "min_quantity"),
            2**53 - 1 if max_quantity is None else lot.count(max_quantity, "max_quantity"),
            0 if min_notional is None else quote_asset.unit.units(min_notional, "min_notional"),
        )
        self._execute(command)
        return self._catalogue.instrument(symbol)

    def open_account(self, code: str, *, group_id: int = 0) -> Account:
        """Opens an account in a fee group. Raises Rejected: `invalid_code`, `duplicate_code`, `too_many_entries`."""
        command = engine.open_account(arguments.text("code", code), arguments.integer("group_id", group_id, 0, 65_535))
        (opened,) = [event for event in self._execute(command) if isinstance(event, AccountOpened)]
        return self._catalogue.opened(Account(opened.account_id, opened.code, opened.group_id))

    def set_account_group(self, account: str | int, group_id: int) -> None:
        """Moves an account to another fee group. Its open orders keep the fees they were entered with."""
        account_id = self._catalogue.account(account).account_id
        self._execute(engine.set_account_group(account_id, arguments.integer("group_id", group_id, 0, 65_535)))

    def set_fees(self, symbol: str | int, *, maker_ppm: int, taker_ppm: int, group_id: int = 0) -> None:
        """Sets the fees of a group on an instrument, in parts per million of the notional, for orders from now on.

        What is set for group 0 holds for every group that has nothing of its own. A negative `maker_ppm` is a rebate.

        Raises Rejected: `invalid_fee`.
        """
        command = engine.set_fees(
            self._catalogue.instrument(symbol).instrument_id,
            arguments.integer("group_id", group_id, 0, 65_535),
            arguments.integer("maker_ppm", maker_ppm, -(2**31), 2**31 - 1),
            arguments.integer("taker_ppm", taker_ppm, -(2**31), 2**31 - 1),
        )
        self._execute(command)

    def set_instrument_group(self, symbol: str | int, instrument_group_id: int) -> None:
        """Moves an instrument to another group, whose trading status can be set at once."""
        instrument_id = self._catalogue.instrument(symbol).instrument_id
        group = arguments.integer("instrument_group_id", instrument_group_id, 0, _U16)
        self._execute(engine.set_instrument_group(instrument_id, group))

    # Trading.

    def set_trading_status(
        self,
        symbol: str | int | None = None,
        status: TradingStatus | str | None = None,
        *,
        group: int | None = None,
        reason: StatusReason | str = StatusReason.REQUESTED,
        end_time_ns: int | None = None,
    ) -> list[TradingStatusSet]:
        """Says what an instrument accepts, or those of an instrument group, or, without either, all.

        Args:
            symbol: The instrument.
            status: `open`, `post_only`, `cancel_only`, `halted`, `auction`, `pre_open` or `closed`.
            group: The instrument group.
            reason: Why.
            end_time_ns: When an auction ends by itself, in nanoseconds since 1970 UTC; not at all if not given.

        Raises Rejected: `invalid_end_time`.
        """
        if symbol is not None and group is not None:
            raise InputError("group", "must not be given together with symbol")
        command = engine.set_trading_status(
            None if symbol is None else self._catalogue.instrument(symbol).instrument_id,
            TradingStatus.of(status, "status").number,
            instrument_group_id=None if group is None else arguments.integer("group", group, 0, _U16),
            reason=StatusReason.of(reason, "reason").number,
            end_time_ns=arguments.nanoseconds("end_time_ns", end_time_ns),
        )
        return _those(TradingStatusSet, self._execute(command))

    def set_mark_price(self, symbol: str | int, price: Number) -> None:
        """Sets an instrument's mark price, by which conditional orders may be triggered."""
        instrument = self._catalogue.instrument(symbol)
        self._execute(engine.set_mark_price(instrument.instrument_id, instrument.tick.count(price, "price")))

    def set_matching(
        self,
        symbol: str | int,
        algorithm: MatchingAlgorithm | str,
        *,
        top_max: Number | None = None,
        lead_percent: int = 0,
        fifo_percent: int = 0,
        min_allocation: Number | None = None,
        leveling: bool = False,
    ) -> None:
        """Says how orders at one price share what comes in. The instrument's book must be empty.

        Args:
            symbol: The instrument.
            algorithm: `price_time` or `pro_rata`; the other arguments are for the latter.
            top_max: The order that set the best price gets up to this much first, in base; none if not given.
            lead_percent: Percent of what is left then that lead market makers get first.
            fifo_percent: Percent of what is left then that goes by time.
            min_allocation: A proportional share below this, in base, is nothing; one lot if not given.
            leveling: Orders that got nothing in proportion get a lot each, oldest first.

        Raises Rejected: `invalid_matching`, `book_not_empty`.
        """
        instrument = self._catalogue.instrument(symbol)
        command = engine.set_matching(
            instrument.instrument_id,
            MatchingAlgorithm.of(algorithm, "algorithm").number,
            arguments.count("top_max", top_max, instrument.lot),
            arguments.integer("lead_percent", lead_percent, 0, 255),
            arguments.integer("fifo_percent", fifo_percent, 0, 255),
            1 if min_allocation is None else instrument.lot.count(min_allocation, "min_allocation"),
            arguments.flag("leveling", leveling),
        )
        self._execute(command)

    def set_lead_market_maker(self, symbol: str | int, account: str | int, share: int) -> None:
        """Sets an account's weight among the lead market makers of an instrument, up to 10,000; 0 for none."""
        command = engine.set_lead_market_maker(
            self._catalogue.instrument(symbol).instrument_id,
            self._catalogue.account(account).account_id,
            arguments.integer("share", share, 0, _U16),
        )
        self._execute(command)

    def set_price_bands(
        self,
        symbol: str | int,
        *,
        reference: Number | None = None,
        static_up_bps: int = 0,
        static_down_bps: int = 0,
        dynamic_bps: int = 0,
        collar_bps: int = 0,
        action: BandAction | str = BandAction.CANCEL,
        auction_ns: int = 60_000_000_000,
        auction_random_ns: int = 0,
        limit_state_ns: int = 0,
    ) -> None:
        """Says between which prices an instrument may trade. Bounds are in basis points; 0 turns one off.

        Args:
            symbol: The instrument.
            reference: The static reference price; stays if not given.
            static_up_bps: How far above the static reference it may trade.
            static_down_bps: How far below.
            dynamic_bps: How far from the last price.
            collar_bps: How far from the best opposite price a market order may trade.
            action: What if an order would trade outside: `cancel` what is left of it, or `auction`.
            auction_ns: How long a volatility auction lasts.
            auction_random_ns: How much longer it may last at random.
            limit_state_ns: How long a best price may stand at a band before there is an auction; 0 for ever.

        Raises Rejected: `invalid_price_bands`.
        """
        instrument = self._catalogue.instrument(symbol)
        command = engine.set_price_bands(
            instrument.instrument_id,
            reference=arguments.count("reference", reference, instrument.tick),
            static_up_bps=arguments.integer("static_up_bps", static_up_bps, 0, _U32),
            static_down_bps=arguments.integer("static_down_bps", static_down_bps, 0, _U32),
            dynamic_bps=arguments.integer("dynamic_bps", dynamic_bps, 0, _U32),
            collar_bps=arguments.integer("collar_bps", collar_bps, 0, _U32),
            action=BandAction.of(action, "action").number,
            auction_ns=arguments.nanoseconds("auction_ns", auction_ns),
            auction_random_ns=arguments.nanoseconds("auction_random_ns", auction_random_ns),
            limit_state_ns=arguments.nanoseconds("limit_state_ns", limit_state_ns),
        )
        self._execute(command)

    def set_features(
        self, symbol: str | int, features: Feature | int = Feature.ALL, *, max_triggers: int = 1_000
    ) -> None:
        """Says which kinds of orders an instrument takes, and how many conditional orders may trigger in one command.

        Raises Rejected: `invalid_features`.
        """
        command = engine.set_features(
            self._catalogue.instrument(symbol).instrument_id,
            arguments.integer("features", features, 0, _U32),
            arguments.integer("max_triggers", max_triggers, 0, _U32),
        )
        self._execute(command)

    def set_schedule(
        self,
        symbol: str | int,
        slot: int,
        status: TradingStatus | str,
        *,
        weekdays: int,
        time_of_day_ns: int,
        random_ns: int = 0,
    ) -> None:
        """Sets one entry of an instrument's daily schedule.

        Args:
            symbol: The instrument.
            slot: Which entry, 0 to 15.
            status: What the status then becomes.
            weekdays: On which days (UTC), the sum of 1 for Monday to 64 for Sunday; 0 removes the entry.
            time_of_day_ns: When, in nanoseconds since midnight UTC.
            random_ns: How much later it may happen at random.

        Raises Rejected: `invalid_schedule`.
        """
        command = engine.set_schedule(
            self._catalogue.instrument(symbol).instrument_id,
            arguments.integer("slot", slot, 0, 255),
            arguments.integer("weekdays", weekdays, 0, 255),
            arguments.nanoseconds("time_of_day_ns", time_of_day_ns),
            arguments.nanoseconds("random_ns", random_ns),
            TradingStatus.of(status, "status").number,
        )
        self._execute(command)

    def set_random_seed(self, seed: int) -> None:
        """Sets what random auction ends are drawn from. Who knows it knows the ends: `secrets.randbits(64)`."""
        self._execute(engine.set_random_seed(arguments.integer("seed", seed, 0, 2**64 - 1)))

    # Risk.

    def set_risk_limits(
        self,
        *,
        account: str | int | None = None,
        group_id: int | None = None,
        key_id: int | None = None,
        symbol: str | int | None = None,
        max_order_quantity: Number | None = None,
        max_order_notional: Number | None = None,
        max_open_orders: int = 0,
        max_open_conditional_orders: int = 0,
        max_position: Number | None = None,
        max_exposure: Number | None = None,
        max_order_rate: int = 0,
        rate_window_ns: int = 0,
        fat_finger_bps: int = 0,
        duplicate_window_ns: int = 0,
    ) -> None:
        """Bounds what an account, an account group, or a key of an account may do. All limits are replaced.

        What is 0 or not given is not bounded. Quantities are in base, notional and exposure in quote.

        Args:
            account: Whose limits; with `key_id` those of the key.
            group_id: Or those of all accounts of a group together.
            key_id: Which key of the account.
            symbol: On which instrument; all together if not given, where only counts can be bounded.
            max_order_quantity: The largest order.
            max_order_notional: The largest price × quantity of an order.
            max_open_orders: Open orders, conditional ones included.
            max_open_conditional_orders: Conditional orders that wait.
            max_position: The largest position, long or short.
            max_exposure: The largest exposure.
            max_order_rate: New orders and replaces in `rate_window_ns`.
            rate_window_ns: 1 ms to 24 h where there is a rate.
            fat_finger_bps: How far from the reference price a limit may be, against its owner, in basis points.
            duplicate_window_ns: How long an equal order is refused.

        Raises Rejected: `invalid_risk_limits`.
        """
        if symbol is None:
            for name, given in (
                ("max_order_quantity", max_order_quantity),
                ("max_order_notional", max_order_notional),
                ("max_position", max_position),
                ("max_exposure", max_exposure),
            ):
                if given is not None:
                    raise InputError(name, "can be bounded on an instrument only")
        instrument = None if symbol is None else self._catalogue.instrument(symbol)
        lot, unit = (Step(1, 0), Step(1, 0)) if instrument is None else (instrument.lot, instrument.quote_unit)
        command = engine.set_risk_limits(
            0 if instrument is None else instrument.instrument_id,
            account_id=None if account is None else self._catalogue.account(account).account_id,
            group_id=None if group_id is None else arguments.integer("group_id", group_id, 0, _U16),
            key_id=None if key_id is None else arguments.integer("key_id", key_id, 1, _U16),
            max_order_quantity=arguments.count("max_order_quantity", max_order_quantity, lot),
            max_order_notional=arguments.units("max_order_notional", max_order_notional, unit),
            max_open_orders=arguments.integer("max_open_orders", max_open_orders, 0, _U32),
            max_open_conditional_orders=arguments.integer(
                "max_open_conditional_orders", max_open_conditional_orders, 0, _U32
            ),
            max_position=arguments.count("max_position", max_position, lot),
            max_exposure=arguments.units("max_exposure", max_exposure, unit),
            max_order_rate=arguments.integer("max_order_rate", max_order_rate, 0, _U32),
            rate_window_ns=arguments.nanoseconds("rate_window_ns", rate_window_ns),
            fat_finger_bps=arguments.integer("fat_finger_bps", fat_finger_bps, 0, _U32),
            duplicate_window_ns=arguments.nanoseconds("duplicate_window_ns", duplicate_window_ns),
        )
        self._execute(command)

    def set_account_mode(self, account: str | int, mode: AccountMode | str) -> None:
        """Says what an account may do: `normal`, `cancel_only` or `reject_only`."""
        number = AccountMode.of(mode, "mode").number
        self._execute(engine.set_account_mode(self._catalogue.account(account).account_id, number))

    def kill_switch(
        self,
        engaged: bool = True,
        *,
        symbol: str | int | None = None,
        group_id: int | None = None,
        account: str | int | None = None,
        key_id: int | None = None,
    ) -> KillSwitchSet:
        """Cancels everything in a scope and refuses new orders there, or allows them again.

        The scope is an instrument, an account group, an account, a key of an account, or, if none is given, everything.
        """
        command = engine.kill_switch(
            arguments.flag("engaged", engaged),
            instrument_id=None if symbol is None else self._catalogue.instrument(symbol).instrument_id,
            group_id=None if group_id is None else arguments.integer("group_id", group_id, 0, _U16),
            account_id=None if account is None else self._catalogue.account(account).account_id,
            key_id=None if key_id is None else arguments.integer("key_id", key_id, 1, _U16),
        )
        return _those(KillSwitchSet, self._execute(command))[-1]

    def set_trade_group(self, account: str | int, trade_group_id: int) -> None:
        """Puts an account into a trade group, whose members do not trade with each other; 0 is none."""
        group = arguments.integer("trade_group_id", trade_group_id, 0, _U32)
        self._execute(engine.set_trade_group(self._catalogue.account(account).account_id, group))

    # Fees.

    def set_fee_tier(
        self, symbol: str | int, tier: int, *, min_volume: Number, maker_ppm: int, taker_ppm: int, group_id: int = 0
    ) -> None:
        """Sets what an account group pays on an instrument from a 30-day volume on, in quote; 0 removes the tier.

        Tiers are 1 to 15; the highest one reached holds. Raises Rejected: `invalid_fee_tier`, `invalid_fee`.
        """
        instrument = self._catalogue.instrument(symbol)
        command = engine.set_fee_tier(
            instrument.instrument_id,
            arguments.integer("group_id", group_id, 0, _U16),
            arguments.integer("tier", tier, 0, 255),
            instrument.quote_unit.units(min_volume, "min_volume"),
            arguments.integer("maker_ppm", maker_ppm, -_I32 - 1, _I32),
            arguments.integer("taker_ppm", taker_ppm, -_I32 - 1, _I32),
        )
        self._execute(command)

    def set_fee_promotion(
        self, symbol: str | int, *, from_ns: int, until_ns: int, maker_ppm: int, taker_ppm: int, group_id: int = 0
    ) -> None:
        """Sets what an account group pays on an instrument from a time on until before another one.

        It holds instead of schedule and tiers. An end that is not after the beginning removes the promotion.

        Raises Rejected: `invalid_fee`.
        """
        command = engine.set_fee_promotion(
            self._catalogue.instrument(symbol).instrument_id,
            arguments.integer("group_id", group_id, 0, _U16),
            arguments.nanoseconds("from_ns", from_ns),
            arguments.nanoseconds("until_ns", until_ns),
            arguments.integer("maker_ppm", maker_ppm, -_I32 - 1, _I32),
            arguments.integer("taker_ppm", taker_ppm, -_I32 - 1, _I32),
        )
        self._execute(command)

    def set_fee_cap(self, symbol: str | int, max_fee: Number | None, *, group_id: int = 0) -> None:
        """Sets the most that one order pays in fees, in quote; None for no cap. Raises Rejected: `invalid_fee_cap`."""
        instrument = self._catalogue.instrument(symbol)
        cap = arguments.units("max_fee", max_fee, instrument.quote_unit)
        group = arguments.integer("group_id", group_id, 0, _U16)
        self._execute(engine.set_fee_cap(instrument.instrument_id, group, cap))

    # Corrections.

    def bust_trade(
        self,
        trade_id: int,
        symbol: str | int,
        *,
        buyer: str | int,
        seller: str | int,
        price: Number,
        quantity: Number,
        buyer_fee: Number = "0",
        seller_fee: Number = "0",
    ) -> TradeCorrected:
        """Undoes the money of a trade: what it moved moves back, fees included (negative for a rebate), in quote.

        The trade's reports say all of it. Raises Rejected: `unknown_trade`, `duplicate_trade_correction`,
        `insufficient_funds`.
        """
        instrument = self._catalogue.instrument(symbol)
        command = engine.bust_trade(
            arguments.integer("trade_id", trade_id, 1, 2**63 - 1),
            instrument.instrument_id,
            self._catalogue.account(buyer).account_id,
            self._catalogue.account(seller).account_id,
            instrument.tick.count(price, "price"),
            instrument.lot.count(quantity, "quantity"),
            instrument.quote_unit.signed_units(buyer_fee, "buyer_fee"),
            instrument.quote_unit.signed_units(seller_fee, "seller_fee"),
        )
        return _those(TradeCorrected, self._execute(command))[-1]

    def adjust_trade(
        self,
        trade_id: int,
        symbol: str | int,
        *,
        buyer: str | int,
        seller: str | int,
        price: Number,
        quantity: Number,
        new_price: Number,
    ) -> TradeCorrected:
        """Corrects the price of a trade: the difference in notional moves between its sides. Fees stay.

        Raises Rejected: `unknown_trade`, `duplicate_trade_correction`, `insufficient_funds`.
        """
        instrument = self._catalogue.instrument(symbol)
        command = engine.adjust_trade(
            arguments.integer("trade_id", trade_id, 1, 2**63 - 1),
            instrument.instrument_id,
            self._catalogue.account(buyer).account_id,
            self._catalogue.account(seller).account_id,
            instrument.tick.count(price, "price"),
            instrument.lot.count(quantity, "quantity"),
            instrument.tick.count(new_price, "new_price"),
        )
        return _those(TradeCorrected, self._execute(command))[-1]


def _those(kind: type[_ReportType], events: list[Event]) -> list[_ReportType]:
    """The events of this kind."""
    return [event for event in events if isinstance(event, kind)]
