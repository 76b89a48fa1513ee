"""API keys: who may act for which account.

Only the SHA-256 of a key is kept, in a file that only the owner may read; a key itself is shown once, when it is made.
(Demo keys are an exception, see `beurs.demo.venue`.) A key is 32 random bytes, so its hash needs no salt and cannot be
guessed. What is presented is hashed first and hashes are compared in constant time, so that nothing tells how near a
guess is.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

KEY_PREFIX = "beurs_"
KEY_BYTES_MAX = 128


@dataclass(frozen=True, slots=True)
class Trader:
    """The authority to act for one account. Who has one has shown its key."""

    account_id: int
    account: str


class KeyRing:
    """The keys that are valid."""

    def __init__(self) -> None:
        self._traders: dict[bytes, tuple[bytes, Trader]] = {}

    def add(self, digest: bytes, trader: Trader) -> None:
        """Makes a key valid, given by its SHA-256."""
        self._traders[digest] = (digest, trader)

    def trader(self, key: bytes) -> Trader | None:
        """Whom a key stands for."""
        if len(key) > KEY_BYTES_MAX:
            return None
        digest = hashlib.sha256(key).digest()
        # Finding the entry by a hash of what was presented tells nothing about the keys that exist.
        known = self._traders.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            return None
        return known[1]

    def __len__(self) -> int:
        return len(self._traders)


def new_key() -> str:
    """A new key."""
    return KEY_PREFIX + secrets.token_hex(32)


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


class KeyFile:
    """The keys on disk: SHA-256 in hexadecimal → account code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[bytes, str]:
        """Every key's SHA-256 and its account."""
        try:
            held: dict[str, str] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return {bytes.fromhex(hexadecimal): account for hexadecimal, account in held.items()}

    def issue(self, account: str) -> str:
        """Makes a key for an account and returns it: this is the only time it is seen. Valid from the next start."""
        key = new_key()
        held = self.read() | {digest(key): account}
        write_private(self.path, {known.hex(): code for known, code in held.items()})
        return key


def write_private(path: Path, content: dict[str, str]) -> None:
    """Writes JSON that only the owner may read: whole or not at all, and durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
