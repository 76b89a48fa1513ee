"""The binary door of a running exchange: orders, reports and market data in messages of fixed size.

The door itself is in the compiled module, with a thread of its own; here it is opened where the settings say, for the
keys that sign. docs/reference/wire.md is its specification.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from beurs.config import Settings
from beurs.engine import Gateway, Node
from beurs.keys import KeyRing

OFF = "off"


def check(settings: Settings) -> None:
    """Looks whether the door can be opened, before anything else is. Raises OSError, which names the address."""
    if settings.binary == OFF or settings.binary.startswith("unix:"):
        return
    host, port = settings.binary.rsplit(":", 1)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        with socket.socket(found[0][0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except (OSError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise OSError(f"{settings.binary}: {said}") from None


@contextmanager
def door(settings: Settings, node: Node, keys: KeyRing) -> Iterator[Gateway | None]:
    """Opens the door and closes it at the end: its sessions end, and what their ends cancel is canceled.

    None if it is off. Raises OSError, which names the address, when it cannot listen.
    """
    if settings.binary == OFF:
        yield None
        return
    gateway = Gateway(node, [settings.binary])
    try:
        admit(gateway, keys)
        yield gateway
    finally:
        gateway.stop()


def admit(gateway: Gateway, keys: KeyRing) -> None:
    """Makes the keys that sign, and no others, those that may log on. Sessions of others end."""
    gateway.set_keys(
        [(trader.key_id, trader.account_id, trader.account, public, False) for public, trader in keys.signers.items()]
    )
