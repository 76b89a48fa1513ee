"""The engine's process: opens the exchange, starts the workers, starts again those that end, and stops all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from beurs import app, binary, logs
from beurs.app import OpenExchange, bind, open_exchange, simulating
from beurs.config import Settings
from beurs.demo import venue
from beurs.engine import Gateway
from beurs.errors import BeursError
from beurs.liabilities.daily import proving
from beurs.sequencer import Sequencer

log = structlog.get_logger()

READY: Final = "ready"
"""What a worker prints when it answers."""

_WATCH_SECONDS: Final = 0.1
_START_SECONDS_MAX: Final = 120.0
_PAUSE_SECONDS_MAX: Final = 5.0


class WorkerFailed(BeursError):
    """A worker could not be started at all."""


class Worker:
    """One worker's process, and the next one when it ends."""

    def __init__(self, number: int, exchange: OpenExchange, listening: socket.socket) -> None:
        self.number = number
        self._exchange = exchange
        self._listening = listening
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Starts a process and returns when it answers. Raises WorkerFailed."""
        link = self._exchange.node.link()
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "beurs.workers.worker",
                str(self._listening.fileno()),
                str(link),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(self._listening.fileno(), link),
                # Ctrl-C is for the supervisor, which stops the workers itself.
                start_new_session=True,
            )
        finally:
            os.close(link)
        assert process.stdin is not None
        assert process.stdout is not None
        # The engine's process runs the simulator and makes the proofs of liabilities, for all of them.
        settings = self._exchange.settings.model_copy(update={"simulator": False, "liabilities_time": None})
        with contextlib.suppress(ConnectionError):  # It has ended; it says nothing then.
            process.stdin.write(settings.model_dump_json().encode())
            await process.stdin.drain()
            process.stdin.close()
        try:
            said = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS_MAX)
        except TimeoutError:
            said = b""
        if said.decode().strip() != READY:
            await self._end()
            raise WorkerFailed(f"worker {self.number} did not start; its log says why")
        log.info("a worker answers", worker=self.number, pid=process.pid)

    async def keep(self) -> None:
        """Starts it again whenever it ends, after a pause that grows while it does not last."""
        pause = 0.0
        while not self._stopping.is_set():
            assert self._process is not None
            began = time.monotonic()
            status = await self._process.wait()
            if self._stopping.is_set():
                return
            log.error("a worker has ended", worker=self.number, status=status)
            pause = 0.0 if time.monotonic() - began > 10 else min(_PAUSE_SECONDS_MAX, 2 * pause + 0.1)
            await asyncio.sleep(pause)
            try:
                await self.start()
            except (WorkerFailed, BeursError) as error:
                log.error("a worker could not be started again", worker=self.number, reason=str(error))

    async def stop(self) -> None:
        """Lets it finish what it answers, and ends it."""
        self._stopping.set()
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        await self._end(self._exchange.settings.shutdown_seconds_max + 5)

    async def _end(self, seconds_max: float = 0.0) -> None:
        if self._process is None:
            return
        try:
            await asyncio.wait_for(self._process.wait(), seconds_max)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def serve(settings: Settings) -> None:
    """Runs the exchange until SIGINT or SIGTERM, with as many workers as the settings say; with none, in one process.

    Raises as :func:`beurs.app.serve`, and WorkerFailed.
    """
    if settings.workers == 0:
        app.serve(settings)
        return
    logs.set_up(settings.log_format, settings.log_level)
    binary.check(settings)
    with (
        bind(settings.host, settings.port) as bound,
        open_exchange(settings) as exchange,
        binary.door(settings, exchange.node, exchange.keys) as gateway,
    ):
        bound.listen(2048)
        bound.setblocking(False)
        asyncio.run(_run(exchange, bound, gateway))
        if exchange.stopped is not None:
            raise exchange.stopped


async def _run(exchange: OpenExchange, bound: socket.socket, gateway: Gateway | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sequencer = Sequencer(exchange.node, loop, exchange.stop)
    workers = [Worker(number + 1, exchange, bound) for number in range(exchange.settings.workers)]
    keeping: list[asyncio.Task[None]] = []
    try:
        await _unless(stop, asyncio.gather(*(worker.start() for worker in workers)))
        async with simulating(exchange.settings, exchange.node, sequencer), proving(exchange.settings, exchange.node):
            if not stop.is_set():
                url = app.address(exchange.settings, bound)
                print(venue.welcome(url, exchange.demo_keys, gateway), flush=True)
                keeping = [loop.create_task(worker.keep()) for worker in workers]
            while not stop.is_set() and exchange.stopped is None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _WATCH_SECONDS)
    finally:
        await asyncio.gather(*(worker.stop() for worker in workers))
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await sequencer.drain(exchange.settings.shutdown_seconds_max)
        sequencer.close()


async def _unless(stop: asyncio.Event, work: asyncio.Future[Any] | Coroutine[Any, Any, Any]) -> None:
    """Does the work, or as much of it as there is time for until it is to stop."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        for one in (task, stopped):
            one.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
