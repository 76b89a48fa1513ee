"""The proofs of a data directory.

    liabilities/audit-key.json          the secret from which the nonces come; for the owner only
    liabilities/anchors.log             the roots that were made, chained
    liabilities/DATE-SEQUENCE/
        root.json                       the root document, public
        0.tree, 1.tree, ...             the trees, in the order of its assets; for the owner only
        key                             a hash of the audit key with which they were made; for the owner only

What is made depends on the journal, the sequence and the audit key and on nothing else: made again it is the same, byte
for byte. A folder is there whole or not at all.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from beurs import engine
from beurs.errors import BeursError
from beurs.keys import write_private
from beurs.liabilities.anchors import Anchor, FileAnchor
from beurs.liabilities.documents import (
    PROOF_FORMAT,
    ROOT_FORMAT,
    LiabilityEntry,
    LiabilityProof,
    LiabilityRoot,
    LiabilitySibling,
    LiabilityTotal,
    canonical,
    read_root,
)
from beurs.liabilities.tree import (
    LiabilitiesInvalid,
    Node,
    TreeFile,
    digest_of,
    layers,
    leaf,
    nonce_of,
    pseudonym_of,
    write_tree,
)
from beurs.rows import AssetRow, BalancesRow
from beurs.timestamps import timestamp

__all__ = ["ANCHOR_LOG", "ROOT_FILE", "Archive", "LiabilitiesMissing"]

FOLDER: Final = "liabilities"
ROOT_FILE: Final = "root.json"
ANCHOR_LOG: Final = "anchors.log"
_KEY_FILE: Final = "audit-key.json"
_KEY_BYTES: Final = 32
_KEY_CHECK: Final = "key"


class LiabilitiesMissing(BeursError):
    """There is no proof of liabilities, or none of that sequence."""


class Archive:
    """Makes and finds the proofs of a data directory. `anchors` are told of every new root, beside the log."""

    def __init__(self, data_directory: Path, anchors: Sequence[Anchor] = ()) -> None:
        self._data_directory = data_directory
        self.path = data_directory / FOLDER
        self.log = FileAnchor(self.path / ANCHOR_LOG)
        self._anchors = (self.log, *anchors)

    def make(self, sequence: int) -> Path:
        """Makes the trees of the state after the command `sequence`, which must be durable, and gives their folder.

        Reads the journal on the side: a server may run meanwhile and is not held up. If they are there already they
        stay, and what could not be anchored is anchored.

        Raises JournalError; LiabilitiesInvalid for balances that are none; what the anchors raise.
        """
        state = engine.balances_at(str(self._data_directory), sequence)
        with self._locked():
            folder = self.path / f"{timestamp(state['event_time_ns'])[:10]}-{state['sequence']}"
            if not folder.exists():
                self._write(folder, state)
            for anchor in self._anchors:
                anchor.anchor(sequence, folder / ROOT_FILE)
        return folder

    def newest(self) -> Path | None:
        """The folder with the highest sequence; None if there is none."""
        try:
            folders = [path for path in self.path.iterdir() if path.is_dir() and not path.name.startswith(".")]
        except FileNotFoundError:
            return None
        return max(folders, key=_sequence_of, default=None)

    def folder(self, sequence: int | None = None) -> Path:
        """The folder of a sequence, or the newest one. Raises LiabilitiesMissing."""
        if sequence is None:
            found = self.newest()
        else:
            found = next((path for path in self.path.glob(f"*-{sequence}") if path.is_dir()), None)
        if found is None:
            raise LiabilitiesMissing(
                "there is no proof of liabilities" + ("" if sequence is None else f" of sequence {sequence}")
            )
        return found

    def proof(self, folder: Path, account: str) -> bytes:
        """The proof of an account, as its canonical bytes. An account that owns nothing has one without entries.

        Raises OSError, and LiabilitiesInvalid if files are damaged or the audit key is another one.
        """
        root_data = (folder / ROOT_FILE).read_bytes()
        root = read_root(root_data)
        key = self._key()
        # With another key no leaf would be found, and the proof would say that nothing is owed.
        if (folder / _KEY_CHECK).read_bytes() != _key_check(key):
            raise LiabilitiesInvalid(f"{folder}: was made with another audit key than {self.path / _KEY_FILE}")
        nonce = nonce_of(key, root.sequence, account)
        entries = []
        for number, asset in enumerate(root.assets):
            with TreeFile(folder / f"{number}.tree") as tree:
                place = tree.find(pseudonym_of(nonce, asset.asset, account))
                if place is None:
                    continue
                own, siblings = tree.path(place)
            way = [LiabilitySibling(node.hash.hex(), str(node.sum)) for node in siblings]
            entries.append(LiabilityEntry(asset.asset, str(own.sum), place, way))
        return canonical(
            LiabilityProof(PROOF_FORMAT, digest_of(root_data), root.sequence, account, nonce.hex(), entries)
        )

    def _write(self, folder: Path, state: BalancesRow) -> None:
        aside = self.path / f".{folder.name}"
        shutil.rmtree(aside, ignore_errors=True)  # what a killed process left
        aside.mkdir(mode=0o755)
        key = self._key(make=True)
        with _private(aside / _KEY_CHECK) as file:
            file.write(_key_check(key))
        totals = []
        for number, asset in enumerate(sorted(state["assets"], key=lambda row: row["code"])):
            venue, leaves = _leaves(state, asset, key)
            tree = layers(asset["code"], [node for _, node in leaves])
            with _private(aside / f"{number}.tree") as file:
                write_tree(file, [pseudonym for pseudonym, _ in leaves], tree)
                file.flush()
                os.fsync(file.fileno())
            (top,) = tree[-1]
            if top.sum + venue != asset["issued"]:
                raise LiabilitiesInvalid(f"{asset['code']}: the balances' sum is not what was issued")
            totals.append(
                LiabilityTotal(asset["code"], asset["scale"], len(leaves), str(top.sum), str(venue), top.hash.hex())
            )
        root = LiabilityRoot(
            ROOT_FORMAT,
            state["sequence"],
            timestamp(state["event_time_ns"]),
            state["digest"],
            state["running_hash"],
            totals,
        )
        with (aside / ROOT_FILE).open("wb") as file:
            file.write(canonical(root))
            file.flush()
            os.fsync(file.fileno())
        _sync(aside)
        aside.rename(folder)
        _sync(self.path)

    def _key(self, make: bool = False) -> bytes:
        path = self.path / _KEY_FILE
        try:
            key = bytes.fromhex(json.loads(path.read_text(encoding="ascii"))["key"])
        except FileNotFoundError:
            if not make:
                raise
            key = secrets.token_bytes(_KEY_BYTES)
            write_private(path, {"key": key.hex()})
        except (ValueError, KeyError, TypeError):
            raise LiabilitiesInvalid(f"{path}: not an audit key") from None
        if len(key) != _KEY_BYTES:
            raise LiabilitiesInvalid(f"{path}: not an audit key")
        return key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time makes proofs."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _leaves(state: BalancesRow, asset: AssetRow, key: bytes) -> tuple[int, list[tuple[bytes, Node]]]:
    """What the venue has of an asset itself, and every customer's pseudonym and leaf, by pseudonym."""
    venue, leaves = 0, []
    for account, is_venue, asset_id, total in state["balances"]:
        if asset_id != asset["asset_id"]:
            continue
        if is_venue:
            venue = total
            continue
        nonce = nonce_of(key, state["sequence"], account)
        pseudonym = pseudonym_of(nonce, asset["code"], account)
        leaves.append((pseudonym, leaf(asset["code"], pseudonym, nonce, total)))
    leaves.sort()
    return venue, leaves


def _key_check(key: bytes) -> bytes:
    return hmac.digest(key, b"beurs liabilities 1 key", "sha256")


def _sequence_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _private(path: Path) -> BinaryIO:
    """A new file for the owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
