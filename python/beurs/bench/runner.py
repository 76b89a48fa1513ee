"""Runs measurements and peers in turn, and puts their figures together."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from beurs import arguments
from beurs.bench import machine
from beurs.bench.measurements import MEASUREMENTS, Measurement, Setting, memory_rate
from beurs.bench.peers import PEERS, Peer, PeerMissing
from beurs.bench.stream import RESTING, make
from beurs.errors import InputError

__all__ = ["NAMES", "run"]

NAMES: Final = (*(measurement.name for measurement in MEASUREMENTS), "peers", *(peer.name for peer in PEERS))
"""What can be measured. `peers` is all of them."""
_SEED: Final = 1


def run(
    names: Sequence[str],
    directory: Path,
    *,
    quick: bool = False,
    rounds: int | None = None,
    scale: float = 1.0,
    progress: Callable[[int, int], None] = lambda done, of_all: None,
) -> dict[str, Any]:
    """Measures what `names` says, everything if it is empty, and gives what results.json holds.

    Args:
        names: Of `NAMES`.
        directory: Journals go to a temporary directory in it.
        quick: Fewer commands, three rounds instead of five, 100,000 open orders instead of 1,000,000.
        rounds: How many of each, 1 to 1,000, if not three or five.
        scale: All sizes are multiplied with it.
        progress: Called with how many rounds are done, and of how many.

    Raises InputError for a name that is none, and for rounds or a scale out of their range. What goes wrong within one
    measurement or peer ends that one, with a reason.
    """
    measurements, peers = _chosen(names)
    if not 0 < scale <= 1:
        raise InputError("scale", "must be above 0 and at most 1")
    rounds = arguments.integer("rounds", (3 if quick else 5) if rounds is None else rounds, 1, 1_000)
    load_before, began = machine.load(), datetime.now(UTC)
    stream = make(max(200, int((100_000 if quick else 500_000) * scale)), _SEED)
    rows = [_Row(measurement) for measurement in measurements]
    peer_rows = [_PeerRow(peer) for peer in peers]
    in_turn: list[_Row | _PeerRow] = [*rows, *peer_rows]
    done, of_all = 0, rounds * len(in_turn)
    with tempfile.TemporaryDirectory(prefix="beurs-bench-", dir=directory) as temporary:
        open_orders = max(100, int((100_000 if quick else 1_000_000) * scale))
        setting = Setting(stream, Path(temporary), scale, open_orders)
        for _ in range(rounds):
            for row in in_turn:
                row.measure(setting)
                done += 1
                progress(done, of_all)
    return {
        "version": 1,
        "began": began.isoformat(timespec="seconds"),
        "machine": machine.facts(),
        "load_before": load_before,
        "load_after": machine.load(),
        "rounds": rounds,
        "quick": quick,
        "scale": scale,
        "open_orders": open_orders,
        "stream": {
            "seed": stream.seed,
            "commands": len(stream.commands),
            "resting": RESTING,
            "traded_lots": int(stream.traded[-1]),
        },
        "measurements": [row.result() for row in rows],
        "peers": [row.result() for row in peer_rows],
    }


def _chosen(names: Sequence[str]) -> tuple[list[Measurement], list[Peer]]:
    for name in names:
        if name not in NAMES:
            raise InputError("name", f"{name} is none of {', '.join(NAMES)}")
    wanted = set(names or NAMES)
    peers = [peer for peer in PEERS if peer.name in wanted or "peers" in wanted]
    return [measurement for measurement in MEASUREMENTS if measurement.name in wanted], peers


def _summary(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "greatest": max(values)}


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


class _Row:
    """A measurement and what its rounds gave."""

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement
        self._values: dict[str, list[float]] = {name: [] for name in measurement.figures}
        self._failed: str | None = None

    def measure(self, setting: Setting) -> None:
        """One round, unless an earlier one failed."""
        if self._failed is None:
            try:
                for name, value in self._measurement.round(setting).items():
                    self._values[name].append(value)
            except Exception as error:  # Whatever it is, the others go on.
                self._failed = _reason(error)

    def result(self) -> dict[str, Any]:
        """Its entry of results.json."""
        result: dict[str, Any] = {"name": self._measurement.name, "what": self._measurement.what}
        if self._failed is not None:
            return result | {"failed": self._failed}
        figures = [
            {"figure": name, "unit": unit, **_summary(self._values[name])}
            for name, unit in self._measurement.figures.items()
        ]
        return result | {"figures": figures}


class _PeerRow:
    """A peer, and its rounds beside ours on as many commands."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._rates: list[float] = []
        self._ours: list[float] = []
        self._count = 0
        self._skipped: str | None = None
        self._same_trades = True

    def measure(self, setting: Setting) -> None:
        """One round of it and one of ours behind it."""
        if self._skipped is not None:
            return
        self._count = min(setting.size(self._peer.commands), len(setting.stream.commands))
        try:
            run = self._peer.run(setting.stream.steps[: RESTING + self._count])
        except PeerMissing as missing:
            self._skipped = str(missing)
            return
        except Exception as error:  # Another's package may raise anything.
            self._skipped = f"it failed: {_reason(error)}"
            return
        self._rates.append(self._count / run.seconds)
        self._ours.append(memory_rate(setting, self._count))
        self._same_trades &= run.traded == int(setting.stream.traded[self._count - 1])

    def result(self) -> dict[str, Any]:
        """Its entry of results.json."""
        if self._skipped is not None:
            return {"name": self._peer.name, "skipped": self._skipped}
        ratios = [theirs / ours for theirs, ours in zip(self._rates, self._ours, strict=True)]
        return {
            "name": self._peer.name,
            "version": self._peer.version(),
            "commands": self._count,
            "unit": "commands/s",
            **_summary(self._rates),
            "beurs": _summary(self._ours),
            "ratio": _summary(ratios),
            "same_trades": self._same_trades,
        }
