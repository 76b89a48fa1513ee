"""How tests wait: for a fact, never for a time, and long enough for a machine that is busy with something else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

WAIT_SECONDS_MAX: Final = 60
"""How long anything may take before a test gives it up. Nothing takes so long but a fault."""


def until(condition: Callable[[], object], what: str = "it did not become true in time") -> None:
    """Waits for a fact."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


async def until_async(condition: Callable[[], object], what: str = "it did not become true in time") -> None:
    """Waits for a fact, and lets the event loop go on."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)
