"""Proofs of liabilities: against the engine's books, a naive twin, the one-file verifier, and dishonest venues."""

import hashlib
import importlib.util
import json
import random
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from beurs import Exchange, engine
from beurs.errors import JournalError, JournalTrimmed
from beurs.liabilities.anchors import AnchorFailed, FileAnchor, OpenTimestampsAnchor
from beurs.liabilities.archive import ROOT_FILE, Archive, LiabilitiesMissing
from beurs.liabilities.daily import due_after
from beurs.liabilities.documents import canonical, check, check_all, digest_of, read_root
from beurs.liabilities.tree import (
    SUM_MAX,
    LiabilitiesInvalid,
    Node,
    TreeFile,
    inner,
    layers,
    leaf,
    nonce_of,
    pad,
    pseudonym_of,
    write_tree,
)
from tests.conftest import fill_venue
from tests.venues import Venue
from tests.waiting import until

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_liabilities.py"
DAY = 86_400 * 10**9


def _script():
    spec = importlib.util.spec_from_file_location("verify_liabilities", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


one_file = _script()


def script_says(root, *proofs, complete=False):
    """What the one-file verifier makes of it: None, or why it does not hold."""
    try:
        document = one_file.read_root(root)
        checked = [one_file.read_proof(proof, root, document) for proof in proofs]
        if complete:
            one_file.nobody_missing(document, checked)
    except one_file.Refused as why:
        return str(why)
    return None


def package_says(root, *proofs, complete=False):
    """The same of the package."""
    try:
        read_root(root)
        for proof in proofs:
            check(root, proof)
        if complete:
            check_all(root, proofs)
    except LiabilitiesInvalid as why:
        return str(why)
    return None


def holds(root, *proofs, complete=False):
    """Whether it holds; both verifiers must agree."""
    package, script = package_says(root, *proofs, complete=complete), script_says(root, *proofs, complete=complete)
    assert (package is None) == (script is None), (package, script)
    return package is None


@dataclass
class Proved:
    """A venue whose crowd has traded, and what was made of it."""

    directory: Path
    archive: Archive
    folder: Path
    root: bytes
    codes: list[str]
    proofs: dict[str, bytes]


@pytest.fixture(scope="module")
def proved(tmp_path_factory):
    """Six accounts with three assets, after a thousand random commands."""
    directory = tmp_path_factory.mktemp("proved")
    node = engine.Node(str(directory))
    venue = Venue(node, 7)
    venue.open()
    venue.trade(1000)
    venue.run([engine.open_account("penniless", 0)])
    sequence, codes = node.sequence, [row["code"] for row in node.accounts()]
    archive = Archive(directory)
    folder = archive.make(sequence)  # the node runs
    node.close()
    root = (folder / ROOT_FILE).read_bytes()
    return Proved(directory, archive, folder, root, codes, {code: archive.proof(folder, code) for code in codes})


def test_the_totals_are_the_engines(proved):
    root = read_root(proved.root)
    with Exchange(proved.directory) as ex:
        assert (root.sequence, root.state_digest) == (ex.sequence, ex.digest())
        node = ex._node
        venue, *customers = node.accounts()
        assert [asset.asset for asset in root.assets] == ["BTC", "ETH", "USD"]
        for row in node.assets():
            (asset,) = [one for one in root.assets if one.asset == row["code"]]
            own = {
                account["code"]: total
                for account in (venue, *customers)
                for asset_id, total, _ in node.balances(account["account_id"])
                if asset_id == row["asset_id"]
            }
            assert int(asset.venue) == own.pop(venue["code"], 0)
            assert int(asset.total) == sum(own.values())
            assert int(asset.total) + int(asset.venue) == row["issued"]
            assert asset.leaves == len(own) > 2
            shown = {
                code: int(entry["total"])
                for code, proof in proved.proofs.items()
                for entry in json.loads(proof)["entries"]
                if entry["asset"] == row["code"]
            }
            assert shown == own
    assert root.journal_hash == engine.verify(str(proved.directory))["running_hash"]


def test_every_proof_holds_and_together_they_are_complete(proved):
    assert holds(proved.root, *proved.proofs.values(), complete=True)
    assert json.loads(proved.proofs["penniless"])["entries"] == []
    assert holds(proved.root, proved.proofs["penniless"])


def naive_root(asset, leaves, low, high):
    """The root over the places from low up to high, found from the top down."""
    if high - low == 1:
        if low < len(leaves):
            return leaves[low]
        tag = b"beurs liabilities 1 pad" + len(asset).to_bytes(4, "big") + asset.encode() + low.to_bytes(8, "big")
        return hashlib.sha256(tag).digest(), 0
    middle = (low + high) // 2
    left, right = naive_root(asset, leaves, low, middle), naive_root(asset, leaves, middle, high)
    content = b"beurs liabilities 1 inner" + b"".join(half[0] + half[1].to_bytes(16, "big") for half in (left, right))
    return hashlib.sha256(content).digest(), left[1] + right[1]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33])
def test_a_naive_twin_comes_to_the_same_root_and_every_way_leads_there(tmp_path, count):
    chance = random.Random(count)
    named = sorted((chance.randbytes(32), chance.randbytes(32), chance.randrange(10**30)) for _ in range(count))
    leaves = [leaf("BTC", *one) for one in named]
    width = 1
    while width < count:
        width *= 2
    tree = layers("BTC", leaves)
    assert tree[-1] == [naive_root("BTC", leaves, 0, width)]
    path = tmp_path / "0.tree"
    with path.open("wb") as file:
        write_tree(file, [one[0] for one in named], tree)
    with TreeFile(path) as found:
        assert found.find(bytes(32)) is None
        for place, (pseudonym, _, _) in enumerate(named):
            assert found.find(pseudonym) == place
            own, siblings = found.path(place)
            assert own == leaves[place]
            assert siblings == [layer[place >> level ^ 1] for level, layer in enumerate(tree[:-1])]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LiabilitiesInvalid, match="damaged"):
        TreeFile(path)


def test_one_changed_bit_anywhere_is_refused(proved):
    proof = proved.proofs["account-3"]
    assert holds(proved.root, proof)
    for position in range(len(proof)):
        changed = bytearray(proof)
        changed[position] ^= 1 << position % 8
        assert not holds(proved.root, bytes(changed)), position
    for position in range(len(proved.root)):
        changed = bytearray(proved.root)
        changed[position] ^= 1 << position % 8
        assert not holds(bytes(changed), proof), position


@pytest.mark.parametrize("bit", range(8))
def test_every_bit_of_the_way_counts(proved, bit):
    """As above for all bits of one entry, and with the root document's name put right."""
    proof = proved.proofs["account-4"]
    for position in range(proof.index(b'"leaf"'), proof.index(b'"leaf"') + 120):
        changed = bytearray(proof)
        changed[position] ^= 1 << bit
        assert not holds(proved.root, bytes(changed))
    document = json.loads(proved.root)
    document["assets"][0]["total"] = str(int(document["assets"][0]["total"]) + 1)
    root = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    named = json.loads(proof) | {"root_document": digest_of(root)}
    assert not holds(root, json.dumps(named, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"NaN",
        b'{"format":"beurs liabilities 1 root"}',
        b"[" * 100_000,
        b'{"format":"beurs liabilities 1 proof","format":"beurs liabilities 1 proof"}',
    ],
)
def test_what_is_no_document_is_refused(proved, form):
    assert not holds(form)
    assert not holds(proved.root, form)


def changed(data, change):
    """A document with something changed in it, canonical again."""
    document = json.loads(data)
    change(document)
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.update(account="account-3"),
        lambda proof: proof.update(account="\ud800"),
        lambda proof: proof.update(account=""),
        lambda proof: proof.update(sequence=proof["sequence"] - 1),
        lambda proof: proof.update(sequence=True),
        lambda proof: proof.update(more=1),
        lambda proof: proof.pop("nonce"),
        lambda proof: proof.update(nonce=proof["nonce"].upper()),
        lambda proof: proof["entries"].append(proof["entries"][0]),
        lambda proof: proof["entries"].reverse(),
        lambda proof: proof["entries"][0].update(asset="XYZ"),
        lambda proof: proof["entries"][0].update(total="-1"),
        lambda proof: proof["entries"][0].update(total="01"),
        lambda proof: proof["entries"][0].update(total=str(2**127)),
        lambda proof: proof["entries"][0].update(total=1),
        lambda proof: proof["entries"][0].update(total="١"),
        lambda proof: proof["entries"][0].update(leaf=-1),
        lambda proof: proof["entries"][0].update(leaf=10**9),
        lambda proof: proof["entries"][0].update(leaf=proof["entries"][0]["leaf"] ^ 1),
        lambda proof: proof["entries"][0]["siblings"].pop(),
        lambda proof: proof["entries"][0]["siblings"].append({"hash": "0" * 64, "sum": "0"}),
        lambda proof: proof["entries"][0]["siblings"][0].update(sum="-1"),
        lambda proof: proof["entries"][0]["siblings"][0].update(sum=str(2**127 - 1)),
    ],
)
def test_a_proof_that_was_made_up_is_refused(proved, change):
    assert holds(proved.root, changed(proved.proofs["account-5"], lambda proof: None))
    assert not holds(proved.root, changed(proved.proofs["account-5"], change))


# Dishonest venues. Each signs for whatever it likes: the root document is theirs.


def dishonest(totals, *, shown=None, leaves=None, stated=None):
    """A root document over BTC for accounts with totals, and their proofs.

    `shown` says whose leaf an account is shown instead of its own, `leaves` are other leaves than the accounts',
    `stated` another total than the tree's.
    """
    key, order = bytes(32), list(totals)
    nonces = {account: nonce_of(key, 1, account) for account in order}
    pseudonyms = {account: pseudonym_of(nonces[account], "BTC", account) for account in order}
    own = [leaf("BTC", pseudonyms[account], nonces[account], totals[account]) for account in order]
    tree = layers("BTC", leaves(own) if leaves else own)
    (top,) = tree[-1]
    root = {
        "format": "beurs liabilities 1 root",
        "sequence": 1,
        "time": "2025-01-31T09:30:00.000000000Z",
        "state_digest": "0" * 64,
        "journal_hash": "0" * 16,
        "assets": [
            {
                "asset": "BTC",
                "scale": 8,
                "leaves": len(leaves(own) if leaves else own),
                "total": str(top.sum if stated is None else stated),
                "venue": "0",
                "root": top.hash.hex(),
            }
        ],
    }
    data = json.dumps(root, sort_keys=True, separators=(",", ":")).encode()
    proofs = {}
    for account in order:
        place = min(order.index((shown or {}).get(account, account)), root["assets"][0]["leaves"] - 1)
        siblings = [layer[place >> level ^ 1] for level, layer in enumerate(tree[:-1])]
        proof = {
            "format": "beurs liabilities 1 proof",
            "root_document": digest_of(data),
            "sequence": 1,
            "account": account,
            "nonce": nonces[account].hex(),
            "entries": [
                {
                    "asset": "BTC",
                    "total": str(totals[account]),
                    "leaf": place,
                    "siblings": [{"hash": node.hash.hex(), "sum": str(node.sum)} for node in siblings],
                }
            ],
        }
        proofs[account] = json.dumps(proof, sort_keys=True, separators=(",", ":")).encode()
    return data, proofs


def test_an_honest_venue_of_this_kind_holds():
    root, proofs = dishonest({"alice": 5, "bob": 7, "carol": 1})
    assert holds(root, *proofs.values(), complete=True)


def test_an_account_that_is_left_out_cannot_be_shown_a_proof():
    root, proofs = dishonest({"alice": 5, "bob": 7, "carol": 1}, leaves=lambda own: own[:2])
    assert holds(root, proofs["alice"], proofs["bob"], complete=True)  # they cannot know of carol
    assert not holds(root, proofs["carol"])


def test_a_proof_that_is_left_out_is_noticed_by_who_has_all_of_them():
    root, proofs = dishonest({"alice": 5, "bob": 7, "carol": 1})
    assert holds(root, proofs["alice"], proofs["bob"])
    assert not holds(root, proofs["alice"], proofs["bob"], complete=True)
    assert not holds(root, *proofs.values(), proofs["bob"], complete=True)


def test_two_customers_cannot_be_shown_one_leaf():
    root, proofs = dishonest({"alice": 5, "bob": 5}, shown={"bob": "alice"}, leaves=lambda own: own[:1])
    assert holds(root, proofs["alice"])
    assert not holds(root, proofs["bob"])


def test_a_leaf_that_stands_twice_is_noticed_by_who_has_all_proofs():
    root, proofs = dishonest({"alice": 5, "bob": 7}, leaves=lambda own: [own[0], own[1], own[0]])
    assert holds(root, *proofs.values())
    assert not holds(root, *proofs.values(), complete=True)


def test_a_total_that_is_not_the_trees_is_noticed_by_everybody():
    root, proofs = dishonest({"alice": 5, "bob": 7}, stated=5)
    assert not holds(root, proofs["alice"])
    assert not holds(root, proofs["bob"])


def test_a_negative_leaf_is_noticed_by_everybody_below_it():
    """The venue hashes a sum modulo 2^128, so that an account that owes makes the total smaller."""
    bad = Node(hashlib.sha256(b"anything").digest(), 2**128 - 6)
    good = leaf(
        "BTC", pseudonym_of(nonce_of(bytes(32), 1, "alice"), "BTC", "alice"), nonce_of(bytes(32), 1, "alice"), 7
    )
    for node in (good, bad):
        with pytest.raises(LiabilitiesInvalid, match="is not from 0"):
            inner(node, bad)
    content = b"".join(node.hash + node.sum.to_bytes(16, "big") for node in (good, bad))
    top = hashlib.sha256(b"beurs liabilities 1 inner" + content).hexdigest()
    root, proofs = dishonest({"alice": 7, "bob": 0})
    root = changed(root, lambda document: document["assets"][0].update(root=top, total="1"))

    def with_bad(proof):
        proof["root_document"] = digest_of(root)
        proof["entries"][0]["siblings"] = [{"hash": bad.hash.hex(), "sum": str(bad.sum)}]

    proof = changed(proofs["alice"], with_bad)
    assert not holds(root, proof)
    assert "2^127" in package_says(root, proof)
    assert "2^127" in script_says(root, proof)


@pytest.mark.parametrize("total", [-1, SUM_MAX + 1])
def test_no_tree_is_made_over_a_total_that_is_none(total):
    with pytest.raises(LiabilitiesInvalid, match="is not from 0"):
        leaf("BTC", bytes(32), bytes(32), total)


def test_sums_that_overflow_make_no_tree():
    half = Node(bytes(32), SUM_MAX // 2 + 1)
    with pytest.raises(LiabilitiesInvalid):
        inner(half, half)
    assert inner(half, Node(bytes(32), SUM_MAX // 2)).sum == SUM_MAX


def test_the_split_between_two_customers_cannot_be_changed():
    """Maxwell's tree hashed the sum of both only: alice and bob could each be shown a total of their own below it."""
    left, right = Node(b"l" * 32, 5), Node(b"r" * 32, 7)
    assert inner(left, right) != inner(left._replace(sum=7), right._replace(sum=5))
    assert inner(left, right).sum == inner(left._replace(sum=7), right._replace(sum=5)).sum
    assert len({inner(left, right).hash, leaf("BTC", b"l" * 32, b"r" * 32, 12).hash, pad("BTC", 12).hash}) == 3


# The archive.


def test_made_again_it_is_the_same_and_another_key_gives_another_tree(proved, tmp_path):
    before = {path.name: path.read_bytes() for path in proved.folder.iterdir()}
    assert proved.archive.make(read_root(proved.root).sequence) == proved.folder
    assert {path.name: path.read_bytes() for path in proved.folder.iterdir()} == before
    assert sorted(before) == ["0.tree", "1.tree", "2.tree", "key", ROOT_FILE]
    for path in (*proved.folder.glob("*.tree"), proved.folder / "key", proved.archive.path / "audit-key.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = (proved.archive.path / "audit-key.json").read_bytes()
    assert json.loads(key)["key"].encode() not in b"".join([*before.values(), *proved.proofs.values()])
    for name in ("journal", "checkpoint"):
        (tmp_path / name).symlink_to(proved.directory / name)
    other = Archive(tmp_path)
    other.path.mkdir()
    (other.path / "audit-key.json").write_bytes(key)
    folder = other.make(read_root(proved.root).sequence)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (other.path / "audit-key.json").write_text(json.dumps({"key": "11" * 32}))
    with pytest.raises(LiabilitiesInvalid, match="another audit key"):
        other.proof(folder, "account-3")  # with it no leaf would be found, as if nothing were owed
    for content in ("{}", "nonsense", '{"key": "11"}'):
        (other.path / "audit-key.json").write_text(content)
        with pytest.raises(LiabilitiesInvalid, match="not an audit key"):
            other.proof(folder, "account-3")


def test_the_tree_tells_nothing_about_the_order_of_accounts(proved):
    places = [
        [json.loads(proof)["entries"][at]["leaf"] for code, proof in proved.proofs.items() if "account" in code]
        for at in range(3)
    ]
    assert all(sorted(order) == list(range(6)) for order in places)
    key = bytes(32)
    orders = set()
    for sequence in range(20):
        names = [pseudonym_of(nonce_of(key, sequence, f"a{n}"), "BTC", f"a{n}") for n in range(6)]
        orders.add(tuple(sorted(range(6), key=names.__getitem__)))
    assert len(orders) > 10


def test_any_sequence_of_the_past_can_be_proved(tmp_path):
    owed = {}
    with fill_venue(Exchange(tmp_path, checkpoint_interval=5)) as ex:
        for _ in range(10):
            ex.deposit("alice", "USD", "1")
            owed[ex.sequence] = (ex.digest(), ex.balances("alice")[0].total)
    archive = Archive(tmp_path)
    for sequence, (digest, total) in reversed(owed.items()):
        folder = archive.make(sequence)
        root, proof = (folder / ROOT_FILE).read_bytes(), archive.proof(folder, "alice")
        assert holds(root, proof)
        document = json.loads(root)
        (usd,) = [asset for asset in document["assets"] if asset["asset"] == "USD"]
        assert (document["sequence"], document["state_digest"]) == (sequence, digest)
        assert int(usd["total"]) == int(total) * 10**6
        assert (folder.name[:10], folder.name[10:]) == (document["time"][:10], f"-{sequence}")
    assert archive.newest().name.endswith(f"-{max(owed)}")
    assert [entry.sequence for entry in archive.log.entries()] == sorted(owed, reverse=True)
    with pytest.raises(JournalError):
        archive.make(max(owed) + 1)
    with pytest.raises(LiabilitiesMissing, match="of sequence 3"):
        archive.folder(3)


def test_a_checkpoint_that_cannot_be_used_is_passed_over(tmp_path):
    with fill_venue(Exchange(tmp_path, checkpoint_interval=4)) as ex:
        digest, sequence = ex.digest(), ex.sequence
    checkpoints = sorted((tmp_path / "checkpoint").iterdir())
    for path in checkpoints:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        state = engine.balances_at(str(tmp_path), sequence)
        assert (state["sequence"], state["digest"]) == (sequence, digest)
    assert checkpoints


def test_a_trimmed_journal_leads_to_what_is_behind_its_oldest_checkpoint(tmp_path):
    def node():
        return engine.Node(
            str(tmp_path), checkpoint_interval=0, checkpoints_kept=1, journal_retention="drop", segment_bytes=65_536
        )

    one = node()
    venue = Venue(one, 3)
    venue.open()
    for _ in range(4):
        venue.trade(1500)
        one.checkpoint()
    venue.trade(10)
    until(lambda: one.stats()["segments_removed"] > 0)
    digest, sequence = one.digest(), one.sequence
    state = engine.balances_at(str(tmp_path), sequence)
    assert (state["sequence"], state["digest"]) == (sequence, digest)
    with pytest.raises(JournalTrimmed):
        engine.balances_at(str(tmp_path), 3)
    one.close()


def test_what_a_killed_process_left_is_no_proof(tmp_path):
    with fill_venue(Exchange(tmp_path)) as ex:
        sequence = ex.sequence
    archive = Archive(tmp_path)
    assert archive.newest() is None
    folder = archive.make(sequence)
    left = folder.rename(folder.with_name(f".{folder.name}"))
    (left / ROOT_FILE).unlink()
    assert archive.newest() is None
    assert archive.make(sequence) == folder
    assert holds((folder / ROOT_FILE).read_bytes(), archive.proof(folder, "alice"))


def test_a_root_without_anything_owed_holds(tmp_path):
    with Exchange(tmp_path) as ex:
        ex.add_asset("BTC", scale=8)
        sequence = ex.sequence
    archive = Archive(tmp_path)
    folder = archive.make(sequence)
    root = read_root((folder / ROOT_FILE).read_bytes())
    assert [(asset.total, asset.leaves) for asset in root.assets] == [("0", 0)]
    assert holds(canonical(root), archive.proof(folder, "nobody"), complete=True)
    assert not holds(changed(canonical(root), lambda document: document["assets"][0].update(total="5")))


# Anchors.


def test_the_log_of_roots_is_chained(tmp_path):
    log = FileAnchor(tmp_path / "anchors.log")
    assert log.entries() == []
    for sequence in (3, 9, 5):
        document = tmp_path / f"{sequence}.json"
        document.write_text(f"root {sequence}")
        for _ in range(2):
            log.anchor(sequence, document)
    entries = log.entries()
    assert [(entry.number, entry.sequence) for entry in entries] == [(1, 3), (2, 9), (3, 5)]
    content = log.path.read_bytes()
    lines = content.splitlines(keepends=True)
    assert entries[1].previous == hashlib.sha256(lines[0]).hexdigest()
    # The last line has none after it to tell; its hash is what others keep.
    for position in range(len(lines[0] + lines[1])):
        log.path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(LiabilitiesInvalid, match="line"):
            log.entries()
    for less in (lines[1:], [lines[0], lines[2]], [lines[1], lines[0], lines[2]], [content[:-1]]):
        log.path.write_bytes(b"".join(less))
        with pytest.raises(LiabilitiesInvalid, match="line"):
            log.anchor(11, tmp_path / "3.json")
    log.path.write_bytes(content)
    (tmp_path / "9.json").write_text("another root")
    with pytest.raises(LiabilitiesInvalid, match="another root of sequence 9"):
        log.anchor(9, tmp_path / "9.json")
    assert log.path.read_bytes() == content


def test_opentimestamps_needs_its_program(tmp_path):
    document = tmp_path / "root.json"
    document.write_text("root")
    with pytest.raises(AnchorFailed, match="opentimestamps-client"):
        OpenTimestampsAnchor(str(tmp_path / "ots")).anchor(1, document)
    program = tmp_path / "ots"
    program.write_text('#!/bin/sh\n[ "$1" = stamp ] && sha256sum "$2" > "$2.ots"\n')
    program.chmod(0o755)
    OpenTimestampsAnchor(str(program)).anchor(1, document)
    assert digest_of(b"root") in (tmp_path / "root.json.ots").read_text()
    program.write_text("#!/bin/sh\nexit 9\n")
    OpenTimestampsAnchor(str(program)).anchor(1, document)  # it is stamped already
    (tmp_path / "root.json.ots").unlink()
    program.write_text("#!/bin/sh\necho no calendar answers >&2\nexit 9\n")
    with pytest.raises(AnchorFailed, match="no calendar answers"):
        OpenTimestampsAnchor(str(program)).anchor(1, document)


def test_a_root_that_could_not_be_anchored_is_anchored_the_next_time(tmp_path):
    with fill_venue(Exchange(tmp_path / "data")) as ex:
        sequence = ex.sequence
    program = tmp_path / "ots"
    archive = Archive(tmp_path / "data", [OpenTimestampsAnchor(str(program))])
    with pytest.raises(AnchorFailed):
        archive.make(sequence)
    assert archive.newest() is not None
    program.write_text('#!/bin/sh\n: > "$2.ots"\n')
    program.chmod(0o755)
    folder = archive.make(sequence)
    assert (folder / f"{ROOT_FILE}.ots").exists()
    assert len(archive.log.entries()) == 1


def test_when_it_is_due():
    five = 5 * 60 * 10**9
    assert due_after(0, five) == five
    assert due_after(five - 1, five) == five
    assert due_after(five, five) == DAY + five
    assert due_after(20_000 * DAY + five + 1, five) == 20_001 * DAY + five
    assert due_after(DAY, 0) == 2 * DAY


def test_the_one_file_verifier_is_short_and_needs_nothing():
    text = SCRIPT.read_text()
    assert text.count("\n") < 150
    imported = {line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names
