"""The examples run and print what they promise."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_trade():
    lines = run("first_trade.py").splitlines()
    assert lines[0] == "alice's order 1 is new and holds 10003 USD"
    assert lines[1] == "bob sold 0.2 BTC at 20000 and paid 1.2 USD of fees"
    assert "alice BTC: total 0.2, available 0.2" in lines
    assert any(line.startswith("rejected: insufficient_funds (403)") for line in lines)


def test_a_million_commands():
    output = run("research_batch.py", "1000000", "1")
    assert re.search(r"^1,000,000 commands in [\d.]+ s", output)
    trades = int(re.search(r"([\d,]+) trades", output)[1].replace(",", ""))
    assert trades > 100_000
    again = run("research_batch.py", "1000000", "1")
    assert output.splitlines()[1:] == again.splitlines()[1:]


def test_the_docstring_of_the_exchange_is_true():
    import doctest

    from beurs import exchange

    failed, tried = doctest.testmod(exchange)
    assert (failed, tried > 5) == (0, True)
