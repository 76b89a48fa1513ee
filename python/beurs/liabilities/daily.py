"""Makes the proof of liabilities every day at a set time, UTC, while the server runs.

It is made in a process of its own, from the journal: neither the engine nor the event loop waits for it. One that was
due while the server stood still is not made up for; `beurs liabilities make --sequence` makes it. A manual clock is
taken to be where the last command is.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from beurs.config import Settings
from beurs.engine import Node
from beurs.errors import NodeStopped
from beurs.timestamps import parse_time_of_day

__all__ = ["due_after", "proving"]

log = structlog.get_logger()

_DAY_NS: Final = 86_400 * 1_000_000_000
_LOOK_SECONDS: Final = 0.5


def due_after(now_ns: int, time_of_day_ns: int) -> int:
    """The first moment after `now_ns` with that time of day, both in nanoseconds, UTC."""
    due = now_ns - now_ns % _DAY_NS + time_of_day_ns
    return due if due > now_ns else due + _DAY_NS


@asynccontextmanager
async def proving(settings: Settings, node: Node) -> AsyncIterator[None]:
    """Makes the proofs meanwhile, if the settings say when. In the engine's process only."""
    task = None
    if settings.liabilities_time is not None:
        time_of_day_ns = parse_time_of_day(f"{settings.liabilities_time}:00")
        due_ns = due_after(await asyncio.to_thread(_now_ns, settings, node), time_of_day_ns)
        task = asyncio.create_task(_every_day(settings, node, time_of_day_ns, due_ns))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _now_ns(settings: Settings, node: Node) -> int:
    return node.event_time_ns if settings.clock == "manual" else time.time_ns()


async def _every_day(settings: Settings, node: Node, time_of_day_ns: int, due_ns: int) -> None:
    # The clock is looked at again and again: one that is set, or a machine that slept, moves the moment.
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            now_ns = await asyncio.to_thread(_now_ns, settings, node)
        except NodeStopped:
            return
        if now_ns >= due_ns:
            due_ns = due_after(now_ns, time_of_day_ns)
            await _make(settings, node.sequence)


async def _make(settings: Settings, sequence: int) -> None:
    arguments = [str(settings.data_directory), str(sequence)]
    arguments += ["ots"] if settings.liabilities_opentimestamps else []
    try:
        process = await asyncio.to_thread(_start, arguments)
    except OSError as error:  # no memory, no processes
        log.error("no proof of liabilities", sequence=sequence, reason=str(error))
        return
    try:
        said, failed = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode == 0:
        log.info("proved liabilities", sequence=sequence, folder=said.strip())
    else:
        log.error("no proof of liabilities", sequence=sequence, reason=failed.strip())


def _start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 -- this package, its own arguments
        [sys.executable, "-m", "beurs.liabilities", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the server, which ends it itself
    )
