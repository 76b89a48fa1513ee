"""A full disk, seen from Python: new orders are refused with `disk_full`, cancels go on, room needs no restart."""

import functools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beurs import Exchange, engine
from beurs.errors import OrderRejected
from beurs.web.problems import rejection
from tests.conftest import fill_venue

SEGMENT_BYTES = 256 << 10


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB; skipped where only root could make one."""
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)],
            check=True,
            capture_output=True,
            timeout=60,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small file system: {error}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True, timeout=60)


def test_new_orders_are_refused_and_cancels_go_on(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beurs.exchange.engine.Node", functools.partial(engine.Node, segment_bytes=SEGMENT_BYTES))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((2 << 20) - 5 * SEGMENT_BYTES))
    with fill_venue(Exchange(small_disk / "data")) as ex:
        order_ids: list[int] = []

        def fill() -> None:
            while len(order_ids) < 100_000:
                order_ids.append(ex.submit("alice", "BTC-USD", "buy", "0.0001", price="10000").order_id)
                ex.cancel("alice", order_ids[-1])

        with pytest.raises(OrderRejected) as refused:
            fill()
        error = refused.value
        assert (error.code, error.reason, error.sequence) == ("disk_full", 901, 0)
        assert ex.node.stats()["disk_full"]
        with pytest.raises(OrderRejected, match="unknown_order"):  # the engine is asked: it is gone
            ex.cancel("alice", order_ids[0])
        sequence = ex.node.sequence
        ballast.unlink()
        until = time.monotonic() + 120
        while ex.node.stats()["disk_full"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        entered = ex.submit("alice", "BTC-USD", "buy", "0.0001", price="10000")
        assert ex.node.sequence == sequence + 1
        digest = ex.digest()
    with Exchange(small_disk / "data") as ex:
        assert ex.digest() == digest
        assert ex.order(entered.order_id) is not None


def test_over_rest_it_is_503() -> None:
    problem = rejection("disk_full")
    assert problem.status == 503
    assert (b"retry-after", b"1") in problem.headers()
