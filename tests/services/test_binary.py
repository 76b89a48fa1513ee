"""The binary door of a running exchange. Its protocol is tested in crates/node; here is what belongs to the process."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from beurs import Exchange
from beurs.binary import OFF, admit, door
from beurs.config import Settings, SettingsInvalid
from beurs.engine import Gateway, Node, decode_events
from beurs.keys import KeyRing, Trader
from tests.conftest import fill_venue

SECONDS_MAX = 60.0
CHALLENGE, LOGON, ACCEPTED, REJECTED, LOGOUT, NEW_ORDER, ORDER_ACCEPTED = 1, 2, 3, 4, 5, 20, 60
KEY_REVOKED = 16


class Connection:
    """A connection to the door."""

    def __init__(self, address: str) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(SECONDS_MAX)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, port = address.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)), SECONDS_MAX)
        template, self.challenge = self.receive()
        assert template == CHALLENGE

    def exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "closed"
            data += more
        return data

    def receive(self) -> tuple[int, bytes]:
        """The next message: its template and its fields."""
        header = self.exactly(12)
        length, encoding, block, template, schema, version = struct.unpack("<6H", header)
        assert (encoding, schema, version, length) == (0xEB50, 1, 1, 12 + block)
        return template, self.exactly(block)

    def send(self, template: int, fields: bytes) -> None:
        self.socket.sendall(struct.pack("<6H", 12 + len(fields), 0xEB50, len(fields), template, 1, 1) + fields)

    def log_on(self, key: Ed25519PrivateKey) -> tuple[int, bytes]:
        fields = key.public_key().public_bytes_raw() + struct.pack("<QIIB", 0, 0, 60_000, 0)
        self.send(LOGON, fields + key.sign(b"beurs binary logon 1" + self.challenge[:32] + fields))
        return self.receive()


@pytest.fixture
def node() -> Iterator[Node]:
    with Exchange() as exchange:
        yield fill_venue(exchange).node


def ring(node: Node, **keys: Ed25519PrivateKey) -> KeyRing:
    """A ring with a key for each of these accounts."""
    ring = KeyRing()
    accounts = {row["code"]: row["account_id"] for row in node.accounts()}
    for account, key in keys.items():
        ring.signers[key.public_key().public_bytes_raw()] = Trader(accounts[account], account, 7)
    return ring


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_order_goes_through_the_door(node: Node, tmp_path: Path, kind: str) -> None:
    key = Ed25519PrivateKey.generate()
    address = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path / 'door'}"
    before = node.sequence
    with door(Settings(binary=address), node, ring(node, alice=key)) as gateway:
        assert gateway is not None
        connection = Connection(gateway.addresses[0])
        template, fields = connection.log_on(key)
        assert template == ACCEPTED
        account_id, key_id = struct.unpack_from("<IH", fields, 16)
        assert key_id == 7
        order = struct.pack(
            "<QI7BHqqQq5q36s", 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1_000_000, 100, 0, 0, 0, 0, 0, 0, 0, b"mine"
        )
        connection.send(NEW_ORDER, order)
        template, fields = connection.receive()
        assert template == ORDER_ACCEPTED
        assert fields.rstrip(b"\0").endswith(b"mine")
        stats = gateway.stats()
        assert (stats["sessions"], stats["requests"], stats["reports"]) == (1, 1, 1)
    event = decode_events(node.events_since(before, 1 << 20))[0]
    assert (event.account_id, event.key_id, event.client_order_id) == (account_id, 7, "mine")
    # The door is closed, and its address is free again.
    with pytest.raises(OSError):  # noqa: PT011 # refused, or no such file
        Connection(gateway.addresses[0])
    Gateway(node, gateway.addresses).stop()


def test_keys_come_and_go_while_it_runs(node: Node) -> None:
    one, two = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    with door(Settings(binary="127.0.0.1:0"), node, ring(node, alice=one)) as gateway:
        assert gateway is not None
        address = gateway.addresses[0]
        held = Connection(address)
        assert held.log_on(one)[0] == ACCEPTED
        assert Connection(address).log_on(two)[0] == REJECTED
        admit(gateway, ring(node, bob=two))
        template, fields = held.receive()
        assert (template, struct.unpack_from("<H", fields)[0]) == (LOGOUT, KEY_REVOKED)
        assert Connection(address).log_on(one)[0] == REJECTED
        assert Connection(address).log_on(two)[0] == ACCEPTED


def test_it_can_be_off_and_an_address_in_use_is_named(node: Node) -> None:
    with door(Settings(binary=OFF), node, KeyRing()) as gateway:
        assert gateway is None
    with door(Settings(binary="127.0.0.1:0"), node, KeyRing()) as gateway:
        assert gateway is not None
        address = gateway.addresses[0]
        with pytest.raises(OSError, match=f"^{address}: .*in use"), door(Settings(binary=address), node, KeyRing()):
            pass


@pytest.mark.parametrize("address", ["", "9000", "localhost", "127.0.0.1:", "127.0.0.1:123456", "unix:", "on"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingsInvalid, match="binary"):
        Settings.load(binary=address)
