"""The binary door of a running exchange: orders, reports and market data in messages of fixed size.

The door itself is in the compiled module, with a thread of its own; here it is opened where the settings say, for the
keys that sign. docs/reference/wire.md is its specification.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from beurs.config import Settings
from beurs.engine import Gateway, Node
from beurs.keys import KeyRing

OFF = "off"


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
