"""REST order entry, durable, beside a bare endpoint.

What is compared: POST /v1/orders of the whole exchange (journal with fdatasync, engine, store projector, one process)
and a bare Starlette route that decodes the same body with msgspec and answers with a report of the same size, behind
the same uvicorn. Each is loaded by `wrk` with 64 connections on the same machine, in alternating runs; the ratio of
each pair is taken and the median reported, because the two share the machine's moods and figures alone do not travel.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONNECTIONS = 64
ORDER = {"symbol": "BTC-USD", "side": "buy", "price": "1000.00", "quantity": "0.001"}

BARE = """
import sys
from typing import Literal
import msgspec, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

class Order(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    side: Literal["buy", "sell"]
    price: str
    quantity: str

class Report(msgspec.Struct):
    order_id: str
    symbol: str
    side: str
    price: str
    quantity: str
    rest: str

decode = msgspec.json.Decoder(Order).decode
encode = msgspec.json.Encoder().encode
REST = "x" * 260
count = 0

async def order(request):
    global count
    count += 1
    order = decode(await request.body())
    report = Report(str(count), order.symbol, order.side, order.price, order.quantity, REST)
    return Response(encode(report), 201, media_type="application/json")

app = Starlette(routes=[Route("/v1/orders", order, methods=["POST"])])
port = int(sys.argv[1])
uvicorn.run(app, port=port, loop="uvloop", http="httptools", access_log=False, server_header=False, log_level="error")
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench/rest.py needs wrk (Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory(prefix="beurs-bench-") as name:
        directory = Path(name)
        with bare(directory) as bare_url, exchange(directory) as (url, key):
            script = directory / "order.lua"
            script.write_text(LUA.format(body=json.dumps(ORDER, separators=(",", ":")), key=key))
            for target in (bare_url, url):
                load(target, script, 1)
            pairs = []
            for number in range(options.rounds):
                pair = load(bare_url, script, options.seconds), load(url, script, options.seconds)
                pairs.append(pair)
                if not options.json:
                    (bare_rate, _), (rate, p99) = pair
                    print(
                        f"run {number + 1}: bare {bare_rate:>7,.0f}/s   POST /v1/orders {rate:>7,.0f}/s"
                        f"   ratio {rate / bare_rate:.3f}   p99 {p99}",
                        flush=True,
                    )
            result = {
                "bare_per_second": round(statistics.median(pair[0][0] for pair in pairs)),
                "orders_per_second": round(statistics.median(pair[1][0] for pair in pairs)),
                "ratio": round(statistics.median(pair[1][0] / pair[0][0] for pair in pairs), 3),
                "connections": CONNECTIONS,
                "rounds": options.rounds,
                "seconds": options.seconds,
            }
    print(json.dumps(result) if options.json else f"median ratio {result['ratio']} (wanted: at least 0.7)")


LUA = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "{key}"
"""


def load(url: str, script: Path, seconds: int) -> tuple[float, str]:
    """Requests per second and the 99th percentile of the latency. Fails if any answer was not a success."""
    said = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), f"{url}/v1/orders"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"not every request was answered with success:\n{said}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    latency = re.search(r"99%\s+(\S+)", said)
    assert rate is not None
    assert latency is not None
    return float(rate.group(1)), latency.group(1)


@contextmanager
def bare(directory: Path) -> Iterator[str]:
    """The bare endpoint, running."""
    program = directory / "bare.py"
    program.write_text(BARE)
    port = free_port()
    with process([sys.executable, str(program), str(port)], directory / "bare.log"):
        url = f"http://127.0.0.1:{port}"
        wait(f"{url}/nothing", directory / "bare.log")
        yield url


@contextmanager
def exchange(directory: Path) -> Iterator[tuple[str, str]]:
    """The exchange, running, and a key."""
    port = free_port()
    data = directory / "data"
    environment = {
        "BEURS_DATA_DIRECTORY": str(data),
        "BEURS_DEMO": "true",
        "BEURS_SIMULATOR": "false",
        "BEURS_PORT": str(port),
        "BEURS_BINARY": "off",
        "BEURS_LOG_LEVEL": "warning",
    }
    with process([sys.executable, "-m", "beurs.app"], directory / "exchange.log", environment):
        url = f"http://127.0.0.1:{port}"
        wait(f"{url}/ready", directory / "exchange.log")
        yield url, json.loads((data / "demo-keys.json").read_text())["alice"]


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    """A program that is stopped at the end."""
    with log.open("w") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | (environment or {}))
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(60)


def free_port() -> int:
    """A port that nobody listens on now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait(url: str, log: Path) -> None:
    """Waits until something answers."""
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"{url} does not answer:\n{log.read_text()}")


if __name__ == "__main__":
    main()
