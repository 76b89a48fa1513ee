"""Where roots are noted, so that a venue cannot show another root for the same moment afterwards.

An anchor is told of every root document. `FileAnchor` keeps a log in which every line has the hash of the one before:
who has a copy of a line can tell whether anything before it was changed. `OpenTimestampsAnchor` asks the `ots` program,
which has public calendars put it into the Bitcoin block chain; it needs that program and a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from beurs.errors import BeursError
from beurs.liabilities.tree import LiabilitiesInvalid, digest_of

__all__ = ["Anchor", "AnchorEntry", "AnchorFailed", "FileAnchor", "OpenTimestampsAnchor"]

GENESIS: Final = "0" * 64
_OTS_SECONDS_MAX: Final = 120.0


class AnchorFailed(BeursError):
    """A root could not be anchored. The text says why."""


class Anchor(Protocol):
    """Notes roots."""

    def anchor(self, sequence: int, document: Path) -> None:
        """Notes a root document. Twice is once. Raises AnchorFailed, LiabilitiesInvalid or OSError."""


class AnchorEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A line of the log: its number from 1, what it notes, and the SHA-256 of the line before it."""

    number: int
    sequence: int
    root_document: str
    previous: str


class FileAnchor:
    """The default: an append-only log of roots, a line each, chained by hashes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[AnchorEntry]:
        """All lines, in their order. Raises LiabilitiesInvalid if one of them was changed, left out or cut."""
        return self._read()[0]

    def anchor(self, sequence: int, document: Path) -> None:
        """See :class:`Anchor`."""
        entries, last = self._read()
        digest = digest_of(document.read_bytes())
        if any((entry.sequence, entry.root_document) == (sequence, digest) for entry in entries):
            return
        if any(entry.sequence == sequence for entry in entries):
            raise LiabilitiesInvalid(f"{self.path}: another root of sequence {sequence} is noted already")
        line = _line(AnchorEntry(len(entries) + 1, sequence, digest, last))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _read(self) -> tuple[list[AnchorEntry], str]:
        """The lines, and the hash of the last one."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return [], GENESIS
        entries: list[AnchorEntry] = []
        last = GENESIS
        for number, line in enumerate(content.splitlines(keepends=True), 1):
            try:
                entry: Any = msgspec.json.decode(line, type=AnchorEntry)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                entry = None
            if entry is None or _line(entry) != line or (entry.number, entry.previous) != (number, last):
                raise LiabilitiesInvalid(f"{self.path}: line {number} is not what the line before it leads to")
            entries.append(entry)
            last = digest_of(line)
        return entries, last


def _line(entry: AnchorEntry) -> bytes:
    return json.dumps(msgspec.to_builtins(entry), sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


class OpenTimestampsAnchor:
    """Stamps root documents with the `ots` program of the opentimestamps-client, which writes `root.json.ots` beside
    them."""

    def __init__(self, program: str = "ots") -> None:
        self.program = program

    def anchor(self, sequence: int, document: Path) -> None:
        """See :class:`Anchor`."""
        stamp = document.with_name(f"{document.name}.ots")
        if stamp.exists():
            return
        program = shutil.which(self.program)
        if program is None:
            raise AnchorFailed(
                f"sequence {sequence}: OpenTimestamps needs the program {self.program!r} "
                "(pip install opentimestamps-client), which is not there"
            )
        try:
            done = subprocess.run(  # noqa: S603 -- the operator's own program, the path is ours
                [program, "stamp", str(document)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_OTS_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AnchorFailed(f"sequence {sequence}: {program} took more than {_OTS_SECONDS_MAX:g} s") from None
        if done.returncode != 0 or not stamp.exists():
            said = " ".join(done.stderr.decode(errors="replace").split())[-300:]
            raise AnchorFailed(f"sequence {sequence}: {program} failed: {said or done.returncode}")
