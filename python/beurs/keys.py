"""API keys: who may act for which account, and who of the venue's staff may administer.

Only the SHA-256 of a key is kept, in a file that only the owner may read; a key itself is shown once, when it is made.
(Demo keys are an exception, see `beurs.demo.venue`.) A key is 32 random bytes, so its hash needs no salt and cannot be
guessed. What is presented is hashed first and hashes are compared in constant time, so that nothing tells how near a
guess is.

An account may have keys that sign, too: Ed25519, of which the venue has the public half only, see `beurs.signing`. The
binary door takes those and no others.

The keys of an account are numbered from 1, and its orders say which of them they came with: limits and the kill switch
can name a key. A key is of an account or of a member of staff, never of both.
"""

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from beurs.errors import InputError
from beurs.signing import PUBLIC_BYTES

KEY_FILE: Final = "api-keys.json"
"""The name of the key file, in the data directory."""
KEY_PREFIX = "beurs_"
KEY_BYTES_MAX = 128
ED25519: Final = "ed25519:"
KEY_ID_MAX: Final = 4095
"""Keys of one account."""
_STAFF_NAME: Final = re.compile(r"[!-~]{1,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Trader:
    """The authority to act for one account, shown by its key number `key_id`."""

    account_id: int
    account: str
    key_id: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """The authority to administer the venue. What its holder does is noted under its name."""

    name: str


class KeyRing:
    """The keys that are valid.

    `look_again` is asked when a key is not known, and adds those that have been made since. It must cost next to
    nothing when there are none: anybody can send keys that do not exist.
    """

    def __init__(self, look_again: Callable[[], None] = lambda: None) -> None:
        self.look_again = look_again
        self._holders: dict[bytes, tuple[bytes, Trader | Operator]] = {}
        self.signers: dict[bytes, Trader] = {}
        """The accounts whose keys sign, by the public half of an Ed25519 key, 32 bytes."""

    def add(self, digest: bytes, holder: Trader | Operator) -> None:
        """Makes a key valid, given by its SHA-256."""
        self._holders[digest] = (digest, holder)

    def trader(self, key: bytes) -> Trader | None:
        """Whom a key of an account stands for; None also for a key of staff."""
        holder = self._holder(key)
        return holder if isinstance(holder, Trader) else None

    def operator(self, key: bytes) -> Operator | None:
        """Whom a key of staff stands for; None also for a key of an account."""
        holder = self._holder(key)
        return holder if isinstance(holder, Operator) else None

    def _holder(self, key: bytes) -> Trader | Operator | None:
        if len(key) > KEY_BYTES_MAX:
            return None
        digest = hashlib.sha256(key).digest()
        # Finding the entry by a hash of what was presented tells nothing about the keys that exist.
        known = self._holders.get(digest)
        if known is None:
            self.look_again()
            known = self._holders.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            return None
        return known[1]

    def __len__(self) -> int:
        return len(self._holders)


def new_key() -> str:
    """A new key."""
    return KEY_PREFIX + secrets.token_hex(32)


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What is kept of an account's key beside its hash. A demo key is valid while the demo runs."""

    account: str
    key_id: int
    demo: bool = False


@dataclass(frozen=True, slots=True)
class StaffKey:
    """What is kept of a key of staff beside its hash."""

    staff: str
    demo: bool = False


HeldKey: TypeAlias = AccountKey | StaffKey


class KeyFile:
    """The keys on disk: SHA-256 in hexadecimal, or `ed25519:` and a public half in hexadecimal → whose it is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def signature(self) -> tuple[int, ...] | None:
        """What tells one state of the file from another; None if there is no file."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps out whoever else would make keys; a server that reads the file goes on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def read(self) -> dict[bytes, HeldKey]:
        """The SHA-256 of every key that is shown as it is, and whose it is."""
        return {bytes.fromhex(name): holder for name, holder in self._read().items() if not name.startswith(ED25519)}

    def public_halves(self) -> dict[bytes, AccountKey]:
        """The public half of every key that signs, 32 bytes, and whose it is."""
        return {
            bytes.fromhex(name.removeprefix(ED25519)): holder
            for name, holder in self._read().items()
            if name.startswith(ED25519) and isinstance(holder, AccountKey)
        }

    def issue(self, account: str) -> str:
        """Makes a key for an account and returns it: this is the only time it is seen. Valid at once.

        Raises InputError if the account has 4,095 keys already.
        """
        key, held = new_key(), self._read()
        held[digest(key).hex()] = AccountKey(account, _free_key_id(account, held))
        self._write(held)
        return key

    def issue_to_staff(self, name: str) -> str:
        """Makes a key for a member of staff, in the same way. Raises InputError for what cannot be a name."""
        if _STAFF_NAME.fullmatch(name) is None:
            raise InputError("name", "must be 1 to 31 printable ASCII characters without spaces")
        key, held = new_key(), self._read()
        held[digest(key).hex()] = StaffKey(name)
        self._write(held)
        return key

    def register(self, account: str, public: bytes) -> AccountKey:
        """Makes an Ed25519 key valid for an account, by its public half (see `read_public`).

        Raises InputError if it is registered already, or the account has 4,095 keys.
        """
        assert len(public) == PUBLIC_BYTES
        held, name = self._read(), ED25519 + public.hex()
        if name in held:
            raise InputError("public", "is registered already")
        key = held[name] = AccountKey(account, _free_key_id(account, held))
        self._write(held)
        return key

    def keep_demo_keys(
        self, accounts: Mapping[str, str], staff: Mapping[str, str], public: Mapping[str, bytes] = MappingProxyType({})
    ) -> None:
        """Makes these the demo keys, by the code of their account or the name of their holder; there are no others.

        `public` are the public halves of those that sign.
        """
        given = [(digest(key).hex(), account) for account, key in accounts.items()]
        given += [(ED25519 + half.hex(), account) for account, half in public.items()]
        staff_keys = {digest(key).hex(): StaffKey(name, demo=True) for name, key in staff.items()}
        before = self._read()
        names = {name for name, _ in given} | staff_keys.keys()
        held = {name: holder for name, holder in before.items() if not holder.demo or name in names}
        for name, account in given:
            if name not in held:
                held[name] = AccountKey(account, _free_key_id(account, held), demo=True)
        for name, holder in staff_keys.items():
            held.setdefault(name, holder)
        if held != before:
            self._write(held)

    def _read(self) -> dict[str, HeldKey]:
        """Files of earlier versions have the account's code only: those keys are numbered in their order."""
        try:
            entries: dict[str, str | dict[str, str | int]] = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        held: dict[str, HeldKey] = {}
        for name, entry in entries.items():
            held[name] = _held(entry, held)
        return held

    def _write(self, held: Mapping[str, HeldKey]) -> None:
        write_private(self.path, {name: _entry(holder) for name, holder in held.items()})


def _held(entry: str | dict[str, str | int], before: Mapping[str, HeldKey]) -> HeldKey:
    if isinstance(entry, str):
        return AccountKey(entry, _free_key_id(entry, before))
    demo = bool(entry.get("demo", False))
    if "staff" in entry:
        return StaffKey(str(entry["staff"]), demo)
    return AccountKey(str(entry["account"]), int(entry["key_id"]), demo)


def _entry(holder: HeldKey) -> dict[str, str | int]:
    demo = {"demo": True} if holder.demo else {}
    if isinstance(holder, StaffKey):
        return {"staff": holder.staff, **demo}
    return {"account": holder.account, "key_id": holder.key_id, **demo}


def _free_key_id(account: str, held: Mapping[str, HeldKey]) -> int:
    """The lowest number that no key of the account has."""
    taken = {holder.key_id for holder in held.values() if isinstance(holder, AccountKey) and holder.account == account}
    free = next(number for number in range(1, KEY_ID_MAX + 2) if number not in taken)
    if free > KEY_ID_MAX:
        raise InputError("account", f"has {KEY_ID_MAX:,} keys already")
    return free


def write_private(path: Path, content: Mapping[str, object]) -> None:
    """Writes JSON that only the owner may read: whole or not at all, and durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dict(content), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
