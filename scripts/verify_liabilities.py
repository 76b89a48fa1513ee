#!/usr/bin/env python3
"""Checks a beurs proof of liabilities. One file, Python 3.9 or newer, nothing but its standard library.

    python verify_liabilities.py ROOT.json PROOF.json ...         every proof against the root document
    python verify_liabilities.py --all ROOT.json PROOF.json ...   and that the proofs leave nobody out

If it holds, the account of each proof is in the venue's trees with the totals that are printed. See yourself that it is
your account, that you had those totals, and that all are shown the same root: compare the SHA-256 with the venue's.
Exit codes: 0 it holds, 1 it does not, 2 it cannot be read.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

SUM_MAX = 2**127 - 1
TAG = b"beurs liabilities 1 "
ROOT = {"format": str, "sequence": int, "time": str, "state_digest": str, "journal_hash": str, "assets": list}
ASSET = {"asset": str, "scale": int, "leaves": int, "total": str, "venue": str, "root": str}
PROOF = {"format": str, "root_document": str, "sequence": int, "account": str, "nonce": str, "entries": list}
ENTRY = {"asset": str, "total": str, "leaf": int, "siblings": list}
SIBLING = {"hash": str, "sum": str}


class Refused(Exception):
    """It does not hold, and why."""


def demand(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def code(text: str) -> str:
    demand(re.fullmatch("[A-Za-z0-9._-]+", text), f"{text!r} is not a code")
    return text


def sized(text: str) -> bytes:  # with its length before it: two codes cannot run into one another
    return len(text).to_bytes(4, "big") + text.encode("ascii")


def amount(text: str) -> int:
    demand(re.fullmatch("0|[1-9][0-9]{0,38}", text) and int(text) <= SUM_MAX, f"{text!r} is not from 0 to 2^127 - 1")
    return int(text)


def digest(text: str) -> bytes:
    demand(re.fullmatch("[0-9a-f]{64}", text), f"{text!r} is not 64 hexadecimal digits")
    return bytes.fromhex(text)


def fields(value: Any, keys: dict[str, type]) -> Any:
    kinds = {name: type(one) for name, one in value.items()} if isinstance(value, dict) else {}
    demand(kinds == keys, f"not an object of exactly {sorted(keys)}, or a value has another type")
    return value


def document(data: bytes, form: str, keys: dict[str, type], part: str, part_keys: dict[str, type]) -> Any:
    """A document must be JSON in its canonical form: keys sorted, no space, ASCII; its parts by asset, each once."""
    try:
        value = json.loads(data.decode("ascii"))
        again = json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None
    demand(again == data, "not in canonical form")
    demand(fields(value, keys)["format"] == form, f"not a {form!r} document")
    names = [code(fields(one, part_keys)["asset"]) for one in value[part]]
    demand(names == sorted(set(names)), "the assets are not in order, each once")
    return value


def read_root(data: bytes) -> Any:
    root = document(data, "beurs liabilities 1 root", ROOT, "assets", ASSET)
    digest(root["state_digest"])
    for asset in root["assets"]:
        digest(asset["root"]), amount(asset["venue"])
        least = 1 if amount(asset["total"]) else 0
        demand(asset["leaves"] >= least and 0 <= asset["scale"] <= 18, "leaves or scale is out of range")
    return root


def read_proof(data: bytes, root_data: bytes, root: Any) -> tuple[str, list[tuple[str, int, int]]]:
    """Checks one proof: gives its account and (asset, place, total) of every leaf."""
    proof = document(data, "beurs liabilities 1 proof", PROOF, "entries", ENTRY)
    demand(proof["root_document"] == sha256(root_data).hex(), "the proof is of another root document")
    demand(proof["sequence"] == root["sequence"], "the proof is of another sequence")
    account, nonce, leaves = code(proof["account"]), digest(proof["nonce"]), []
    for entry in proof["entries"]:
        name, place, total, siblings = entry["asset"], entry["leaf"], amount(entry["total"]), entry["siblings"]
        asset = next((asset for asset in root["assets"] if asset["asset"] == name), None)
        demand(asset and 0 <= place < asset["leaves"], f"{name}: the root document has no such asset or leaf")
        demand(len(siblings) == (asset["leaves"] - 1).bit_length(), f"{name}: the way has another length")
        # The leaf has the account's name in it: two customers cannot be shown the same one.
        pseudonym = sha256(TAG, b"pseudonym", nonce, sized(name), sized(account))
        here, below = sha256(TAG, b"leaf", sized(name), pseudonym, nonce, total.to_bytes(16, "big")), total
        for level, sibling in enumerate(siblings):
            beside = (digest(fields(sibling, SIBLING)["hash"]), amount(sibling["sum"]))
            # Both sums are hashed, each by itself: the split between left and right cannot be changed.
            pair = [beside, (here, below)] if place >> level & 1 else [(here, below), beside]
            here = sha256(TAG, b"inner", *(node + owed.to_bytes(16, "big") for node, owed in pair))
            below += beside[1]
            demand(below <= SUM_MAX, f"{name}: a sum is above 2^127 - 1")
        demand(here == digest(asset["root"]) and below == amount(asset["total"]), f"{name}: not in the tree")
        leaves.append((name, place, total))
    return account, leaves


def nobody_missing(root: Any, checked: list[tuple[str, list[tuple[str, int, int]]]]) -> None:
    """Given all proofs: every leaf belongs to one account, none is left over, and the sums are the totals."""
    demand(len({account for account, _ in checked}) == len(checked), "there are two proofs of one account")
    for asset in root["assets"]:
        name = asset["asset"]
        own = [(place, total) for _, leaves in checked for of, place, total in leaves if of == name]
        demand(len({at for at, _ in own}) == len(own) == asset["leaves"], f"{name}: not one account for every leaf")
        demand(sum(total for _, total in own) == amount(asset["total"]), f"{name}: another total")


def main(arguments: list[str]) -> int:
    complete = arguments[:1] == ["--all"]
    paths, checked, where = arguments[complete:], [], ""
    try:
        for where in paths:
            data = Path(where).read_bytes()
            if where is paths[0]:
                root_data, root = data, read_root(data)
                print(f"{where}: sequence {root['sequence']} at {root['time']}, SHA-256 {sha256(data).hex()}")
                continue
            checked.append(read_proof(data, root_data, root))
            owed = ", ".join(f"{total} {name}" for name, _, total in checked[-1][1]) or "nothing"
            print(f"{where}: {checked[-1][0]} {owed}, in smallest units")
        if complete and paths:
            nobody_missing(root, checked)
    except (Refused, OSError) as why:
        print(f"{where}: {'does not hold: ' if isinstance(why, Refused) else ''}{why}", file=sys.stderr)
        return 1 if isinstance(why, Refused) else 2
    print(("holds: nobody is missing" if complete else "holds") if paths else __doc__)
    return 0 if paths else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
