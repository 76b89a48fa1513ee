//! Round trips of everything that the engine can be told and can say, and bytes that mean nothing.

use super::*;
use beurs_engine::command::*;
use beurs_engine::types::*;

/// A small deterministic generator.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn text<const N: usize>(&mut self) -> ShortText<N> {
        let length = self.below(N as u64 + 1) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| 0x21 + self.below(0x5e) as u8).collect();
        ShortText::new(&bytes).expect("printable and short enough")
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    fn amount(&mut self) -> Amount {
        match self.below(4) {
            0 => Amount(0),
            1 => Amount(-i128::from(self.next())),
            2 => Amount(i128::from(self.next())),
            _ => Amount((i128::from(self.next() as i64) << 64) | i128::from(self.next())),
        }
    }
}

fn random_terms(r: &mut Random) -> Terms {
    // Each of them is the default half of the time, so that every mask comes up.
    let given = r.next();
    let mut at = 0;
    let mut here = || {
        at += 1;
        given >> at & 1 == 1
    };
    Terms {
        trigger_price: if here() { PriceTicks(r.next() as i64) } else { PriceTicks(0) },
        trigger_by: r.one_of(TriggerBy::ALL),
        trail_bps: if here() { r.next() as u16 } else { 0 },
        display_quantity: if here() { Lots(r.next() as i64) } else { Lots::ZERO },
        hidden: here(),
        min_quantity: if here() { Lots(r.next() as i64) } else { Lots::ZERO },
        expire_time_ns: if here() { r.next() as i64 } else { 0 },
        auction_only: here(),
        slide: here(),
        peg: r.one_of(Peg::ALL),
        peg_offset: if here() { r.next() as i64 } else { 0 },
    }
}

fn random_order(r: &mut Random) -> NewOrder {
    NewOrder {
        account_id: AccountId(r.next() as u32),
        instrument_id: InstrumentId(r.next() as u32),
        side: r.one_of(Side::ALL),
        order_type: r.one_of(OrderType::ALL),
        time_in_force: r.one_of(TimeInForce::ALL),
        post_only: r.below(2) == 1,
        self_trade_prevention: r.one_of(SelfTradePrevention::ALL),
        key_id: KeyId(if r.below(2) == 1 { r.next() as u16 } else { 0 }),
        price: PriceTicks(r.next() as i64),
        quantity: Lots(r.next() as i64),
        quote_quantity: r.amount(),
        client_order_id: r.text(),
        terms: (r.below(2) == 1).then(|| Box::new(random_terms(r))),
    }
}

fn random_cancel(r: &mut Random) -> CancelOrder {
    CancelOrder { account_id: AccountId(r.next() as u32), order_id: OrderId(r.next()), client_order_id: r.text() }
}

fn random_note(r: &mut Random) -> Note {
    loop {
        let length = r.below(65) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| 0x20 + r.below(0x5f) as u8).collect();
        if let Some(note) = Note::new(&bytes) {
            return note;
        }
    }
}

const KINDS: u64 = 35;

/// Any command at all, sensible or not.
pub(crate) fn random_command(r: &mut Random) -> Command {
    let kind = r.below(KINDS);
    command_of_kind(r, kind)
}

fn command_of_kind(r: &mut Random, kind: u64) -> Command {
    let account_id = AccountId(r.next() as u32);
    let asset_id = AssetId(r.next() as u32);
    let instrument_id = InstrumentId(r.next() as u32);
    let group_id = GroupId(r.next() as u16);
    let key_id = KeyId(r.next() as u16);
    match kind {
        0 => Command::NewOrder(random_order(r)),
        1 => Command::CancelOrder(random_cancel(r)),
        2 => Command::ReplaceOrder(ReplaceOrder {
            account_id,
            order_id: OrderId(r.next()),
            original_client_order_id: r.text(),
            client_order_id: r.text(),
            price: PriceTicks(r.next() as i64),
            quantity: Lots(r.next() as i64),
            trigger_price: PriceTicks(if r.below(2) == 1 { r.next() as i64 } else { 0 }),
            display_quantity: Lots(if r.below(2) == 1 { r.next() as i64 } else { 0 }),
        }),
        3 => Command::MassCancel(MassCancel {
            account_id,
            instrument_id,
            side: r.one_of(&[None, Some(Side::Buy), Some(Side::Sell)]),
            reason: r.one_of(MassCancelReason::ALL),
        }),
        4 => Command::Deposit(Deposit { account_id, asset_id, amount: r.amount() }),
        5 => Command::Withdraw(Withdraw { account_id, asset_id, amount: r.amount() }),
        6 => Command::AddAsset(AddAsset { code: r.text(), scale: r.next() as u8 }),
        7 => Command::ListInstrument(ListInstrument {
            symbol: r.text(),
            base: asset_id,
            quote: AssetId(r.next() as u32),
            tick_size: Step { mantissa: r.next(), scale: r.next() as u8 },
            lot_size: Step { mantissa: r.next(), scale: r.next() as u8 },
            min_quantity: Lots(r.next() as i64),
            max_quantity: Lots(r.next() as i64),
            min_notional: r.amount(),
        }),
        8 => Command::OpenAccount(OpenAccount { code: r.text(), group_id }),
        9 => Command::SetAccountGroup(SetAccountGroup { account_id, group_id }),
        10 => Command::SetFees(SetFees {
            instrument_id,
            group_id,
            maker_ppm: r.next() as i32,
            taker_ppm: r.next() as i32,
        }),
        11 => Command::SetTradingStatus(SetTradingStatus {
            scope: r.one_of(&[
                InstrumentScope::Instrument(instrument_id),
                InstrumentScope::Group(InstrumentGroupId(7)),
                InstrumentScope::All,
            ]),
            status: r.one_of(TradingStatus::ALL),
            reason: r.one_of(StatusReason::ALL),
            end_time_ns: r.next() as i64,
        }),
        12 => Command::CancelReplace(Box::new(CancelReplace {
            cancel: random_cancel(r),
            mode: r.one_of(CancelReplaceMode::ALL),
            new_order: random_order(r),
        })),
        13 => Command::NewOrderList(Box::new(NewOrderList {
            contingency: r.one_of(Contingency::ALL),
            orders: (0..r.below(4)).map(|_| random_order(r)).collect(),
        })),
        14 => Command::CancelAllAfter(CancelAllAfter { account_id, timeout_ns: r.next() as i64 }),
        15 => Command::AdvanceTime,
        16 => Command::SetMarkPrice(SetMarkPrice { instrument_id, price: PriceTicks(r.next() as i64) }),
        17 => Command::SetInstrumentGroup(SetInstrumentGroup {
            instrument_id,
            instrument_group_id: InstrumentGroupId(r.next() as u16),
        }),
        18 => Command::SetMatching(SetMatching {
            instrument_id,
            algorithm: r.one_of(MatchingAlgorithm::ALL),
            top_max: Lots(r.next() as i64),
            lead_percent: r.next() as u8,
            fifo_percent: r.next() as u8,
            min_allocation: Lots(r.next() as i64),
            leveling: r.below(2) == 1,
        }),
        19 => Command::SetLeadMarketMaker(SetLeadMarketMaker { instrument_id, account_id, share: r.next() as u16 }),
        20 => Command::SetPriceBands(SetPriceBands {
            instrument_id,
            reference: PriceTicks(r.next() as i64),
            static_up_bps: r.next() as u32,
            static_down_bps: r.next() as u32,
            dynamic_bps: r.next() as u32,
            collar_bps: r.next() as u32,
            action: r.one_of(BandAction::ALL),
            auction_ns: r.next() as i64,
            auction_random_ns: r.next() as i64,
            limit_state_ns: r.next() as i64,
        }),
        21 => Command::SetFeatures(SetFeatures {
            instrument_id,
            features: r.next() as u32,
            max_triggers: r.next() as u32,
        }),
        22 => Command::SetSchedule(SetSchedule {
            instrument_id,
            slot: r.next() as u8,
            weekdays: r.next() as u8,
            time_of_day_ns: r.next() as i64,
            random_ns: r.next() as i64,
            status: r.one_of(TradingStatus::ALL),
        }),
        23 => Command::SetRandomSeed(SetRandomSeed { seed: r.next() }),
        24 => Command::SetRiskLimits(Box::new(SetRiskLimits {
            scope: r.one_of(&[
                RiskScope::Account(account_id),
                RiskScope::Group(group_id),
                RiskScope::Key(account_id, key_id),
            ]),
            instrument_id,
            limits: RiskLimits {
                max_order_quantity: Lots(r.next() as i64),
                max_order_notional: r.amount(),
                max_open_orders: r.next() as u32,
                max_open_conditional_orders: r.next() as u32,
                max_position: Lots(r.next() as i64),
                max_exposure: r.amount(),
                max_order_rate: r.next() as u32,
                rate_window_ns: r.next() as i64,
                fat_finger_bps: r.next() as u32,
                duplicate_window_ns: r.next() as i64,
            },
        })),
        25 => Command::SetAccountMode(SetAccountMode { account_id, mode: r.one_of(AccountMode::ALL) }),
        26 => Command::KillSwitch(KillSwitch { scope: random_kill_scope(r), engaged: r.below(2) == 1 }),
        27 => Command::SetTradeGroup(SetTradeGroup { account_id, trade_group_id: r.next() as u32 }),
        28 => Command::SetFeeTier(SetFeeTier {
            instrument_id,
            group_id,
            tier: r.next() as u8,
            min_volume: r.amount(),
            maker_ppm: r.next() as i32,
            taker_ppm: r.next() as i32,
        }),
        29 => Command::SetFeePromotion(SetFeePromotion {
            instrument_id,
            group_id,
            from_ns: r.next() as i64,
            until_ns: r.next() as i64,
            maker_ppm: r.next() as i32,
            taker_ppm: r.next() as i32,
        }),
        30 => Command::SetFeeCap(SetFeeCap { instrument_id, group_id, max_fee: r.amount() }),
        31 => Command::BustTrade(BustTrade {
            trade_id: TradeId(r.next()),
            instrument_id,
            buyer: account_id,
            seller: AccountId(r.next() as u32),
            price: PriceTicks(r.next() as i64),
            quantity: Lots(r.next() as i64),
            buyer_fee: r.amount(),
            seller_fee: r.amount(),
        }),
        32 => Command::AdjustTrade(AdjustTrade {
            trade_id: TradeId(r.next()),
            instrument_id,
            buyer: account_id,
            seller: AccountId(r.next() as u32),
            price: PriceTicks(r.next() as i64),
            quantity: Lots(r.next() as i64),
            new_price: PriceTicks(r.next() as i64),
        }),
        33 => {
            let inner = r.below(33);
            Command::CommandFailed(Box::new(CommandFailed { command: command_of_kind(r, inner) }))
        }
        _ => {
            let inner = r.below(33);
            Command::Administer(Box::new(Administer {
                actor: r.text(),
                reason: random_note(r),
                command: command_of_kind(r, inner),
            }))
        }
    }
}

fn random_kill_scope(r: &mut Random) -> KillScope {
    let account_id = AccountId(r.next() as u32);
    match r.below(5) {
        0 => KillScope::All,
        1 => KillScope::Instrument(InstrumentId(r.next() as u32)),
        2 => KillScope::Group(GroupId(r.next() as u16)),
        3 => KillScope::Account(account_id),
        _ => KillScope::Key(account_id, KeyId(r.next() as u16)),
    }
}

fn random_event(r: &mut Random) -> Event {
    let account_id = AccountId(r.next() as u32);
    let asset_id = AssetId(r.next() as u32);
    let instrument_id = InstrumentId(r.next() as u32);
    let group_id = GroupId(r.next() as u16);
    let key_id = KeyId(r.next() as u16);
    let price = PriceTicks(r.next() as i64);
    let side = r.one_of(&[None, Some(Side::Buy), Some(Side::Sell)]);
    match r.below(22) {
        0 => Event::Execution(ExecutionReport {
            order_id: OrderId(r.next()),
            client_order_id: r.text(),
            account_id,
            instrument_id,
            exec_type: r.one_of(ExecType::ALL),
            status: r.one_of(OrderStatus::ALL),
            side: r.one_of(Side::ALL),
            order_type: r.one_of(OrderType::ALL),
            time_in_force: r.one_of(TimeInForce::ALL),
            post_only: r.below(2) == 1,
            self_trade_prevention: r.one_of(SelfTradePrevention::ALL),
            cancel_reason: r.one_of(CancelReason::ALL),
            key_id,
            price,
            quantity: Lots(r.next() as i64),
            quote_quantity: r.amount(),
            filled_quantity: Lots(r.next() as i64),
            leaves_quantity: Lots(r.next() as i64),
            displayed_quantity: Lots(r.next() as i64),
            hold: r.amount(),
            trade_id: TradeId(r.next()),
            last_price: PriceTicks(r.next() as i64),
            last_quantity: Lots(r.next() as i64),
            last_notional: r.amount(),
            fee: r.amount(),
            liquidity: r.one_of(Liquidity::ALL),
            counter_order_id: OrderId(r.next()),
        }),
        1 => Event::Rejected(Rejected {
            reason: r.one_of(RejectReason::ALL),
            account_id,
            instrument_id,
            order_id: OrderId(r.next()),
            client_order_id: r.text(),
        }),
        2 => Event::MassCanceled(MassCanceled { account_id, instrument_id, side, count: r.next() as u32 }),
        3 => Event::Posted(Posted { account_id, asset_id, amount: r.amount(), total: r.amount(), held: r.amount() }),
        4 => Event::AssetAdded(AssetAdded { asset_id, code: r.text(), scale: r.next() as u8 }),
        5 => Event::InstrumentListed(InstrumentListed { instrument_id, symbol: r.text() }),
        6 => Event::AccountOpened(AccountOpened { account_id, code: r.text(), group_id }),
        7 => Event::AccountGroupSet(AccountGroupSet { account_id, group_id }),
        8 => {
            Event::FeesSet(FeesSet { instrument_id, group_id, maker_ppm: r.next() as i32, taker_ppm: r.next() as i32 })
        }
        9 => Event::TradingStatusSet(TradingStatusSet {
            instrument_id,
            status: r.one_of(TradingStatus::ALL),
            reason: r.one_of(StatusReason::ALL),
            end_time_ns: r.next() as i64,
        }),
        10 => Event::Terms(OrderTerms {
            order_id: OrderId(r.next()),
            account_id,
            instrument_id,
            list_id: ListId(r.next()),
            waits: r.below(2) == 1,
            limit_price: price,
            terms: random_terms(r),
        }),
        11 => Event::OrderListStatus(OrderListStatus {
            list_id: ListId(r.next()),
            account_id,
            instrument_id,
            contingency: r.one_of(Contingency::ALL),
            status: r.one_of(ListStatus::ALL),
        }),
        12 => Event::AuctionIndication(AuctionIndication {
            instrument_id,
            price,
            volume: r.amount().0,
            imbalance: r.amount().0,
        }),
        13 => Event::AuctionEnded(AuctionEnded { instrument_id, price, volume: r.amount().0 }),
        14 => Event::LimitStateSet(LimitStateSet { instrument_id, side }),
        15 => Event::CancelAllAfterSet(CancelAllAfterSet { account_id, deadline_ns: r.next() as i64 }),
        16 => Event::TimeAdvanced(TimeAdvanced { count: r.next() as u32 }),
        17 => Event::MarkPriceSet(MarkPriceSet { instrument_id, price }),
        18 => Event::KillSwitchSet(KillSwitchSet {
            scope: random_kill_scope(r),
            engaged: r.below(2) == 1,
            count: r.next() as u32,
        }),
        19 => Event::SettingChanged(SettingChanged {
            setting: r.one_of(Setting::ALL),
            instrument_id,
            account_id,
            group_id,
            key_id,
        }),
        20 => Event::TradeCorrected(TradeCorrected {
            trade_id: TradeId(r.next()),
            instrument_id,
            buyer: account_id,
            seller: AccountId(r.next() as u32),
            price,
            new_price: PriceTicks(r.next() as i64),
            quantity: Lots(r.next() as i64),
        }),
        _ => Event::Administered(Administered { actor: r.text(), reason: random_note(r) }),
    }
}

#[test]
fn record_sizes_are_what_the_documents_say() {
    assert_eq!((COMMAND_SIZE, EVENT_SIZE), (136, 336));
}

#[test]
fn fields_do_not_overlap_and_fill_the_record() {
    for (fields, size) in [(COMMAND_FIELDS, COMMAND_SIZE), (EVENT_FIELDS, EVENT_SIZE)] {
        let mut end = 0;
        for (name, numpy, offset) in fields {
            let width: usize = numpy.trim_start_matches(['<', 'u', 'i', 'S']).parse().expect("a width");
            assert_eq!(*offset, end, "{name}");
            end += width;
        }
        assert_eq!(end, size);
    }
}

#[test]
fn every_command_survives_its_encoding() {
    let mut r = Random(1);
    let mut longest = 0;
    for _ in 0..200_000 {
        let command = random_command(&mut r);
        let mut bytes = Vec::new();
        encode_command(&command, &mut bytes);
        longest = longest.max(bytes.len());
        let from_outside = !matches!(command, Command::CommandFailed(_));
        assert_eq!(check_encodable(&command).is_ok(), from_outside);
        assert_eq!(decode_command(&bytes), Ok((command, bytes.len())));
    }
    assert!(longest <= MAX_ENCODED_COMMAND, "{longest}");
}

#[test]
fn every_frequent_command_survives_its_record() {
    let mut r = Random(2);
    let (mut bytes, mut commands) = (Vec::new(), Vec::new());
    for _ in 0..200_000 {
        let command = random_command(&mut r);
        let mut encoded = Vec::new();
        encode_command(&command, &mut encoded);
        let record = CommandRecord::from_command(&command);
        let plain = match &command {
            Command::NewOrder(order) => order.terms.is_none(),
            Command::ReplaceOrder(replace) => replace.trigger_price.0 == 0 && replace.display_quantity.0 == 0,
            _ => encoded[0] <= command_kind::WITHDRAW,
        };
        assert_eq!(record.is_some(), plain);
        if let Some(record) = record {
            assert_eq!(record.to_command().as_ref(), Ok(&command));
            bytes.extend_from_slice(record.as_bytes());
            commands.push(command);
        }
    }
    let mut decoded = Vec::new();
    decode_command_records(&bytes, &mut decoded).expect("what was encoded");
    assert_eq!(decoded, commands);
}

#[test]
fn every_event_survives_its_record() {
    let mut r = Random(3);
    for index in 0..200_000 {
        let event = random_event(&mut r);
        let record = EventRecord::new(7, 8, index, &event);
        let back = EventRecord::from_bytes(record.as_bytes());
        assert_eq!((back.sequence, back.event_time_ns, back.event_index), (7, 8, index));
        assert_eq!(back.to_event(), Ok(event));
    }
}

#[test]
fn a_command_cut_anywhere_is_refused() {
    let mut r = Random(4);
    for _ in 0..2_000 {
        let mut bytes = Vec::new();
        encode_command(&random_command(&mut r), &mut bytes);
        for end in 0..bytes.len() {
            assert!(decode_command(&bytes[..end]).is_err());
        }
    }
}

#[test]
fn random_bytes_never_panic_and_decode_to_what_encodes_to_them() {
    let mut r = Random(5);
    for _ in 0..300_000 {
        let length = r.below(200) as usize;
        let mut bytes: Vec<u8> = (0..length).map(|_| r.next() as u8 & 0x17).collect();
        if let Some(kind) = bytes.first_mut() {
            *kind = if r.below(8) == 0 { command_kind::ADMINISTER } else { r.below(40) as u8 };
        }
        if let Ok((command, used)) = decode_command(&bytes) {
            let mut again = Vec::new();
            encode_command(&command, &mut again);
            assert_eq!(again, bytes[..used]);
        }
        bytes.resize(COMMAND_SIZE, 0);
        let record = CommandRecord::from_bytes(bytes.as_slice().try_into().expect("the size"));
        if let Ok(command) = record.to_command() {
            assert_eq!(CommandRecord::from_command(&command), Some(record));
        }
    }
}

#[test]
fn a_padded_text_is_taken_exactly_when_its_bytes_are_a_text() {
    let mut r = Random(6);
    let interesting = [0, 0, 0, 0x1f, 0x20, 0x21, b'a', b'Z', 0x7e, 0x7e, 0x7f, 0x80, 0xff];
    for round in 0..200_000 {
        let mut bytes = [0_u8; 36];
        let length = r.below(37) as usize;
        for byte in &mut bytes[..length] {
            *byte = if round % 2 == 0 { 0x21 + r.below(0x5e) as u8 } else { r.one_of(&interesting) };
        }
        if round % 8 == 0 {
            bytes[r.below(36) as usize] = r.one_of(&interesting);
        }
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(36);
        let expected = ShortText::<36>::new(&bytes[..end]).filter(|_| bytes[end..].iter().all(|&byte| byte == 0));
        assert_eq!(ShortText::from_padded(&bytes), expected, "{bytes:?}");
    }
}

#[test]
fn records_that_are_not_aligned_are_read_alike() {
    let mut r = Random(7);
    let records: Vec<CommandRecord> =
        (0..500).filter_map(|_| CommandRecord::from_command(&random_command(&mut r))).collect();
    let mut expected = Vec::new();
    decode_command_records(CommandRecord::slice_as_bytes(&records), &mut expected).expect("good records");
    for shift in 1..8 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(CommandRecord::slice_as_bytes(&records));
        let mut decoded = Vec::new();
        decode_command_records(&bytes[shift..], &mut decoded).expect("good records");
        assert_eq!(decoded, expected);
    }
}

#[test]
fn an_error_names_the_command_and_the_field() {
    let good = CommandRecord { kind: command_kind::CANCEL_ORDER, account_id: 1, order_id: 9, ..CommandRecord::ZERO };
    let bad = CommandRecord { asset_id: 1, ..good };
    let mut bytes = good.as_bytes().to_vec();
    bytes.extend_from_slice(bad.as_bytes());
    let mut out = Vec::new();
    let error = decode_command_records(&bytes, &mut out).expect_err("a field that must be 0");
    assert_eq!((error.index, error.field, out.len()), (1, "asset_id", 0));
    assert_eq!(error.to_string(), "command 1: asset_id: must be 0 for this kind of command");
    let error = decode_command_records(&bytes[1..], &mut out).expect_err("not a whole number of records");
    assert_eq!((error.index, error.field), (1, "record"));

    let mut encoded = Vec::new();
    encode_command(&good.to_command().expect("good"), &mut encoded);
    let first = encoded.len();
    encoded.extend_from_within(..);
    encoded[first] = 99;
    let error = decode_commands(&encoded, &mut out).expect_err("no such kind");
    assert_eq!((error.index, error.field, out.len()), (1, "kind", 0));
}

#[test]
fn a_new_order_without_texts_takes_32_bytes() {
    let order = NewOrder {
        account_id: AccountId(2),
        instrument_id: InstrumentId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        self_trade_prevention: SelfTradePrevention::None,
        price: PriceTicks(100),
        quantity: Lots(5),
        quote_quantity: Amount::ZERO,
        client_order_id: ShortText::EMPTY,
        key_id: KeyId::NONE,
        terms: None,
    };
    let mut bytes = Vec::new();
    encode_command(&Command::NewOrder(order), &mut bytes);
    assert_eq!(bytes.len(), 32);
}

#[test]
fn a_changed_byte_is_refused_or_means_something_else() {
    let mut r = Random(8);
    for _ in 0..100_000 {
        let mut bytes = Vec::new();
        encode_command(&random_command(&mut r), &mut bytes);
        let at = r.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << r.below(8);
        if let Ok((command, used)) = decode_command(&bytes) {
            let mut again = Vec::new();
            encode_command(&command, &mut again);
            assert_eq!(again, bytes[..used]);
        }
    }
}

#[test]
fn the_longest_commands_fit() {
    let order = NewOrder {
        account_id: AccountId(u32::MAX),
        instrument_id: InstrumentId(u32::MAX),
        side: Side::Sell,
        order_type: OrderType::MarketToLimit,
        time_in_force: TimeInForce::Gtd,
        post_only: true,
        self_trade_prevention: SelfTradePrevention::Decrement,
        key_id: KeyId(u16::MAX),
        price: PriceTicks(-1),
        quantity: Lots(-1),
        quote_quantity: Amount(-1),
        client_order_id: ShortText::new(&[b'x'; 36]).expect("36 characters"),
        terms: Some(Box::new(Terms {
            trigger_price: PriceTicks(-1),
            trigger_by: TriggerBy::Mark,
            trail_bps: 1,
            display_quantity: Lots(-1),
            hidden: true,
            min_quantity: Lots(-1),
            expire_time_ns: -1,
            auction_only: true,
            slide: true,
            peg: Peg::Market,
            peg_offset: -1,
        })),
    };
    let list = |count| {
        let orders = vec![order.clone(); count];
        Command::NewOrderList(Box::new(NewOrderList { contingency: Contingency::Otoco, orders }))
    };
    let administer = |command| {
        Command::Administer(Box::new(Administer {
            actor: ShortText::new(&[b'x'; 31]).expect("31 characters"),
            reason: Note::new(&[b'x'; 64]).expect("64 characters"),
            command,
        }))
    };
    let failed = |command| Command::CommandFailed(Box::new(CommandFailed { command }));
    let longest = failed(administer(list(MAX_LIST_ORDERS)));
    let mut bytes = Vec::new();
    encode_command(&longest, &mut bytes);
    assert_eq!(decode_command(&bytes), Ok((longest, bytes.len())));
    assert_eq!(check_encodable(&list(4)).map_err(|error| error.field), Err("orders"));
    assert_eq!(check_encodable(&administer(list(4))).map_err(|error| error.field), Err("orders"));
    assert_eq!(check_encodable(&administer(administer(Command::AdvanceTime))).map_err(|e| e.field), Err("command"));
    let only_the_node = "only the exchange itself says that a command has failed";
    assert_eq!(check_encodable(&failed(Command::AdvanceTime)).map_err(|e| e.rule), Err(only_the_node));
    assert_eq!(check_encodable(&administer(failed(Command::AdvanceTime))).map_err(|e| e.rule), Err(only_the_node));
    let mut staff = Vec::new();
    encode_command(&administer(Command::AdvanceTime), &mut staff);
    assert_eq!(staff.pop(), Some(command_kind::ADVANCE_TIME));
    staff.push(command_kind::COMMAND_FAILED);
    for nested in [&[command_kind::COMMAND_FAILED, command_kind::COMMAND_FAILED, 10], staff.as_slice()] {
        assert_eq!(decode_one_command(nested).map_err(|error| error.field), Err("command"));
    }
}

#[test]
fn an_event_of_random_bytes_is_refused_or_gives_the_same_record() {
    let mut r = Random(9);
    for _ in 0..200_000 {
        let event = random_event(&mut r);
        let mut record = EventRecord::new(1, 2, 3, &event);
        record.kind = r.below(24) as u8;
        record.flags = r.next() as u8;
        record.detail = r.below(40) as u8;
        if let Ok(event) = record.to_event() {
            let again = EventRecord::new(1, 2, 3, &event);
            assert_eq!(again.to_event(), Ok(event));
        }
    }
}
