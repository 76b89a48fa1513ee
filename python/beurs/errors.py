"""Every error the package raises, in one tree.

    Exception
    └── BeursError
        ├── InputError (ValueError)       a value that cannot be meant; nothing was sent to the engine
        │   ├── DecimalError              a decimal that is not one, or that does not fit its step
        │   └── CommandInvalid            encoded commands that cannot be read
        ├── NotFound (LookupError)        a name or an id that nothing has
        ├── Rejected                      the engine refused a command; it changed nothing
        │   └── OrderRejected             ... to enter, cancel or replace an order
        ├── QueueFull                     more commands are waiting than are allowed; try again
        ├── Lagged                        events that far back are no longer held in memory
        ├── NodeStopped                   the node was closed, or stopped because its disk failed
        ├── JournalError                  the journal cannot be used
        │   ├── JournalLocked             another process has it open
        │   ├── JournalDamaged            it is damaged before its end; the file and the offset are named
        │   ├── JournalTrimmed            what was asked for was archived or dropped
        │   └── JournalFailed             the disk refused a write or a sync
        ├── ServerError                   an answer of a running server that says no
        └── ClientError                   `beurs.client`: the binary door, or the way to it
            ├── ConnectionLost            there is no connection any more; what was not answered may have happened
            ├── SessionRefused            the venue does not let the client in, or has thrown it out, for good
            ├── RequestRefused            a request did not become a command; nothing happened
            │   └── Throttled             ... because it came too fast
            └── ProtocolError             a message is none of the protocol's

The compiled module raises these classes too. What is not in the tree (TypeError, MemoryError, ...) is a mistake in the
calling program or of the machine.
"""

from __future__ import annotations

__all__ = [
    "BeursError",
    "ClientError",
    "CommandInvalid",
    "ConnectionLost",
    "DecimalError",
    "InputError",
    "JournalDamaged",
    "JournalError",
    "JournalFailed",
    "JournalLocked",
    "JournalTrimmed",
    "Lagged",
    "NodeStopped",
    "NotFound",
    "OrderRejected",
    "ProtocolError",
    "QueueFull",
    "Rejected",
    "RequestRefused",
    "ServerError",
    "SessionRefused",
    "Throttled",
]


class BeursError(Exception):
    """The root of the tree."""


class InputError(BeursError, ValueError):
    """A value that cannot be meant. Nothing was sent to the engine.

    Attributes:
        field: The name of the argument, or "".
        rule: What was broken, as a sentence.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}" if self.field else self.rule


class DecimalError(InputError):
    """A decimal text that breaks the grammar, is no whole number of steps, or is too large.

    Attributes:
        code: `invalid_decimal`, `not_a_multiple`, `too_large` or `invalid_step`.
    """

    def __init__(self, field: str, rule: str, code: str = "invalid_decimal") -> None:
        super().__init__(field, rule)
        self.code = code


class CommandInvalid(InputError):
    """Bytes or records that are not commands. None of them was executed.

    Attributes:
        index: Which of the commands, from 0.
    """

    def __init__(self, field: str, rule: str, index: int = 0) -> None:
        super().__init__(field, rule)
        self.index = index

    def __str__(self) -> str:
        return f"command {self.index}: {super().__str__()}"


class NotFound(BeursError, LookupError):
    """Nothing has that name or id.

    Attributes:
        field: What was looked for: `account`, `symbol`, `asset`, `order`.
        name: What was given, as text.
    """

    def __init__(self, field: str, name: object) -> None:
        super().__init__(field, name)
        self.field = field
        self.name = str(name)[:64]

    def __str__(self) -> str:
        return f"unknown {self.field} {self.name!r}"


class Rejected(BeursError):
    """The engine refused a command. It changed nothing but the sequence number.

    Attributes:
        code: The stable text code, such as `insufficient_funds`.
        reason: The stable number, such as 403. The lowest that applies is given.
        rule: The rule that was broken, as a sentence.
        sequence: The sequence number of the refused command.
    """

    def __init__(self, code: str, reason: int, rule: str, sequence: int = 0) -> None:
        super().__init__(code, reason, rule, sequence)
        self.code = code
        self.reason = reason
        self.rule = rule
        self.sequence = sequence

    def __str__(self) -> str:
        return f"{self.code} ({self.reason}): {self.rule}"


class OrderRejected(Rejected):
    """The engine refused to enter, cancel or replace an order (FIX OrdRejReason 103, CxlRejReason 102)."""


class QueueFull(BeursError):
    """More commands are waiting for the sequencer than are allowed. Nothing was taken; try again."""


class Lagged(BeursError):
    """The events asked for are no longer held in memory; read them from the journal.

    Attributes:
        oldest: The sequence before the oldest one that is held.
    """

    def __init__(self, rule: str, oldest: int = 0) -> None:
        super().__init__(rule, oldest)
        self.rule = rule
        self.oldest = oldest

    def __str__(self) -> str:
        return self.rule


class NodeStopped(BeursError):
    """The node was closed, or it stopped because its journal failed. What it did not acknowledge may be lost."""


class JournalError(BeursError):
    """The journal cannot be used."""


class JournalLocked(JournalError):
    """Another process has the journal open."""


class JournalDamaged(JournalError):
    """The journal is damaged before its end. It is never skipped: the message names the file and the offset."""


class JournalTrimmed(JournalError):
    """What was asked for is no longer in the journal: it was archived or dropped, as `journal_retention` says.

    Attributes:
        first: The first sequence that can be had.
    """

    def __init__(self, rule: str, first: int = 0) -> None:
        super().__init__(rule, first)
        self.rule = rule
        self.first = first

    def __str__(self) -> str:
        return self.rule


class JournalFailed(JournalError):
    """The disk refused a write or a sync. The node has stopped; a sync is never tried twice."""


class ServerError(BeursError):
    """A running server answered with an error.

    Attributes:
        status: The HTTP status.
        code: The error's stable code.
        message: What the server says about it.
        field: The field of the request it is about, or None.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(status, code, message, field)
        self.status = status
        self.code = code
        self.message = message
        self.field = field

    def __str__(self) -> str:
        where = f" [{self.field}]" if self.field else ""
        return f"{self.code}{where}: {self.message} (HTTP {self.status})"


class ClientError(BeursError):
    """The binary door said no, or could not be reached."""


class ConnectionLost(ClientError):
    """There is no connection, and none could be made in time, or none was to be made.

    A request that ends with this error may have been executed or not: what becomes of it, the reports say.
    """


class SessionRefused(ClientError):
    """The venue does not let the client in, or has ended its session for good. Trying again would not help.

    Attributes:
        code: `authentication_failed`, `key_revoked`, `resume_lost`, ...: a SessionReason of docs/reference/wire.md.
    """

    def __init__(self, code: str, rule: str) -> None:
        super().__init__(code, rule)
        self.code = code
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.code}: {self.rule}"


class RequestRefused(ClientError):
    """A request did not become a command. Nothing happened.

    Attributes:
        code: `invalid_value`, `busy`, `disk_full`, ...: a RequestReason of docs/reference/wire.md.
        field: The field of the message that is at fault, or "".
    """

    def __init__(self, code: str, field: str = "") -> None:
        super().__init__(code, field)
        self.code = code
        self.field = field

    def __str__(self) -> str:
        return f"{self.code} [{self.field}]" if self.field else self.code


class Throttled(RequestRefused):
    """A request came faster than its key may send. Nothing happened.

    Attributes:
        retry_after_ns: After which time it would be taken.
    """

    def __init__(self, retry_after_ns: int) -> None:
        super().__init__("throttled")
        self.args = (retry_after_ns,)
        self.retry_after_ns = retry_after_ns


class ProtocolError(ClientError):
    """A message that the protocol does not have, or not now."""
