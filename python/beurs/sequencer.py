"""The asynchronous door to the node's sequencer: many commands under way, one awaitable each.

Invariants: a result is given only for what is durable; every awaitable is resolved exactly once; a caller that goes
away (cancelled, disconnected) takes nothing back, its command still takes effect and its result is dropped; when the
node stops every awaitable under way fails with NodeStopped.
"""

import asyncio
from collections.abc import Awaitable, Callable

from beurs.engine import Node
from beurs.errors import BeursError, NodeStopped


class Sequencer:
    """Submits commands to a node and hands back their events. Belongs to one event loop."""

    __slots__ = ("_loop", "_node", "_on_stopped", "_open", "_token", "_under_way")

    def __init__(
        self,
        node: Node,
        loop: asyncio.AbstractEventLoop,
        on_stopped: Callable[[BeursError], None] = lambda _reason: None,
    ) -> None:
        """`on_stopped` is told, once, when the node stops by itself."""
        self._node = node
        self._loop = loop
        self._on_stopped = on_stopped
        self._token = 0
        self._under_way: dict[int, asyncio.Future[bytes]] = {}
        self._open = True
        loop.add_reader(node.fileno(), self._complete)

    @property
    def depth(self) -> int:
        """How many commands are under way."""
        return len(self._under_way)

    @property
    def is_open(self) -> bool:
        """Whether commands are taken."""
        return self._open

    def submit(self, command: bytes) -> Awaitable[bytes]:
        """Submits one encoded command; the result is its EVENT records, once they are durable.

        Raises QueueFull or NodeStopped at once, before anything took effect. The awaitable fails with NodeStopped when
        the node stops before it is known whether the command is durable.
        """
        if not self._open:
            raise NodeStopped("the sequencer is closed")
        self._token = token = self._token + 1
        self._node.submit(token, command)
        future = self._under_way[token] = self._loop.create_future()
        return future

    def _complete(self) -> None:
        try:
            completions = self._node.completions()
        except BeursError as stopped:
            self._fail(stopped)
            self._on_stopped(stopped)
            return
        pop = self._under_way.pop
        for token, events in completions:
            future = pop(token)
            if not future.done():  # done: its caller went away
                future.set_result(events)

    def _fail(self, stopped: BeursError) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._node.fileno())
        under_way, self._under_way = self._under_way, {}
        for future in under_way.values():
            if not future.done():
                future.set_exception(stopped)

    async def drain(self, seconds_max: float) -> bool:
        """Waits until nothing is under way; False if that takes too long."""
        waiting = [future for future in self._under_way.values() if not future.done()]
        if not waiting:
            return True
        _, late = await asyncio.wait(waiting, timeout=seconds_max)
        return not late

    def close(self) -> None:
        """Takes no more; what is still under way fails with NodeStopped."""
        self._fail(NodeStopped("the exchange is shutting down"))
