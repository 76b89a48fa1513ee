"""Commands against a real server."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.cli.test_local import beurs, failed
from tests.waiting import WAIT_SECONDS_MAX


def start(directory):
    """`beurs serve --demo` without the simulator, and its address, when it is ready."""
    command = [sys.executable, "-m", "beurs.cli", "serve", "--demo", "--no-simulator"]
    command += ["--port", "0", "--binary", "127.0.0.1:0", "--data-directory", str(directory)]
    patient = os.environ | {"BEURS_STORE_WAIT_SECONDS_MAX": str(WAIT_SECONDS_MAX)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=patient)
    server.said = ""
    while "Ctrl-C" not in server.said:  # It listens when it says so.
        line = server.stdout.readline()
        assert line, server.said
        server.said += line
    return server, re.search(r"open at (\S+)", server.said)[1]


def stop(server):
    server.send_signal(signal.SIGINT)
    output, _ = server.communicate(timeout=WAIT_SECONDS_MAX)
    assert server.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def venue(tmp_path_factory):
    """The environment of a client of a running server, and of another person."""
    directory = tmp_path_factory.mktemp("venue")
    server, url = start(directory)
    keys = json.loads((directory / "demo-keys.json").read_text())
    yield [{"BEURS_URL": url, "BEURS_API_KEY": keys[name]} for name in ("alice", "bob")]
    stop(server)


def ran(environment, *arguments):
    code, output, errors = beurs(*arguments, **environment)
    assert (code, errors) == (0, ""), errors
    return output


def test_instruments_are_listed(venue):
    assert "BTC-USD" in ran(venue[0], "instrument", "list")
    assert json.loads(ran(venue[0], "instrument", "show", "BTC-USD", "--json"))["tick_size"] == "0.01"
    assert "tick size" in ran(venue[0], "instrument", "show", "BTC-USD")


def test_an_order_from_entry_to_trade(venue):
    alice, bob = venue
    command = ["order", "submit", "buy", "BTC-USD", "0.5", "--price", "20000", "--client-order-id", "a/b?c"]
    entered = json.loads(ran(alice, *command, "--json"))
    assert entered["status"] == "new"
    order_id = entered["order_id"]
    listed = ran(alice, "order", "list")
    assert order_id in listed
    assert "…" not in listed, "there is no terminal that would be too narrow"
    assert "20000" in ran(alice, "book", "BTC-USD")
    shown = json.loads(ran(alice, "order", "show", "client:a/b?c", "--json"))
    assert shown["order_id"] == order_id
    assert "status" in ran(alice, "order", "replace", order_id, "--quantity", "0.4")
    sold = ran(bob, "order", "submit", "sell", "BTC-USD", "0.1")
    assert "filled" in sold
    assert "taker" in sold
    assert json.loads(ran(alice, "order", "show", order_id, "--json"))["filled_quantity"] == "0.1"
    assert "canceled" in ran(alice, "order", "cancel", order_id)
    assert "open orders: none" in ran(alice, "order", "list")
    assert order_id in ran(alice, "order", "list", "--status", "closed")
    assert "BTC" in ran(alice, "account", "balances")
    assert "alice" in ran(alice, "account", "show")


def test_all_orders_are_canceled_at_once(venue):
    alice, _ = venue
    for price in ("1000", "1001"):
        ran(alice, "order", "submit", "buy", "ETH-USD", "1", "--price", price, "--post-only")
    canceled = json.loads(ran(alice, "order", "cancel-all", "--symbol", "ETH-USD", "--side", "buy", "--json"))
    assert canceled["canceled"] == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("order", "submit", "buy", "BTC-USD", "1e400", "--price", "1"), "invalid_decimal"),
        (("order", "submit", "buy", "BTC-USD", "1", "--price", "0.001"), "not_a_multiple"),
        (("order", "submit", "buy", "NONE", "1", "--price", "1"), "unknown_instrument"),
        (("order", "submit", "buy", "BTC-USD", "1000", "--price", "1000000"), "insufficient_funds"),
        (("order", "cancel", "999999"), "unknown_order"),
        (("book", "../../health"), "unknown_instrument"),
    ],
)
def test_what_the_server_refuses_is_one_line(venue, arguments, code):
    exit_code, line = failed(*arguments, **venue[0])
    assert exit_code == 1
    assert line.startswith(f"beurs: {code}") or code == "unknown_instrument"


def test_positions_are_shown(venue):
    ran(venue[1], "order", "submit", "sell", "ETH-BTC", "1", "--price", "0.05")
    ran(venue[0], "order", "submit", "buy", "ETH-BTC", "1", "--price", "0.05")
    told = json.loads(ran(venue[0], "positions", "--json"))["positions"]
    assert ("ETH-BTC", "1", "0.05") in [(one["symbol"], one["quantity"], one["average_price"]) for one in told]
    assert "ETH-BTC" in ran(venue[0], "positions")


def test_a_wrong_key_is_one_line(venue):
    _, line = failed("account", "show", **{**venue[0], "BEURS_API_KEY": "nonsense"})
    assert "invalid_api_key" in line
    _, line = failed("account", "show", BEURS_URL=venue[0]["BEURS_URL"])
    assert "missing_api_key" in line


def test_a_key_is_valid_as_soon_as_it_is_made(tmp_path):
    environment = {"BEURS_DATA_DIRECTORY": str(tmp_path / "data")}
    server, url = start(tmp_path / "data")
    code, line = failed("key", "create", "nobody", **environment)
    assert (code, "nobody: there is no such account" in line) == (1, True)
    for _ in range(2):
        bob = {"BEURS_URL": url, "BEURS_API_KEY": ran(environment, "key", "create", "bob").strip()}
        assert json.loads(ran(bob, "account", "show", "--json"))["account"] == "bob"
    staff = {"BEURS_URL": url, "BEURS_API_KEY": ran(environment, "key", "create", "--staff", "ops").strip()}
    ran(staff, "admin", "open-account", "carol", "--reason", "signed on")
    _, line = failed("account", "show", BEURS_URL=url, BEURS_API_KEY="beurs_nonsense")
    assert "invalid_api_key" in line
    listed = json.loads(ran(environment, "key", "list", "--json"))["keys"]
    numbers = [key["key_id"] for key in listed if key.get("account") == "bob"]
    assert len(numbers) == len(set(numbers)) >= 3  # the demo's own, and the two made here
    stop(server)


def test_the_store_is_rebuilt_when_nothing_runs(tmp_path):
    environment = {"BEURS_DATA_DIRECTORY": str(tmp_path / "data")}
    _, line = failed("store", "rebuild", **environment)
    assert "there is no journal" in line
    server, _ = start(tmp_path / "data")
    _, line = failed("store", "rebuild", **environment)
    assert "open" in line
    stop(server)
    code, output, errors = beurs("store", "rebuild", **environment)
    assert (code, errors) == (0, "")
    assert output.startswith("rebuilt up to sequence ")
    assert os.path.getsize(tmp_path / "data" / "store.sqlite") > 0
