"""What is measured, each as one round that gives its figures.

A round is prepared before its clock starts. Rounds of different measurements are run in turn by `beurs.bench.runner`.
"""

from __future__ import annotations

import gc
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from beurs import engine, signing
from beurs.bench.footprint import enter
from beurs.bench.stream import MIDDLE, RESTING, SYMBOL, Stream, fill
from beurs.client import Client
from beurs.exchange import Exchange
from beurs.records import CommandKind
from beurs.values import Side

__all__ = ["MEASUREMENTS", "Measurement", "Setting", "memory_rate"]

_BATCH: Final = 4_096
_WAIT_SECONDS_MAX: Final = 60.0
_TICKS: Final = 100  # in one unit of the quote


@dataclass(frozen=True)
class Setting:
    """What the rounds work with.

    Attributes:
        stream: The commands.
        directory: Where journals go, on the disk that is measured.
        scale: What the sizes below are multiplied with, for tests.
        open_orders: How many orders the restart has.
        kept: What one round has prepared for the next ones.
    """

    stream: Stream
    directory: Path
    scale: float
    open_orders: int
    kept: dict[str, Any] = field(default_factory=dict)

    def size(self, count: int) -> int:
        """`count` at this scale, at least 20."""
        return max(20, int(count * self.scale))


@dataclass(frozen=True)
class Measurement:
    """One measurement: `figures` names what a round gives and the unit of it."""

    name: str
    what: str
    figures: dict[str, str]
    round: Callable[[Setting], dict[str, float]]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _venue(setting: Setting, *, journal: bool = False) -> Iterator[Exchange]:
    """An exchange with the resting orders, in memory or with a journal that is gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="journal-", dir=setting.directory)) if journal else None
    try:
        with fill(Exchange(directory, checkpoint_interval=0, event_ring_bytes=1 << 20)) as ex:
            ex.execute(setting.stream.resting)
            yield ex
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)


def _batches(setting: Setting, ex: Exchange, count: int | None = None) -> float:
    commands = setting.stream.commands[:count]
    with _quiet():
        start = time.perf_counter()
        for at in range(0, len(commands), _BATCH):
            ex.execute(commands[at : at + _BATCH])
        return len(commands) / (time.perf_counter() - start)


def memory_rate(setting: Setting, count: int) -> float:
    """Commands a second of the first `count` through the batch door in memory: what peers are compared with."""
    with _venue(setting) as ex:
        return _batches(setting, ex, count)


def _memory(setting: Setting) -> dict[str, float]:
    with _venue(setting) as ex:
        return {"rate": _batches(setting, ex)}


def _journal(setting: Setting) -> dict[str, float]:
    with _venue(setting, journal=True) as ex:
        return {"rate": _batches(setting, ex)}


def _call(setting: Setting) -> dict[str, float]:
    """Limit orders that rest, one call each; the loop of the caller is part of it."""
    rng = np.random.default_rng(2)
    count = setting.size(100_000)
    prices = (MIDDLE - 1_000 - rng.geometric(0.01, count)).tolist()
    accounts = rng.integers(2, 50, count).tolist()
    buy = Side.BUY.number
    with _venue(setting) as ex:
        new_order = ex.node.new_order
        with _quiet():
            start = time.perf_counter_ns()
            for account_id, price in zip(accounts, prices, strict=True):
                new_order(account_id, 1, buy, price, 1)
            return {"call": (time.perf_counter_ns() - start) / count}


def _encoded(setting: Setting, count: int) -> list[bytes]:
    """The first commands of the stream, encoded one by one."""
    encoded = []
    for record in setting.stream.commands[:count]:
        account_id, order_id = int(record["account_id"]), int(record["order_id"])
        price, quantity = int(record["price"]), int(record["quantity"])
        match int(record["kind"]):
            case CommandKind.CANCEL_ORDER:
                encoded.append(engine.cancel_order(account_id, order_id, ""))
            case CommandKind.REPLACE_ORDER:
                encoded.append(engine.replace_order(account_id, order_id, "", "", price, quantity))
            case _:
                side, kind, lifetime = (int(record[name]) for name in ("side", "order_type", "time_in_force"))
                encoded.append(engine.new_order(account_id, 1, side, kind, lifetime, False, 0, price, quantity, 0, ""))
    return encoded


def _round_trip(setting: Setting) -> dict[str, float]:
    commands = _encoded(setting, setting.size(20_000))
    with _venue(setting) as ex:
        execute, clock, spent = ex.node.execute, time.perf_counter_ns, []
        with _quiet():
            for command in commands:
                start = clock()
                execute(command)
                spent.append(clock() - start)
    return _percentiles(spent)


def _submit(in_flight: int, count: int) -> Callable[[Setting], dict[str, float]]:
    def measure(setting: Setting) -> dict[str, float]:
        commands = _encoded(setting, setting.size(count))
        with _venue(setting, journal=True) as ex:
            node, clock = ex.node, time.perf_counter_ns
            poll = select.poll()
            poll.register(node.fileno(), select.POLLIN)
            began, spent = [0] * len(commands), [0] * len(commands)
            sent = done = 0
            with _quiet():
                start = clock()
                while done < len(commands):
                    while sent < min(len(commands), done + in_flight):
                        began[sent] = clock()
                        node.submit(sent, commands[sent])
                        sent += 1
                    if not poll.poll(_WAIT_SECONDS_MAX * 1_000):
                        raise TimeoutError(f"no completion came in {_WAIT_SECONDS_MAX:.0f} s")
                    now = clock()
                    for token, _ in node.completions():
                        spent[token] = now - began[token]
                        done += 1
                seconds = (clock() - start) / 1e9
        return {**_percentiles(spent), "rate": len(commands) / seconds}

    return measure


def _replay(setting: Setting) -> dict[str, float]:
    """Opens a journal that has no checkpoint."""
    directory = setting.directory / "replay"
    if "replay" not in setting.kept:
        with fill(Exchange(directory, checkpoint_interval=0)) as ex:
            ex.execute(setting.stream.resting)
            for at in range(0, len(setting.stream.commands), _BATCH):
                ex.execute(setting.stream.commands[at : at + _BATCH])
        setting.kept["replay"] = True
    shutil.rmtree(directory / "checkpoint")  # Closing has made one.
    with Exchange(directory, checkpoint_interval=0) as ex:
        stats = ex.node.stats()
    assert stats["recovered_commands_replayed"] >= RESTING + len(setting.stream.commands)
    return {"rate": stats["recovered_commands_replayed"] / stats["recovery_seconds"]}


def _restart(setting: Setting) -> dict[str, float]:
    """Opens a directory whose checkpoint holds the open orders."""
    directory = setting.directory / "restart"
    if "restart" not in setting.kept:
        with fill(Exchange(directory, checkpoint_interval=0)) as ex:
            enter(ex, setting.open_orders)
        setting.kept["restart"] = True
    start = time.perf_counter()
    with Exchange(directory, checkpoint_interval=0):
        return {"time": time.perf_counter() - start}


def _footprint(setting: Setting) -> dict[str, float]:
    program = f"from beurs.bench.footprint import measure; print(measure({setting.open_orders}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return {"size": float(done.stdout)}


def _binary(setting: Setting) -> dict[str, float]:
    """Orders that rest, through a TCP connection to this machine and the Python client, in memory."""
    one, many, in_flight = setting.size(1_000), setting.size(5_000), 64
    key = setting.directory / "bench.pem"
    if "key" not in setting.kept:
        setting.kept["key"] = signing.new_pair(key)
    with _venue(setting) as ex:
        account = ex.accounts()[1]
        gateway = engine.Gateway(ex.node, ["127.0.0.1:0"])
        try:
            gateway.set_keys([(1, account.account_id, account.code, setting.kept["key"], False)])
            with Client(gateway.addresses[0], key, market_data=False) as client:
                spent, price = [], str(MIDDLE // _TICKS // 2)
                with _quiet():
                    for _ in range(one):
                        start = time.perf_counter_ns()
                        client.submit(SYMBOL, "buy", "0.0001", price=price).result(_WAIT_SECONDS_MAX)
                        spent.append(time.perf_counter_ns() - start)
                    replies: deque[Any] = deque()
                    begin = time.perf_counter()
                    for _ in range(many):
                        if len(replies) == in_flight:
                            replies.popleft().result(_WAIT_SECONDS_MAX)
                        replies.append(client.submit(SYMBOL, "buy", "0.0001", price=price))
                    for reply in replies:
                        reply.result(_WAIT_SECONDS_MAX)
                    seconds = time.perf_counter() - begin
        finally:
            gateway.stop()
    return {**_percentiles(spent), "rate": many / seconds}


def _percentiles(spent_ns: list[int]) -> dict[str, float]:
    """In microseconds."""
    middle, high = np.percentile(spent_ns, [50, 99]) / 1_000
    return {"p50": float(middle), "p99": float(high)}


_LATENCY: Final = {"p50": "µs", "p99": "µs"}
_RATE: Final = {"rate": "commands/s"}

MEASUREMENTS: Final = (
    Measurement("memory", f"batch door, {_BATCH:,} commands a call, in memory", _RATE, _memory),
    Measurement("journal", "the same with the journal, fdatasync before it answers", _RATE, _journal),
    Measurement("call", "one call an order, orders that rest, in memory", {"call": "ns"}, _call),
    Measurement("round-trip", "one encoded command to its events, in memory", _LATENCY, _round_trip),
    Measurement("submit-1", "submit to completion with the journal, 1 in flight", _LATENCY | _RATE, _submit(1, 500)),
    Measurement(
        "submit-64", "submit to completion with the journal, 64 in flight", _LATENCY | _RATE, _submit(64, 10_000)
    ),
    Measurement("binary", "binary door, TCP, Python client; p50, p99 with 1, rate with 64", _LATENCY | _RATE, _binary),
    Measurement("replay", "opening a journal without a checkpoint", _RATE, _replay),
    Measurement("restart", "opening a checkpoint of many open orders", {"time": "s"}, _restart),
    Measurement("footprint", "memory an open order", {"size": "bytes"}, _footprint),
)
