"""Ed25519 keys (RFC 8032): the private half signs at the client, the venue has the public half and nothing else.

A private half lives in a PEM file (PKCS #8) that only its owner may read: `openssl genpkey -algorithm ed25519` makes
the same. A public half comes in as hexadecimal, base64, PEM or a line of OpenSSH. Private halves are never printed: the
type has no text of its own, and no message here has one in it.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)

from beurs.errors import InputError

__all__ = ["PUBLIC_BYTES", "PrivateKey", "new_pair", "public_half", "read_private", "read_public"]

PrivateKey = Ed25519PrivateKey
"""The private half of a key."""
PUBLIC_BYTES: Final = 32
_TEXT_MAX: Final = 4096
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P


def new_pair(path: Path) -> bytes:
    """Makes a key, writes its private half to a new file of mode 0600, and gives its public half.

    Raises InputError if the file is there already: a key that is overwritten is lost.
    """
    private = Ed25519PrivateKey.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise InputError("private key file", f"{path} is there already") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return public_half(private)


def public_half(private: PrivateKey) -> bytes:
    """The public half of a key, 32 bytes."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_private(path: Path | str) -> PrivateKey:
    """The private half in a PEM file.

    Raises InputError for a file that others than its owner can read or write, or that holds no Ed25519 key; OSError.
    """
    with Path(path).open("rb") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError("private key file", f"{path} can be used by others: chmod 600 it")
        content = file.read(_TEXT_MAX)
    try:
        key = load_pem_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What was found stays untold: it is a secret.
        raise InputError("private key file", f"{path} holds no Ed25519 key in PEM without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError("private key file", f"{path} holds a key that is not Ed25519")
    return key


def read_public(text: str) -> bytes:
    """The public half, 32 bytes, that a text says, or that stands in the file of that name.

    Raises InputError for what is no Ed25519 public key, and for the few with which anyone could sign.
    """
    if "\n" not in text and len(text) <= _TEXT_MAX and Path(text).is_file():
        with Path(text).open("rb") as file:
            text = file.read(_TEXT_MAX).decode("ascii", errors="replace")
    public = _decoded(text.strip())
    if public is None:
        raise InputError("public", "must be an Ed25519 public key: 32 bytes in hexadecimal or base64, PEM or OpenSSH")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _P or not _is_on_curve(y):
        raise InputError("public", "is no point of the curve: a digit may be wrong")
    if _is_of_small_order(y):
        raise InputError("public", "is of small order: anyone could sign for it")
    return public


def _decoded(text: str) -> bytes | None:
    try:
        if "PRIVATE KEY" in text:
            return None
        if text.startswith(("-----BEGIN", "ssh-")):
            load = load_pem_public_key if text.startswith("-----BEGIN") else load_ssh_public_key
            key = load(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                return None
            return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        if len(text) == 2 * PUBLIC_BYTES:
            return bytes.fromhex(text)
        public = base64.b64decode(text, validate=True)
        return public if len(public) == PUBLIC_BYTES else None
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None


def _is_on_curve(y: int) -> bool:
    """Whether x² = (y² − 1) / (d·y² + 1) has a solution (RFC 8032, 5.1.3)."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return square == 0 or pow(square, (_P - 1) // 2, _P) == 1


def _is_of_small_order(y: int) -> bool:
    """Whether the point is one of the eight whose order divides 8: those of y = 1, −1, 0 and of order 8.

    Doubling gives y(2P) = (y² + x²) / (2 − y² + x²); a point of order 8 gets to y = 0 by one doubling.
    """
    if y in (0, 1, _P - 1):
        return True
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return (y * y + x_squared) % _P == 0
