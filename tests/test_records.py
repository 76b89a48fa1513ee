"""The flat records: layout, amounts, the batch door."""

import numpy as np
import pytest

from beurs import Exchange, Side, engine, records
from beurs.errors import CommandInvalid, InputError
from beurs.records import COMMAND, EVENT, CommandKind, EventKind


def order(count=1, **fields):
    batch = records.commands(count)
    batch["kind"] = CommandKind.NEW_ORDER
    batch["order_type"] = batch["time_in_force"] = batch["instrument_id"] = 1
    batch["account_id"] = 2
    batch["side"] = Side.BUY.number
    batch["price"] = 2_000_000
    batch["quantity"] = 100
    for name, value in fields.items():
        batch[name] = value
    return batch


def test_the_types_are_those_of_the_compiled_module():
    assert COMMAND.itemsize == engine.COMMAND_SIZE == 136
    assert EVENT.itemsize == engine.EVENT_SIZE == 336
    assert COMMAND.names == tuple(name for name, _, _ in engine.COMMAND_FIELDS)


def test_a_batch_gives_the_events_of_its_commands(ex):
    before = ex.sequence
    batch = np.concatenate([order(), order(side=Side.SELL.number, account_id=3, quantity=40), order(account_id=99)])
    events = ex.execute(batch)
    assert events.dtype == EVENT
    assert events["sequence"].tolist() == [before + 1, *[before + 2] * 3, before + 3]
    assert events["kind"].tolist() == [EventKind.EXECUTION] * 4 + [EventKind.REJECTED]
    assert events["last_quantity"].tolist() == [0, 0, 40, 40, 0]
    assert events["reason"][-1] == 101
    assert records.amounts(events, "last_notional").tolist() == [0, 0, 80_000_000, 80_000_000, 0]


def test_bytes_are_taken_as_well(ex):
    assert ex.execute(order().tobytes())["order_id"].tolist() == [1]
    assert ex.execute(bytearray(order().tobytes()))["order_id"].tolist() == [2]
    assert ex.execute(memoryview(order().tobytes()))["order_id"].tolist() == [3]


def test_events_outlive_the_exchange():
    with Exchange() as ex:
        ex.add_asset("USD", scale=2)
        batch = records.commands(10_000)
        batch["kind"], batch["account_id"], batch["asset_id"], batch["amount_lo"] = CommandKind.DEPOSIT, 1, 1, 1
        large, small = ex.execute(batch), ex.execute(batch[:10])
    del ex
    assert large["total_lo"].tolist() == list(range(1, 10_001))
    assert small["total_lo"].tolist() == list(range(10_001, 10_011))
    with pytest.raises(ValueError, match="read-only"):
        large["total_lo"] = 0


def test_an_empty_batch_is_one(ex):
    before = ex.sequence
    assert len(ex.execute(records.commands(0))) == 0
    assert len(ex.execute(b"")) == 0
    assert ex.sequence == before


@pytest.mark.parametrize("count", [1, 5_000, 20_000])
def test_a_batch_with_one_bad_record_changes_nothing(ex, count):
    before = ex.digest()
    batch = order(count)
    batch["asset_id"][-1] = 7
    with pytest.raises(CommandInvalid) as failed:
        ex.execute(batch)
    assert (failed.value.index, failed.value.field) == (count - 1, "asset_id")
    assert ex.digest() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", 0),
        ("kind", 7),
        ("kind", 16),
        ("side", 0),
        ("side", 3),
        ("order_type", 9),
        ("time_in_force", 0),
        ("post_only", 2),
        ("self_trade_prevention", 5),
        ("reserved_2", 1),
        ("mass_cancel_reason", 1),
        ("client_order_id", b"a b"),
        ("client_order_id", b"\x00a"),
        ("client_order_id", b"\xff"),
    ],
)
def test_records_that_are_no_commands_are_refused(ex, field, value):
    before = ex.digest()
    with pytest.raises(CommandInvalid):
        ex.execute(order(**{field: value}))
    assert ex.digest() == before


def test_other_arrays_are_refused(ex):
    before = ex.digest()
    for array in (np.zeros(3), np.zeros(3, dtype=EVENT), np.zeros(2, dtype=np.int64)):
        with pytest.raises(InputError, match="COMMAND"):
            ex.execute(array)
    with pytest.raises(InputError, match="contiguous"):
        ex.execute(order(4)[::2])
    with pytest.raises(CommandInvalid, match="whole number"):
        ex.execute(order().tobytes()[:-1])
    for value in ("text", None, 1, [1]):
        with pytest.raises(TypeError):
            ex.execute(value)
    assert ex.digest() == before


def test_amounts_join_and_split():
    batch = records.commands(4)
    values = [0, -1, 2**63 - 1, -(2**63)]
    records.set_amounts(batch, "amount", values)
    assert records.amounts(batch, "amount").dtype == np.int64
    assert records.amounts(batch, "amount").tolist() == values
    values = [2**64, -(2**100), 10**36, 2**127 - 1]
    records.set_amounts(batch, "amount", values)
    assert records.amounts(batch, "amount").tolist() == values
    records.set_amounts(batch, "amount", np.uint64(2**64 - 1))
    assert records.amounts(batch, "amount").tolist() == [2**64 - 1] * 4
    with pytest.raises(TypeError, match="amount"):
        records.set_amounts(batch, "amount", 0.5)


def test_cut_event_bytes_are_refused():
    with pytest.raises(InputError, match="336"):
        records.events(b"\x00" * 311)
    assert len(records.events(b"")) == 0
