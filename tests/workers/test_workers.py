"""`beurs serve --workers`: what one worker did every worker knows; whoever ends is started again or ends the others."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.services.test_process import Process

SECONDS_MAX = 60.0


class Serving(Process):
    """`beurs serve --workers 2`."""

    COMMAND = ("-m", "beurs.cli", "serve")

    def workers(self) -> list[int]:
        """The workers' process ids."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children if b"beurs.workers" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    process = Serving(tmp_path / "data", workers="2")
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait(SECONDS_MAX)
        process.errors.close()


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A child that nobody has waited for is gone too.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def order(number: int, **named: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC-USD",
        "side": "buy",
        "price": "10000.00",
        "quantity": "0.01",
        "client_order_id": f"w-{number}",
        **named,
    }


def test_what_one_worker_did_every_worker_knows(serving: Serving) -> None:
    url = serving.wait_until_open()
    assert len(serving.workers()) == 2
    numbers = itertools.count()

    def client(_: int) -> int:
        # A connection belongs to one worker: every request has a new one, so that both are asked.
        seen = 0
        for _ in range(25):
            number = next(numbers)
            entered = httpx.post(f"{url}/v1/orders", json=order(number), headers=serving.key(), timeout=SECONDS_MAX)
            assert entered.status_code == 201, entered.text
            order_id = entered.json()["order_id"]
            found = httpx.get(f"{url}/v1/orders/{order_id}", headers=serving.key(), timeout=SECONDS_MAX)
            assert found.json()["client_order_id"] == f"w-{number}"
            if number % 3 == 0:
                path = f"{url}/v1/orders/{order_id}"
                assert httpx.delete(path, headers=serving.key(), timeout=SECONDS_MAX).status_code == 200
                # The list comes from the store, which the engine's process keeps.
                ended = httpx.get(path, headers=serving.key(), timeout=SECONDS_MAX).json()
                assert ended["status"] == "canceled", ended
            seen += 1
        return seen

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(client, range(4))) == 100
    # Sent again it has no second effect, whoever is asked.
    answers = {httpx.post(f"{url}/v1/orders", json=order(1), headers=serving.key()).text for _ in range(10)}
    assert len(answers) == 1
    assert serving.end() == 0


def test_a_killed_worker_is_started_again_and_nothing_is_lost(serving: Serving) -> None:
    url = serving.wait_until_open()
    entered = [
        httpx.post(f"{url}/v1/orders", json=order(n), headers=serving.key(), timeout=SECONDS_MAX).json()["order_id"]
        for n in range(10)
    ]
    first = serving.workers()
    os.kill(first[0], signal.SIGKILL)
    until(lambda: len(serving.workers()) == 2 and first[0] not in serving.workers(), "a new worker")
    for order_id in entered * 3:
        found = httpx.get(f"{url}/v1/orders/{order_id}", headers=serving.key(), timeout=SECONDS_MAX)
        assert found.json()["status"] == "new"
    assert serving.end() == 0
    assert all(gone(pid) for pid in first)


def test_workers_end_when_the_engine_is_killed_and_the_journal_has_everything(serving: Serving) -> None:
    url = serving.wait_until_open()
    entered = httpx.post(f"{url}/v1/orders", json=order(1), headers=serving.key(), timeout=SECONDS_MAX).json()
    workers = serving.workers()
    serving.process.kill()
    serving.process.wait(SECONDS_MAX)
    until(lambda: all(gone(pid) for pid in workers), "the workers to end")
    again = Serving(serving.directory, workers="1")
    try:
        url = again.wait_until_open()
        found = httpx.get(f"{url}/v1/orders/{entered['order_id']}", headers=again.key(), timeout=SECONDS_MAX).json()
        assert found["status"] == "new"
        assert again.end(signal.SIGINT) == 0
    finally:
        if again.process.poll() is None:
            again.process.kill()
        again.errors.close()


def test_one_process_refuses_to_be_many(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BEURS_")}
    environment |= {
        "BEURS_WORKERS": "2",
        "BEURS_PORT": "0",
        "BEURS_BINARY": "off",
        "BEURS_DATA_DIRECTORY": str(tmp_path),
    }
    told = subprocess.run(
        [sys.executable, "-m", "beurs.app"], env=environment, capture_output=True, text=True, timeout=SECONDS_MAX
    )
    assert told.returncode != 0
    assert re.search(r"SettingsInvalid: workers: .*beurs serve", told.stderr)
