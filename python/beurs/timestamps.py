"""Time as text: UTC, ISO 8601 with nine decimals, `2025-01-31T09:30:00.000000001Z`."""

import re
from datetime import UTC, datetime
from typing import Final

_SECOND_NS: Final = 1_000_000_000
_PATTERN: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The last second that was written, and its text: consecutive timestamps are mostly of the same second.
_last: tuple[int, str] = (0, "1970-01-01T00:00:00")


def timestamp(time_ns: int) -> str:
    """A time in nanoseconds since 1970 as text."""
    global _last
    second, rest = divmod(time_ns, _SECOND_NS)
    known, text = _last
    if second != known:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _last = (second, text)
    return f"{text}.{rest:09d}Z"


def parse_timestamp(text: str) -> int:
    """The time in nanoseconds since 1970 that a text says, with up to nine decimals or none. Raises ValueError."""
    parts = _PATTERN.fullmatch(text)
    if parts is None:
        raise ValueError("must be UTC as in 2025-01-31T09:30:00Z, with at most nine decimals")
    moment = datetime.strptime(parts.group(1), "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    since = moment - _EPOCH
    if since.days < 0:
        raise ValueError("must not be before 1970")
    return (since.days * 86_400 + since.seconds) * _SECOND_NS + int((parts.group(2) or "0").ljust(9, "0"))


def parse_time_of_day(text: str) -> int:
    """The nanoseconds since midnight that a text such as `09:30:00` says. Raises ValueError."""
    parts = _TIME_OF_DAY.fullmatch(text)
    if parts is None:
        raise ValueError("must be a time of day as in 09:30:00, with at most nine decimals")
    hours, minutes, seconds, decimals = parts.groups()
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * _SECOND_NS + int((decimals or "0").ljust(9, "0"))
