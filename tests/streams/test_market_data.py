"""The stream through real sockets: what clients see, and what the server bears."""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import socket
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from beurs.engine import EVENT_SIZE, Node, cancel_order, mass_cancel, new_order, set_trading_status
from beurs.store import Repository, Store, catch_up
from beurs.streams import messages, protocol, session

from ..venues import Venue
from ..waiting import WAIT_SECONDS_MAX, until_async
from .conftest import Server

NewServer = Callable[..., Server]


class Client:
    """A client that keeps what it gets."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def get(self, seconds: float = WAIT_SECONDS_MAX) -> dict[str, Any]:
        text = await asyncio.wait_for(self.connection.recv(), seconds)
        assert isinstance(text, str)
        message = json.loads(text)
        assert isinstance(message, dict)
        return message

    async def subscribe(self, channel: str, symbol: str = "BTC-USD", **more: Any) -> dict[str, Any]:
        await self.send(op="subscribe", channel=channel, symbol=symbol, **more)
        while (answer := await self.get())["type"] != "subscribed":
            assert answer["type"] == "update", answer
        while (snapshot := await self.get())["type"] != "snapshot":
            pass
        return snapshot

    async def silent(self, seconds: float = 0.1) -> bool:
        try:
            await self.get(seconds)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def client(server: Server) -> Any:
    async with connect(
        server.url, compression=None, max_size=None, open_timeout=WAIT_SECONDS_MAX, ping_interval=None
    ) as connection:
        yield Client(connection)


def limit(account: int, side: int, price: int, quantity: int, force: int = 1) -> bytes:
    return new_order(account, 1, side, 1, force, False, 0, price, quantity, 0, "")


async def run(venue: Venue, *commands: bytes) -> None:
    await asyncio.to_thread(venue.run, list(commands))


async def test_a_trade_is_told_with_everything_that_belongs_to_it(server: Server) -> None:
    async with client(server) as c:
        snapshot = await c.subscribe("trades")
        assert snapshot["trades"] == []
        await run(server.venue, limit(2, 2, 6_000_000, 150), limit(3, 1, 6_000_100, 150_000))
        trade = await c.get()
        moment = trade.pop("timestamp")
        assert trade == {
            "type": "update", "channel": "trades", "symbol": "BTC-USD", "sequence": server.venue.node.sequence,
            "trade_id": "1", "price": "60000", "quantity": "0.00015", "aggressor_side": "buy",
            "maker_order_id": "1", "taker_order_id": "2", "buy_order_id": "2", "sell_order_id": "1",
        }  # fmt: skip
        assert moment.endswith("Z")
        assert len(moment) == len("2025-01-31T09:30:00.000000001Z")
        async with client(server) as later:
            (old,) = (await later.subscribe("trades"))["trades"]
            assert old["trade_id"] == "1"
            assert old["timestamp"] == moment


async def test_the_best_prices_are_told_when_they_change(server: Server) -> None:
    async with client(server) as c:
        snapshot = await c.subscribe("bbo")
        assert (snapshot["best_bid"], snapshot["best_ask"]) == (None, None)
        await run(server.venue, limit(2, 1, 5_999_999, 1_000_000))
        update = await c.get()
        assert update["best_bid"] == {"price": "59999.99", "quantity": "1"}
        assert update["best_ask"] is None
        assert update["sequence"] == server.venue.node.sequence
        await run(server.venue, limit(2, 1, 5_000_000, 5))
        assert await c.silent()
        await run(server.venue, cancel_order(2, 1, ""))
        assert (await c.get())["best_bid"] == {"price": "50000", "quantity": "0.000005"}


async def test_an_auction_is_told_from_its_beginning_to_its_end(server: Server) -> None:
    venue = server.venue
    async with client(server) as c:
        snapshot = await c.subscribe("status")
        assert snapshot.pop("timestamp")
        assert snapshot == {
            "type": "snapshot", "channel": "status", "symbol": "BTC-USD", "sequence": venue.node.sequence,
            "status": "open", "reason": "requested", "auction_end_time": None, "indication": None,
            "last_auction": None, "limit_state": None,
        }  # fmt: skip
        await run(venue, set_trading_status(1, 5, reason=2, end_time_ns=2**62))
        begun = await c.get()
        assert (begun["status"], begun["reason"], begun["indication"]) == ("auction", "schedule", None)
        assert begun["auction_end_time"].startswith("2116-")
        await run(venue, limit(2, 2, 6_000_000, 150), limit(3, 1, 6_000_100, 200))
        told = await c.get()
        if told["indication"]["price"] is None:  # that of the first order alone was not overtaken
            told = await c.get()
        assert told["indication"] == {"price": "60001", "volume": "0.00015", "imbalance": "0.00005"}
        assert told["sequence"] == venue.node.sequence
        async with client(server) as later:
            assert (await later.subscribe("status"))["indication"] == told["indication"]
            trades = await later.subscribe("trades")
            await run(venue, set_trading_status(1, 1))
            trade = await later.get()
            while trade["channel"] != "trades":
                trade = await later.get()
        assert trades["trades"] == []
        assert (trade["aggressor_side"], trade["maker_order_id"], trade["taker_order_id"]) == (None, None, None)
        assert (trade["buy_order_id"], trade["sell_order_id"], trade["quantity"]) == ("2", "1", "0.00015")
        ended = [await c.get(), await c.get()]
        assert [message["status"] for message in ended] == ["auction", "open"]
        (price, volume) = (ended[0]["last_auction"][name] for name in ("price", "volume"))
        assert (price, volume) == ("60001", "0.00015")
        assert ended[1]["indication"] is None
        ticker = await c.subscribe("ticker")
        assert (ticker["volume"], ticker["trade_count"]) == ("0.00015", 1)


async def test_the_status_is_known_after_a_restart(venue: Venue, new_server: NewServer, tmp_path: Path) -> None:
    await run(venue, set_trading_status(1, 5), limit(2, 2, 6_000_000, 150), limit(3, 1, 6_000_000, 150))
    store = Store.at(tmp_path / "store.sqlite")
    store.migrate()
    catch_up(venue.node, store)
    server = new_server(repository=Repository(store))
    async with client(server) as c:
        snapshot = await c.subscribe("status")
        assert (snapshot["status"], snapshot["indication"]["price"]) == ("auction", "60000")
    store.close()


async def test_the_ticker_tells_the_day(server: Server) -> None:
    async with client(server) as c:
        snapshot = await c.subscribe("ticker")
        assert (snapshot["last_price"], snapshot["open"], snapshot["volume"]) == (None, None, "0")
        for price in (6_000_000, 6_030_000, 5_940_000):
            await run(server.venue, limit(2, 2, price, 100), limit(3, 1, price, 100))
        update = await c.get()
        while update["trade_count"] < 3:
            update = await c.get()
        names = ("last_price", "open", "high", "low", "volume", "notional", "change", "change_percent")
        assert [update[name] for name in names] == [
            "59400", "60000", "60300", "59400", "0.0003", "17.97", "-600", "-1.00",
        ]  # fmt: skip


async def test_depth_updates_make_the_book_of_the_node(server: Server) -> None:
    """Whatever is conflated: snapshot and updates, applied by price, are the first levels of the book."""
    venue = server.venue
    books: dict[int, tuple[dict[str, str], dict[str, str]]] = {}
    sequences: dict[int, int] = {}
    async with client(server) as c:
        for depth in (1, 10, 100):
            snapshot = await c.subscribe("depth", depth=depth)
            books[depth] = dict(snapshot["bids"]), dict(snapshot["asks"])
            sequences[depth] = snapshot["sequence"]
        updates = 0

        async def take(seconds: float) -> None:
            nonlocal updates
            while True:
                try:
                    update = await c.get(seconds)
                except TimeoutError:
                    return
                depth = update["depth"]
                assert update["previous_sequence"] == sequences[depth]
                assert update["sequence"] > update["previous_sequence"]
                sequences[depth] = update["sequence"]
                for half, changes in zip(books[depth], (update["bids"], update["asks"]), strict=True):
                    for price, quantity in changes:
                        if quantity == "0":
                            del half[price]
                        else:
                            half[price] = quantity
                updates += 1

        for _ in range(25):
            await asyncio.to_thread(venue.trade, 40)
            sequence, *halves = venue.node.book(1, 100)
            assert sequence == venue.node.sequence
            expected = {
                depth: tuple({_text(at[0], 2): _text(at[1], 6) for at in half[:depth]} for half in halves)
                for depth in books
            }
            for _ in range(WAIT_SECONDS_MAX * 20):
                await take(0.05)
                if books == expected:
                    break
            assert books == expected
        assert updates > 50


def _text(count: int, scale: int) -> str:
    whole, fraction = divmod(count, 10**scale)
    return f"{whole}.{fraction:0{scale}d}".rstrip("0").rstrip(".")


async def test_a_late_subscriber_gets_the_same_book(server: Server) -> None:
    await run(server.venue, *[limit(2 + n % 2, 1, 5_999_000 + n, 5 + n) for n in range(30)])
    async with client(server) as a, client(server) as b:
        first = await a.subscribe("depth", depth=20)
        assert len(first["bids"]) == 20
        await run(server.venue, mass_cancel(2, 1, 0))
        second = await b.subscribe("depth", depth=20)
        update = await a.get()
        assert update["previous_sequence"] == first["sequence"]
        if second["sequence"] == first["sequence"]:
            assert await b.get() == update
        else:
            assert second["sequence"] == update["sequence"]


async def test_trades_are_never_conflated(server: Server) -> None:
    async with client(server) as c:
        await c.subscribe("trades")
        await run(server.venue, limit(2, 2, 6_000_000, 5_000))
        await run(server.venue, *[limit(3, 1, 6_000_000, 1) for _ in range(5_000)])
        ids = [(await c.get())["trade_id"] for _ in range(5_000)]
        assert ids == [str(n) for n in range(1, 5_001)]


async def test_requests_are_answered_with_their_id(server: Server) -> None:
    async with client(server) as c:
        await c.send(op="ping", id="a")
        assert await c.get() == {"type": "pong", "id": "a"}
        await c.send(op="ping")
        assert await c.get() == {"type": "pong"}
        await c.send(op="subscribe", channel="depth", symbol="ETH-BTC", id="b")
        assert await c.get() == {"type": "subscribed", "channel": "depth", "symbol": "ETH-BTC", "depth": 10, "id": "b"}
        assert (await c.get())["type"] == "snapshot"
        await c.send(op="unsubscribe", channel="depth", symbol="ETH-BTC", id="c")
        assert await c.get() == {
            "type": "unsubscribed",
            "channel": "depth",
            "symbol": "ETH-BTC",
            "depth": 10,
            "id": "c",
        }
        await asyncio.to_thread(server.venue.trade, 300)
        assert await c.silent()
        assert server.feed.stats()["topics"] == 0


HOSTILE: list[tuple[str, str, str | None]] = [
    ('{"op":"subscribe","channel":"trades"}', "missing_field", "symbol"),
    ('{"op":"subscribe","symbol":"BTC-USD"}', "missing_field", "channel"),
    ('{"channel":"trades","symbol":"BTC-USD"}', "missing_field", "op"),
    ("{}", "missing_field", "op"),
    ('{"op":"shout"}', "invalid_value", "op"),
    ('{"op":null}', "invalid_type", "op"),
    ('{"op":1}', "invalid_type", "op"),
    ('{"op":"subscribe","channel":"l3","symbol":"BTC-USD"}', "invalid_value", "channel"),
    ('{"op":"subscribe","channel":1,"symbol":"BTC-USD"}', "invalid_type", "channel"),
    ('{"op":"subscribe","channel":"trades","symbol":"DOGE-USD"}', "unknown_instrument", "symbol"),
    ('{"op":"subscribe","channel":"trades","symbol":""}', "unknown_instrument", "symbol"),
    ('{"op":"subscribe","channel":"trades","symbol":"btc-usd"}', "unknown_instrument", "symbol"),
    ('{"op":"subscribe","channel":"trades","symbol":"BTC-USD\\u0000"}', "unknown_instrument", "symbol"),
    ('{"op":"subscribe","channel":"trades","symbol":["BTC-USD"]}', "invalid_type", "symbol"),
    ('{"op":"subscribe","channel":"trades","symbol":"BTC-USD","depth":10}', "invalid_value", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":0}', "invalid_value", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":-1}', "invalid_value", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":11}', "invalid_value", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":"10"}', "invalid_type", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":1e400}', "invalid_type", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":' + "9" * 40 + "}", "invalid_value", "depth"),
    ('{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":true}', "invalid_type", "depth"),
    ('{"op":"subscribe","channel":"trades","symbol":"BTC-USD","x":1}', "unknown_field", "x"),
    ('{"op":"ping","id":7}', "invalid_type", "id"),
    ('{"op":"ping","id":"' + "i" * 65 + '"}', "invalid_value", "id"),
    ('{"op":"unsubscribe","channel":"trades","symbol":"BTC-USD"}', "not_subscribed", None),
    ("[]", "invalid_type", None),
    ('"subscribe"', "invalid_type", None),
    ("[" * 2_000, "invalid_type", None),
    ("null", "invalid_type", None),
    ("1", "invalid_type", None),
]


async def test_what_cannot_be_served_gets_a_clear_error_and_the_connection_stays(server: Server) -> None:
    async with client(server) as c:
        for text, code, field in HOSTILE:
            await c.connection.send(text)
            answer = await c.get()
            assert answer["type"] == "error", text
            assert (answer["error"]["code"], answer["error"].get("field")) == (code, field), (text, answer)
            assert answer["error"]["message"]
            assert code in messages.ERRORS
        await c.send(op="ping")
        assert await c.get() == {"type": "pong"}


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "nonsense", '{"op":"ping"', "NaN", '{"op":"ping"}{"op":"ping"}', '{"op":"\\ud800"', "\x00"],
)
async def test_what_is_not_json_ends_the_connection(server: Server, text: str) -> None:
    async with client(server) as c:
        await c.connection.send(text)
        assert (await c.get())["error"]["code"] == "malformed_json"
        with pytest.raises(ConnectionClosed) as closed:
            await c.get()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"op":"ping","op":"ping"}', "op"),
        ('{"op":"subscribe","channel":"trades","symbol":"BTC-USD","symbol":"ETH-USD"}', "symbol"),
        ('{"op":"ping","id":"a","\\u0069d":"b"}', "id"),
    ],
)
async def test_a_key_that_stands_twice_ends_the_connection(server: Server, text: str, field: str) -> None:
    async with client(server) as c:
        await c.connection.send(text)
        error = (await c.get())["error"]
        assert (error["code"], error["field"]) == ("malformed_json", field)
        with pytest.raises(ConnectionClosed) as closed:
            await c.get()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007


async def test_a_binary_frame_ends_the_connection(server: Server) -> None:
    async with client(server) as c:
        await c.connection.send(b'{"op":"ping"}')
        assert (await c.get())["error"]["code"] == "binary_not_supported"
        with pytest.raises(ConnectionClosed) as closed:
            await c.get()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1003


async def test_a_long_message_ends_the_connection(server: Server) -> None:
    async with client(server) as c:
        await c.connection.send('{"op":"ping","id":"' + "x" * 100_000 + '"}')
        with pytest.raises(ConnectionClosed) as closed:
            await c.get()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_flood_of_requests_ends_the_connection(server: Server) -> None:
    async with client(server) as c:

        async def flood() -> None:
            for _ in range(2_000):
                await c.send(op="ping")
            while True:
                await c.get()

        with pytest.raises(ConnectionClosed) as closed:
            await flood()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_subscriptions_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SUBSCRIPTIONS_MAX", 2)
    async with client(server) as c:
        await c.subscribe("trades")
        await c.subscribe("bbo")
        await c.subscribe("bbo")  # again is not one more
        await c.send(op="subscribe", channel="ticker", symbol="BTC-USD")
        assert (await c.get())["error"]["code"] == "too_many_subscriptions"


async def test_connections_are_bounded(new_server: NewServer) -> None:
    server = new_server(connections_max=2)
    async with client(server) as a, client(server), client(server) as c:
        assert (await c.get())["error"]["code"] == "too_many_connections"
        with pytest.raises(ConnectionClosed) as closed:
            await c.get()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        await a.subscribe("trades")


async def test_clients_that_come_and_go_leave_nothing_behind(server: Server) -> None:
    for _ in range(30):
        async with client(server) as c:
            await c.subscribe("depth")
            await c.subscribe("trades")
    await until_async(lambda: server.endpoint.stats()["connections"] == 0)
    assert server.feed.stats()["topics"] == 0
    assert server.endpoint.stats()["dropped_total"] == 0


def _raw(server: Server, *, receive_buffer: int | None = None) -> socket.socket:
    """A bare socket after the handshake."""
    s = socket.socket()
    if receive_buffer is not None:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(WAIT_SECONDS_MAX)
    s.connect(("127.0.0.1", server.port))
    s.sendall(
        b"GET /ws/market-data HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        byte = s.recv(1)
        assert byte, "the server has ended the connection"
        head += byte
    assert head.startswith(b"HTTP/1.1 101")
    return s


def _frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, key: bytes = b"\x1d\xe5\xa7\x3c"
) -> bytes:
    head = bytes([(0x80 if fin else 0) | opcode])
    size = len(payload)
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def _answer(s: socket.socket) -> tuple[list[bytes], int | None]:
    """The payloads that come, and the close code: 0 if the close frame has none, ``None`` if none comes."""
    data = b""
    try:
        while chunk := s.recv(65536):
            data += chunk
    except (ConnectionError, TimeoutError):
        pass
    payloads, code = [], None
    while len(data) >= 2:
        opcode, size, start = data[0] & 15, data[1] & 127, 2
        if size == 126:
            size, start = struct.unpack("!H", data[2:4])[0], 4
        payload, data = data[start : start + size], data[start + size :]
        if opcode == 8:
            code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 0
        else:
            payloads.append(payload)
    return payloads, code


BROKEN: list[tuple[str, bytes, int]] = [
    ("not_masked", _frame(1, b'{"op":"ping"}', masked=False), 1002),
    ("reserved_bits", b"\xf1" + _frame(1, b"{}")[1:], 1002),
    ("unknown_opcode", _frame(3, b""), 1002),
    ("fragmented_ping", _frame(9, b"", fin=False), 1002),
    ("long_ping", _frame(9, b"x" * 126), 1002),
    ("continuation_of_nothing", _frame(0, b"x"), 1002),
    ("two_beginnings", _frame(1, b"x", fin=False) + _frame(1, b"y"), 1002),
    ("not_utf8", _frame(1, b"\xff\xfe"), 1007),
    ("close_with_one_byte", _frame(8, b"\x03"), 1002),
    ("close_with_an_impossible_code", _frame(8, struct.pack("!H", 999)), 1002),
    ("length_of_a_petabyte", b"\x81\xff" + struct.pack("!Q", 1 << 50), 1009),
    ("length_with_the_high_bit", b"\x81\xff" + struct.pack("!Q", 1 << 63), 1009),
    ("endless_fragments", _frame(1, b"", fin=False) + _frame(0, b"", fin=False) * 200, 1009),
    ("fragments_that_add_up", _frame(1, b"x" * 3000, fin=False) + _frame(0, b"x" * 3000), 1009),
]


@pytest.mark.parametrize(("name", "frames", "code"), BROKEN, ids=[case[0] for case in BROKEN])
def test_a_broken_frame_ends_the_connection_with_its_code(server: Server, name: str, frames: bytes, code: int) -> None:
    with _raw(server) as s:
        s.sendall(frames)
        assert _answer(s)[1] == code


def test_a_close_frame_may_be_empty(server: Server) -> None:
    with _raw(server) as s:
        s.sendall(_frame(8, b""))
        assert _answer(s) == ([], 0)


def test_what_comes_after_the_close_is_not_looked_at(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with _raw(server) as s:
        s.sendall(_frame(2, b"x"))
        said = b""
        while not said.endswith(b"binary_not_supported"):  # the reason in the close frame
            said += s.recv(65_536)
        s.sendall(_frame(1, b"\xff") + _frame(8, struct.pack("!H", 1003)))
        assert s.recv(65_536) == b""
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_fuzzed_frames_never_hurt_the_server(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    seed = int(os.environ.get("BEURS_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")
    r = random.Random(seed)
    good = [
        b'{"op":"subscribe","channel":"depth","symbol":"BTC-USD","depth":5}', b'{"op":"ping","id":"x"}',
        b'{"op":"unsubscribe","channel":"trades","symbol":"BTC-USD"}',
    ]  # fmt: skip
    for _ in range(300):
        with _raw(server) as s:
            try:
                for _ in range(r.randrange(1, 6)):
                    payload = bytearray(r.choice(good))
                    kind = r.randrange(5)
                    if kind == 0:
                        payload[r.randrange(len(payload))] = r.randrange(256)
                    elif kind == 1:
                        payload = bytearray(r.randbytes(r.randrange(200)))
                    opcode = r.choice((1, 1, 1, 2, 0, 8, 9, 10))
                    frame = bytearray(_frame(opcode, bytes(payload[:120]), key=r.randbytes(4)))
                    if kind == 2:
                        frame[r.randrange(len(frame))] ^= 1 << r.randrange(8)
                    elif kind == 3:
                        del frame[r.randrange(len(frame)) :]
                    s.sendall(bytes(frame))
                if r.random() < 0.5:
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(0.2)
                    _answer(s)
            except OSError:
                pass  # The server has ended it already.

    async def still_there() -> None:
        async with client(server) as c:
            await c.subscribe("depth")
        await until_async(lambda: server.endpoint.stats()["connections"] == 0)

    asyncio.run(still_there())
    assert server.feed.error is None
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_never_reads_is_dropped_and_nobody_else_notices(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WAITING_BYTES_MAX", 100_000)
    with _raw(server, receive_buffer=4096) as deaf:
        deaf.sendall(_frame(1, b'{"op":"subscribe","channel":"trades","symbol":"BTC-USD"}'))
        async with client(server) as c:
            await c.subscribe("trades")
            await until_async(lambda: server.endpoint.stats()["connections"] == 2)
            got = 0
            for _ in range(200):
                await run(server.venue, limit(2, 2, 6_000_000, 100), *[limit(3, 1, 6_000_000, 1) for _ in range(100)])
                for _ in range(100):
                    assert (await c.get())["type"] == "update"
                    got += 1
                if server.endpoint.stats()["dropped_total"]:
                    break
            assert server.endpoint.stats()["dropped_total"] == 1
            assert server.endpoint.stats()["connections"] == 1
            assert await c.silent()
            await run(server.venue, limit(2, 2, 6_000_000, 1), limit(3, 1, 6_000_000, 1))
            assert (await c.get())["trade_id"] == str(got + 1)


async def test_a_client_that_is_gone_without_a_word_is_noticed(new_server: NewServer) -> None:
    server = new_server(options={"ws_ping_interval": 0.2, "ws_ping_timeout": 0.2})
    with _raw(server) as dead:
        dead.sendall(_frame(1, b'{"op":"subscribe","channel":"depth","symbol":"BTC-USD"}'))
        said = b""
        while b'"subscribed"' not in said:
            said += await asyncio.to_thread(dead.recv, 65_536)
        # It never answers a ping.
        await until_async(lambda: server.endpoint.stats()["connections"] == 0)
    assert server.feed.stats()["topics"] == 0


async def test_a_client_that_floods_pings_and_does_not_read_is_dropped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "WAITING_BYTES_MAX", 100_000)
    with _raw(server, receive_buffer=4096) as s:

        def flood() -> None:
            pings = _frame(9, b"x" * 125) * 1000
            for _ in range(100):
                s.sendall(pings)

        with pytest.raises(ConnectionError):
            await asyncio.to_thread(flood)
        await until_async(lambda: server.endpoint.stats()["connections"] == 0)


async def test_the_server_stops_with_a_client_that_never_reads(new_server: NewServer) -> None:
    server = new_server()
    with _raw(server, receive_buffer=4096) as deaf:
        deaf.sendall(_frame(1, b'{"op":"subscribe","channel":"trades","symbol":"BTC-USD"}'))
        await until_async(lambda: server.feed.stats()["topics"] == 1)
        await run(server.venue, limit(2, 2, 6_000_000, 3_000), *[limit(3, 1, 6_000_000, 1) for _ in range(3_000)])
        await until_async(lambda: server.endpoint.stats()["waiting_bytes"] > 0)
        # The server itself would wait for its client for an hour.
        await asyncio.to_thread(server.stop)


async def test_five_hundred_clients_get_the_same(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    count = 500
    venue = server.venue
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                connect(
                    server.url, compression=None, max_queue=None, open_timeout=WAIT_SECONDS_MAX, ping_interval=None
                ).__aenter__()
            )
            for _ in range(count)
        ]
    clients = [Client(task.result()) for task in tasks]
    deaf = _raw(server, receive_buffer=4096)
    dead = _raw(server)
    for s in (deaf, dead):
        s.sendall(_frame(1, b'{"op":"subscribe","channel":"trades","symbol":"BTC-USD"}'))
    try:
        await asyncio.gather(*[c.subscribe("trades") for c in clients])
        await asyncio.gather(*[c.subscribe("depth") for c in clients])
        await until_async(lambda: server.endpoint.stats()["connections"] == count + 2)
        # One dies in the middle: a reset, not a close.
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        dead.close()
        rounds, size = 10, 20
        for _ in range(rounds):
            await run(venue, limit(2, 2, 6_000_000, size), *[limit(3, 1, 6_000_000, 1) for _ in range(size)])
            await asyncio.sleep(0.02)

        async def trades(c: Client) -> list[str]:
            ids: list[str] = []
            while len(ids) < rounds * size:
                message = await c.get()
                if message["channel"] == "trades":
                    ids.append(message["trade_id"])
            return ids

        everybody = await asyncio.gather(*[trades(c) for c in clients])
        assert all(ids == [str(n) for n in range(1, rounds * size + 1)] for ids in everybody)
        await until_async(lambda: server.endpoint.stats()["connections"] == count + 1)
        assert server.feed.error is None
    finally:
        deaf.close()
        await asyncio.gather(*[c.connection.close() for c in clients])
    await until_async(lambda: server.endpoint.stats()["connections"] == 0)


async def test_the_feed_begins_with_what_the_store_has(venue: Venue, new_server: NewServer, tmp_path: Path) -> None:
    await asyncio.to_thread(venue.trade, 1000)
    store = Store.at(tmp_path / "store.sqlite")
    store.migrate()
    catch_up(venue.node, store)
    await asyncio.to_thread(venue.trade, 1000)
    from_store, from_journal = new_server(repository=Repository(store)), new_server()
    catch_up(venue.node, store)
    for instrument_id in (1, 2, 3):
        a, b = from_store.feed.tape(instrument_id), from_journal.feed.tape(instrument_id)
        now_ns = venue.node.event_time_ns
        assert list(a.trades) == list(b.trades)
        assert a.ticker(now_ns) == b.ticker(now_ns) == Repository(store).ticker(instrument_id, now_ns)
    assert from_store.feed.position == from_journal.feed.position == venue.node.sequence
    store.close()


def test_any_asgi_server_will_do(server: Server) -> None:
    """Without our protocol underneath, the endpoint sends through ASGI."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    app = Starlette(routes=[WebSocketRoute("/ws/market-data", server.endpoint)])
    with TestClient(app) as http, http.websocket_connect("/ws/market-data") as socket:
        socket.send_text('{"op":"subscribe","channel":"bbo","symbol":"BTC-USD"}')
        assert socket.receive_json()["type"] == "subscribed"
        assert socket.receive_json()["type"] == "snapshot"
        socket.send_bytes(b"x")
        assert socket.receive_json()["error"]["code"] == "binary_not_supported"
        assert socket.receive()["code"] == 1003


async def test_a_feed_that_lags_takes_the_journal_and_leaves_no_trade_out(tmp_path: Path) -> None:
    node = Node(str(tmp_path / "journal"), event_ring_bytes=64 * EVENT_SIZE)
    venue = Venue(node, 7)
    venue.open()
    await asyncio.to_thread(venue.trade, 500)
    server = Server(venue)
    try:
        async with client(server) as c:
            snapshot = await c.subscribe("trades")
            first = int(snapshot["trades"][-1]["trade_id"]) if snapshot["trades"] else 0
            # On an instrument that the crowd has not halted.
            await run(venue, set_trading_status(1, 1), mass_cancel(0, 1, 0), limit(2, 2, 6_000_000, 1_000))
            await run(venue, *[limit(3, 1, 6_000_000, 1) for _ in range(1_000)])
            ids = [int((await c.get())["trade_id"]) for _ in range(1_000)]
            assert ids == list(range(ids[0], ids[0] + 1_000))
            assert ids[0] > first
    finally:
        await asyncio.to_thread(server.stop)
        node.close()


async def test_clients_are_told_when_the_exchange_has_stopped(tmp_path: Path) -> None:
    node = Node(str(tmp_path / "journal"))
    venue = Venue(node, 7)
    venue.open()
    server = Server(venue)
    try:
        async with client(server) as c:
            await c.subscribe("bbo")
            await asyncio.to_thread(node.close)
            with pytest.raises(ConnectionClosed) as closed:
                await c.get()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001
        assert server.feed.error == "the node has stopped"
    finally:
        await asyncio.to_thread(server.stop)
