"""Merkle-sum trees, one for each asset.

    leaf   SHA-256(LEAF  | asset | pseudonym | nonce | sum)
    inner  SHA-256(INNER | left hash | left sum | right hash | right sum)
    pad    SHA-256(PAD   | asset | place)                              with the sum 0

A node is its hash and its sum, and an inner hash has both sums in it, each by itself: with only the sum of the two a
venue could show every customer another split of it. Leaves, inner nodes and pads begin with different words, so that
none can be taken for another. Every part is of fixed length or has its length before it.

Invariant: sums are from 0 to 2^127 − 1 in every node, and an inner node's sum is that of both below it.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from beurs.errors import BeursError

__all__ = [
    "HASH_BYTES",
    "SUM_MAX",
    "LiabilitiesInvalid",
    "Node",
    "TreeFile",
    "depth_of",
    "digest_of",
    "inner",
    "layers",
    "leaf",
    "nonce_of",
    "pad",
    "pseudonym_of",
    "root_of",
    "write_tree",
]

HASH_BYTES: Final = 32
SUM_MAX: Final = 2**127 - 1
_SUM_BYTES: Final = 16
_NODE_BYTES: Final = HASH_BYTES + _SUM_BYTES
_COUNT_BYTES: Final = 8
_LEAF: Final = b"beurs liabilities 1 leaf"
_INNER: Final = b"beurs liabilities 1 inner"
_PAD: Final = b"beurs liabilities 1 pad"
_NONCE: Final = b"beurs liabilities 1 nonce"
_PSEUDONYM: Final = b"beurs liabilities 1 pseudonym"


class LiabilitiesInvalid(BeursError):
    """A document, a proof, a log or balances that cannot be what they say. The text says what is wrong."""


class Node(NamedTuple):
    """A node of a tree: its hash, and what is owed below it in the asset's smallest unit."""

    hash: bytes
    sum: int


def digest_of(data: bytes) -> str:
    """The SHA-256 of a document or a line, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _part(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _sum(value: int) -> bytes:
    if not 0 <= value <= SUM_MAX:
        raise LiabilitiesInvalid(f"a sum of {value} is not from 0 to 2^127 − 1")
    return value.to_bytes(_SUM_BYTES, "big")


def nonce_of(audit_key: bytes, sequence: int, account: str) -> bytes:
    """What makes an account's leaves impossible to guess: 32 bytes, others for every sequence."""
    return hmac.digest(audit_key, _NONCE + sequence.to_bytes(8, "big") + _part(account.encode()), "sha256")


def pseudonym_of(nonce: bytes, asset: str, account: str) -> bytes:
    """What stands for an account in an asset's tree, 32 bytes. Its owner can tell that it is theirs and nobody else's:
    two customers cannot be shown one leaf."""
    return hashlib.sha256(_PSEUDONYM + nonce + _part(asset.encode()) + _part(account.encode())).digest()


def leaf(asset: str, pseudonym: bytes, nonce: bytes, total: int) -> Node:
    """The leaf of an account. Raises LiabilitiesInvalid for a total below 0 or above 2^127 − 1."""
    content = _LEAF + _part(asset.encode()) + pseudonym + nonce + _sum(total)
    return Node(hashlib.sha256(content).digest(), total)


def pad(asset: str, place: int) -> Node:
    """What fills a tree up to a power of two: it owes nothing."""
    return Node(hashlib.sha256(_PAD + _part(asset.encode()) + place.to_bytes(8, "big")).digest(), 0)


def inner(left: Node, right: Node) -> Node:
    """The node above two. Raises LiabilitiesInvalid if a sum is out of range."""
    content = _INNER + left.hash + _sum(left.sum) + right.hash + _sum(right.sum)
    total = left.sum + right.sum
    _sum(total)
    return Node(hashlib.sha256(content).digest(), total)


def depth_of(leaves: int) -> int:
    """How many layers there are above the leaves of a tree with so many of them, before padding."""
    return max(leaves - 1, 0).bit_length()


def layers(asset: str, leaves: Iterable[Node]) -> list[list[Node]]:
    """A whole tree: the leaves with their padding first, the root alone last."""
    layer = list(leaves)
    layer += [pad(asset, place) for place in range(len(layer), 1 << depth_of(len(layer)))]
    tree = [layer]
    while len(layer) > 1:
        layer = [inner(layer[place], layer[place + 1]) for place in range(0, len(layer), 2)]
        tree.append(layer)
    return tree


def root_of(node: Node, place: int, siblings: Sequence[Node]) -> Node:
    """The root above a leaf at `place`, counted from 0, and its siblings from the leaf up."""
    for level, sibling in enumerate(siblings):
        node = inner(sibling, node) if place >> level & 1 else inner(node, sibling)
    return node


# The file of a tree: the number of leaves, the pseudonyms in their order, all nodes layer by layer from the leaves up.
# So a proof is found with a few reads, whatever the number of accounts.


def write_tree(file: BinaryIO, pseudonyms: Sequence[bytes], tree: Sequence[Sequence[Node]]) -> None:
    """Writes the file of a tree. The pseudonyms, one for each leaf but the padding, are sorted."""
    file.write(len(pseudonyms).to_bytes(_COUNT_BYTES, "big"))
    file.writelines(pseudonyms)
    for layer in tree:
        file.writelines(node.hash + _sum(node.sum) for node in layer)


class TreeFile:
    """Reads the file of a tree.

    Raises OSError if it cannot be read and LiabilitiesInvalid if it has another length than its tree needs.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.leaves = int.from_bytes(self._file.read(_COUNT_BYTES), "big")
        nodes = (2 << depth_of(self.leaves)) - 1
        self._nodes_at = _COUNT_BYTES + HASH_BYTES * self.leaves
        if path.stat().st_size != self._nodes_at + _NODE_BYTES * nodes:
            self.close()
            raise LiabilitiesInvalid(f"{path}: the file is damaged")
        self._pseudonyms = _Pseudonyms(self._file, self.leaves)

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def __enter__(self) -> TreeFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(self, pseudonym: bytes) -> int | None:
        """The place of a leaf, counted from 0; None if the tree has no such leaf."""
        place = bisect_left(self._pseudonyms, pseudonym)
        return place if place < self.leaves and self._pseudonyms[place] == pseudonym else None

    def path(self, place: int) -> tuple[Node, list[Node]]:
        """The leaf at a place, and its siblings from there up."""
        return self._node(0, place), list(self._siblings(place))

    def _siblings(self, place: int) -> Iterator[Node]:
        for level in range(depth_of(self.leaves)):
            yield self._node(level, place >> level ^ 1)

    def _node(self, level: int, place: int) -> Node:
        width = 1 << depth_of(self.leaves)
        before = 2 * width - (2 * width >> level)  # nodes in the layers below
        self._file.seek(self._nodes_at + _NODE_BYTES * (before + place))
        data = self._file.read(_NODE_BYTES)
        return Node(data[:HASH_BYTES], int.from_bytes(data[HASH_BYTES:], "big"))


class _Pseudonyms(Sequence[bytes]):
    """The pseudonyms in a file, as bisect wants them."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self._file, self._count = file, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> bytes:  # type: ignore[override] # no slices are needed
        self._file.seek(_COUNT_BYTES + HASH_BYTES * place)
        return self._file.read(HASH_BYTES)
