"""The compiled module's node: encoded commands, the asynchronous door, verification."""

import selectors
from pathlib import Path

import pytest

from beurs import Exchange, engine, records
from beurs.errors import CommandInvalid, InputError, JournalDamaged, JournalError, NodeStopped, QueueFull
from beurs.records import EventKind
from tests.conftest import fill_venue


@pytest.fixture
def node():
    made = engine.Node()
    yield made
    made.close()


def wait(node, count):
    """The completions of `count` submitted commands."""
    found = []
    with selectors.DefaultSelector() as selector:
        selector.register(node.fileno(), selectors.EVENT_READ)
        while len(found) < count:
            assert selector.select(60), "nothing came"
            found += node.completions()
    return found


def test_commands_go_in_together_and_events_come_out_in_order(node):
    commands = engine.add_asset("BTC", 8) + engine.add_asset("USD", 2) + engine.open_account("alice", 3)
    events = engine.decode_events(node.execute(commands))
    assert [(event.kind, event.sequence) for event in events] == [
        ("asset_added", 1),
        ("asset_added", 2),
        ("account_opened", 3),
    ]
    assert events[2].as_dict() == {
        "kind": "account_opened",
        "sequence": 3,
        "event_time_ns": events[2].event_time_ns,
        "event_index": 0,
        "code": "alice",
        "account_id": 2,
        "group_id": 3,
    }
    assert (events[0].scale, events[0].price, events[0].symbol) == (8, None, None)
    with pytest.raises(AttributeError):
        events[0].scale = 9


@pytest.mark.parametrize("path", [None, "venue"])
def test_submitted_commands_are_completed_in_order(tmp_path, path):
    node = engine.Node(tmp_path / path if path else None)
    for token in range(1000):
        node.submit(token, engine.open_account(f"a{token}", 0))
    completions = wait(node, 1000)
    assert [token for token, _ in completions] == list(range(1000))
    events = records.events(b"".join(data for _, data in completions))
    assert events["sequence"].tolist() == list(range(1, 1001))
    assert set(events["kind"].tolist()) == {EventKind.ACCOUNT_OPENED}
    node.close()
    with pytest.raises(NodeStopped):
        node.completions()
    with pytest.raises(NodeStopped):
        node.submit(1, engine.open_account("b", 0))


def test_a_full_queue_says_so():
    node = engine.Node(queue_capacity=10)
    for token in range(10):
        node.submit(token, engine.open_account(f"a{token}", 0))
    with pytest.raises(QueueFull, match="10"):
        node.submit(10, engine.open_account("a10", 0))
    assert len(wait(node, 10)) == 10
    node.close()


def test_bytes_that_are_no_command_are_refused(node):
    good = engine.open_account("alice", 0)
    for data in (b"\x00", good[:-1], good + b"\x63", good + good[:-1]):
        with pytest.raises(CommandInvalid):
            node.execute(data)
    for data in (b"", good + good, b"\xff" * 100):
        with pytest.raises(CommandInvalid):
            node.submit(1, data)
    assert node.execute(b"") == b""
    assert node.sequence == 0


def test_reads_of_what_there_is_not(node):
    assert node.order(1) is None
    assert node.order_by_client_id(1, "none") is None
    assert node.balances(99) == []
    assert node.open_orders(99) == []
    assert node.book(99, 10) == (0, [], [])
    assert [row["code"] for row in node.accounts()] == ["venue"]


def test_settings_out_of_range_are_refused(tmp_path):
    with pytest.raises(InputError, match="queue_capacity"):
        engine.Node(queue_capacity=0)
    with pytest.raises(InputError, match="segment_bytes"):
        engine.Node(tmp_path, segment_bytes=1)


def test_rows_have_every_field(ex):
    from beurs import rows

    ex.submit("alice", "BTC-USD", "buy", "0.1", price="100", client_order_id="mine")
    for row, shape in (
        (ex.node.assets()[0], rows.AssetRow),
        (ex.node.instruments()[0], rows.InstrumentRow),
        (ex.node.accounts()[0], rows.AccountRow),
        (ex.node.order(1), rows.OrderRow),
        (ex.node.order_by_client_id(2, "mine"), rows.OrderRow),
        (ex.node.open_orders(2)[0], rows.OrderRow),
    ):
        assert set(row) == set(shape.__annotations__)


def test_a_journal_is_verified(tmp_path):
    with fill_venue(Exchange(tmp_path)) as ex:
        ex.checkpoint()
        ex.submit("alice", "BTC-USD", "buy", "0.1", price="100")
        digest = ex.digest()
    calls = []
    report = engine.verify(tmp_path, lambda done, of_all: calls.append((done, of_all)))
    assert (report["matches"], report["commands"], report["digest"]) == (True, 9, digest)
    assert report["checkpoints"] == 2
    assert report["bad_checkpoints"] == []


def test_a_damaged_journal_names_file_and_place(tmp_path):
    with fill_venue(Exchange(tmp_path)):
        pass
    for checkpoint in (tmp_path / "checkpoint").iterdir():
        checkpoint.unlink()
    (segment,) = (tmp_path / "journal").glob("*.segment")
    data = bytearray(segment.read_bytes())
    data[150] ^= 0xFF
    segment.write_bytes(data)
    for use in (lambda: Exchange(tmp_path), lambda: engine.verify(tmp_path)):
        with pytest.raises(JournalDamaged, match=r"damaged at byte \d+") as failed:
            use()
        assert segment.name in str(failed.value)


def test_a_place_that_is_no_directory_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(JournalError, match="file"):
        engine.Node(file)
    with pytest.raises((JournalError, ValueError)):
        engine.Node("a\x00b")
    with pytest.raises(JournalError):
        engine.verify(Path("/nonexistent"))


def test_progress_may_end_a_verification(tmp_path):
    with Exchange(tmp_path) as ex:
        ex.add_asset("USD", scale=2)
        batch = records.commands(200_000)
        batch["kind"], batch["account_id"], batch["asset_id"], batch["amount_lo"] = 5, 1, 1, 1
        ex.execute(batch)

    def stop(done, of_all):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.verify(tmp_path, stop)
