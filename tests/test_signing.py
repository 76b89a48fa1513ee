"""Ed25519 keys: how they come in, what is refused, and that private halves stay where they are."""

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from beurs.errors import InputError
from beurs.keys import AccountKey, KeyFile, KeyRing, Trader, digest
from beurs.signing import new_pair, public_half, read_private, read_public

# RFC 8032, 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SSH = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
# RFC 7748 and others list the points whose order divides 8.
SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


@pytest.mark.parametrize("text", [PUBLIC.hex(), PUBLIC.hex().upper(), base64.b64encode(PUBLIC).decode(), PEM, SSH])
def test_a_public_half_is_read_from_text_and_from_a_file(tmp_path: Path, text: str) -> None:
    assert read_public(text) == PUBLIC
    (tmp_path / "public").write_text(f"{text}\n")
    assert read_public(str(tmp_path / "public")) == PUBLIC


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be an Ed25519 public key"),
        (PUBLIC.hex()[:-1], "must be an Ed25519 public key"),
        (PUBLIC.hex()[:-1] + "g", "must be an Ed25519 public key"),
        (base64.b64encode(PUBLIC[:-1]).decode(), "must be an Ed25519 public key"),
        ("ssh-rsa AAAA", "must be an Ed25519 public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "must be an Ed25519 public key"),
        ((2**255 - 20 + 1).to_bytes(32, "little").hex(), "is no point"),
        ((2).to_bytes(32, "little").hex(), "is no point"),
        *((text, "is of small order") for text in SMALL),
    ],
)
def test_what_is_no_public_half_is_refused(text: str, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as refused:
        read_public(text)
    assert refused.value.field == "public"


def test_every_key_that_is_made_is_a_good_point() -> None:
    for number in range(50):
        public = public_half(Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big")))
        assert read_public(public.hex()) == public


def test_a_private_half_is_its_owners_and_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    mask = os.umask(0)
    try:
        public = new_pair(path)
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600
    private = read_private(path)
    assert public_half(private) == public
    with pytest.raises(InputError, match="is there already"):
        new_pair(path)
    assert read_private(path).private_bytes_raw() == private.private_bytes_raw()
    path.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        read_private(path)
    # A private half given for a public one is refused without being repeated.
    content = path.read_text()
    with pytest.raises(InputError) as refused:
        read_public(content)
    assert content.splitlines()[1] not in str(refused.value)


@pytest.mark.parametrize("kind", ["nonsense", "another curve", "a password"])
def test_what_is_no_private_half_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.pem"
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(b"BEGIN nonsense 12345" if kind == "nonsense" else other)
    if kind == "a password":
        path.write_text(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3\n-----END ENCRYPTED PRIVATE KEY-----\n"
        )
    path.chmod(0o600)
    with pytest.raises(InputError, match="Ed25519") as refused:
        read_private(path)
    assert "12345" not in str(refused.value)


def test_keys_that_sign_are_kept_beside_the_others(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    shown = file.issue("alice")
    assert file.register("alice", PUBLIC) == AccountKey("alice", 2)
    with pytest.raises(InputError, match="registered already"):
        file.register("bob", PUBLIC)
    assert file.issue("alice") not in file.path.read_text()
    assert file.public_halves() == {PUBLIC: AccountKey("alice", 2)}
    assert file.read()[digest(shown)] == AccountKey("alice", 1)
    assert [holder.key_id for holder in file.read().values() if isinstance(holder, AccountKey)] == [1, 3]
    # What is public cannot be shown instead of a signature.
    ring = KeyRing()
    for at, holder in file.read().items():
        assert isinstance(holder, AccountKey)
        ring.add(at, Trader(7, holder.account))
    ring.signers[PUBLIC] = Trader(7, "alice", 2)
    assert ring.trader(shown.encode()) == Trader(7, "alice")
    for presented in (PUBLIC, PUBLIC.hex().encode(), b"ed25519:" + PUBLIC.hex().encode()):
        assert ring.trader(presented) is None


def test_demo_keys_that_sign_come_and_go_together(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    other = public_half(Ed25519PrivateKey.generate())
    file.register("alice", other)
    for half in (PUBLIC, PUBLIC, public_half(Ed25519PrivateKey.generate())):
        file.keep_demo_keys({"alice": "shown"}, {}, {"alice": half})
        assert file.public_halves() == {other: AccountKey("alice", 1), half: AccountKey("alice", 3, demo=True)}
