"""The root document and the proofs: JSON in one canonical form, so that a document has one hash.

Canonical: ASCII, keys sorted, no space, no line end; integers that may be long are strings of digits. A proof names the
root document by its SHA-256, so that nothing in either can be changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from beurs.liabilities.tree import SUM_MAX, LiabilitiesInvalid, Node, depth_of, digest_of, leaf, pseudonym_of, root_of

__all__ = [
    "PROOF_FORMAT",
    "ROOT_FORMAT",
    "LiabilityEntry",
    "LiabilityProof",
    "LiabilityRoot",
    "LiabilitySibling",
    "LiabilityTotal",
    "canonical",
    "check",
    "check_all",
    "read_proof",
    "read_root",
]

ROOT_FORMAT: Final = "beurs liabilities 1 root"
PROOF_FORMAT: Final = "beurs liabilities 1 proof"
_CODE: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


class LiabilityTotal(Struct, frozen=True, forbid_unknown_fields=True):
    """An asset in a root document. Sums are in its smallest unit.

    `total` is owed to customers, `venue` is the venue's own and in no tree; together they are all of the asset that was
    ever brought in and not taken out. `leaves` is how many accounts have any, `root` the hash of their tree.
    """

    asset: str
    scale: int
    leaves: int
    total: str
    venue: str
    root: str


class LiabilityRoot(Struct, frozen=True, forbid_unknown_fields=True):
    """What the venue owes after one command: public. `time` is when that was; the digests are of the state after it and
    of the journal up to it."""

    format: str
    sequence: int
    time: str
    state_digest: str
    journal_hash: str
    assets: list[LiabilityTotal]


class LiabilitySibling(Struct, frozen=True, forbid_unknown_fields=True):
    """A node beside the way from a leaf to the root."""

    hash: str
    sum: str


class LiabilityEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """What an account has of an asset, in its smallest unit, and the way to the root: `leaf` is its place from 0."""

    asset: str
    total: str
    leaf: int
    siblings: list[LiabilitySibling]


class LiabilityProof(Struct, frozen=True, forbid_unknown_fields=True):
    """That an account is in the trees of a root document, which `root_document` names by its SHA-256. For its owner
    only: who knows `nonce` can see the account's totals in that tree."""

    format: str
    root_document: str
    sequence: int
    account: str
    nonce: str
    entries: list[LiabilityEntry]


def canonical(document: LiabilityRoot | LiabilityProof) -> bytes:
    """A document's one form."""
    return json.dumps(msgspec.to_builtins(document), sort_keys=True, separators=(",", ":")).encode("ascii")


def read_root(data: bytes) -> LiabilityRoot:
    """A root document. Raises LiabilitiesInvalid unless it is one, in its canonical form."""
    root: LiabilityRoot = _read(data, LiabilityRoot, ROOT_FORMAT)
    codes = [_code(asset.asset) for asset in root.assets]
    if codes != sorted(set(codes)):
        raise LiabilitiesInvalid("the assets are not in order, each once")
    _hash(root.state_digest)
    for asset in root.assets:
        if asset.leaves < 0 or not 0 <= asset.scale <= 18:
            raise LiabilitiesInvalid(f"{asset.asset}: leaves or scale is out of range")
        _hash(asset.root)
        _number(asset.total)
        _number(asset.venue)
        if asset.leaves == 0 and asset.total != "0":
            raise LiabilitiesInvalid(f"{asset.asset}: a total without accounts")
    return root


def read_proof(data: bytes) -> LiabilityProof:
    """A proof. Raises LiabilitiesInvalid unless it is one, in its canonical form."""
    proof: LiabilityProof = _read(data, LiabilityProof, PROOF_FORMAT)
    codes = [_code(entry.asset) for entry in proof.entries]
    if codes != sorted(set(codes)):
        raise LiabilitiesInvalid("the entries are not in the order of their assets, each once")
    _code(proof.account)
    return proof


def check(root_data: bytes, proof_data: bytes) -> LiabilityProof:
    """Checks one proof against a root document. Gives the proof; raises LiabilitiesInvalid."""
    root, proof = read_root(root_data), read_proof(proof_data)
    if proof.root_document != digest_of(root_data):
        raise LiabilitiesInvalid("the proof is of another root document")
    if proof.sequence != root.sequence:
        raise LiabilitiesInvalid("the proof is of another sequence")
    assets = {asset.asset: asset for asset in root.assets}
    nonce = _hash(proof.nonce)
    for entry in proof.entries:
        asset = assets.get(entry.asset)
        if asset is None:
            raise LiabilitiesInvalid(f"{entry.asset}: the root document has no such asset")
        if not 0 <= entry.leaf < asset.leaves or len(entry.siblings) != depth_of(asset.leaves):
            raise LiabilitiesInvalid(f"{entry.asset}: the proof does not fit the number of leaves")
        own = leaf(entry.asset, pseudonym_of(nonce, entry.asset, proof.account), nonce, _number(entry.total))
        siblings = [Node(_hash(sibling.hash), _number(sibling.sum)) for sibling in entry.siblings]
        if root_of(own, entry.leaf, siblings) != (_hash(asset.root), _number(asset.total)):
            raise LiabilitiesInvalid(f"{entry.asset}: the way does not lead to the root and its total")
    return proof


def check_all(root_data: bytes, proofs: Iterable[bytes]) -> int:
    """Checks all proofs of a root document: each by itself, every leaf once and none left out, and the totals.

    Gives how many there were; raises LiabilitiesInvalid.
    """
    root, accounts = read_root(root_data), set[str]()
    places: dict[str, set[int]] = {asset.asset: set() for asset in root.assets}
    sums = dict.fromkeys(places, 0)
    for data in proofs:
        proof = check(root_data, data)
        if proof.account in accounts:
            raise LiabilitiesInvalid(f"{proof.account}: there are two proofs of one account")
        accounts.add(proof.account)
        for entry in proof.entries:
            if entry.leaf in places[entry.asset]:
                raise LiabilitiesInvalid(f"{entry.asset}: two accounts are shown one leaf")
            places[entry.asset].add(entry.leaf)
            sums[entry.asset] += _number(entry.total)
    for asset in root.assets:
        if len(places[asset.asset]) != asset.leaves:
            missing = asset.leaves - len(places[asset.asset])
            raise LiabilitiesInvalid(f"{asset.asset}: the proofs leave out {missing} of {asset.leaves} leaves")
        if sums[asset.asset] != _number(asset.total):
            raise LiabilitiesInvalid(f"{asset.asset}: the proofs' sum is {sums[asset.asset]}, not {asset.total}")
    return len(accounts)


def _read(data: bytes, kind: type, name: str) -> Any:
    try:
        document: Any = msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LiabilitiesInvalid(f"not a {name!r} document: {error}") from None
    if document.format != name or canonical(document) != data:
        raise LiabilitiesInvalid(f"not a {name!r} document in its canonical form")
    return document


def _code(text: str) -> str:
    if _CODE.fullmatch(text) is None:
        raise LiabilitiesInvalid(f"{text[:50]!r} is not a code")
    return text


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or (text[0] == "0" and text != "0") or len(text) > 39:
        raise LiabilitiesInvalid(f"{text[:50]!r} is not a number from 0 without needless zeros")
    number = int(text)
    if number > SUM_MAX:
        raise LiabilitiesInvalid(f"{text} is above 2^127 − 1")
    return number


def _hash(text: str) -> bytes:
    if len(text) != 64 or any(digit not in "0123456789abcdef" for digit in text):
        raise LiabilitiesInvalid(f"{text[:70]!r} is not 64 hexadecimal digits")
    return bytes.fromhex(text)
