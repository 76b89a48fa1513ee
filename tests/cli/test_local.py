"""Commands that need no server."""

import gzip
import json
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from beurs import Exchange, engine
from tests.conftest import fill_venue

LOBSTER = Path(__file__).parents[3] / "shared" / "data" / "lobster"


def beurs(*arguments, **environment):
    """Runs the command; gives exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "beurs.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1", "BEURS_BINARY": "127.0.0.1:0", **environment},
    )
    return done.returncode, done.stdout, done.stderr


def failed(*arguments, **environment):
    """Runs a command that must fail with one line on standard error; gives the exit code and the line."""
    code, output, errors = beurs(*arguments, **environment)
    assert code != 0
    assert output == ""
    assert "Traceback" not in errors
    assert errors.count("\n") == 1, errors
    return code, errors


def test_the_version():
    assert beurs("version") == (0, f"beurs {engine.VERSION}\n", "")


def test_every_command_has_help():
    code, output, _ = beurs("--help")
    assert code == 0
    on_files = ("serve", "replay", "verify", "store", "liabilities")
    for command in (*on_files, "book", "order", "account", "instrument", "version"):
        assert command in output
        code, help_text, _ = beurs(command, "--help")
        assert code == 0
        assert "Usage" in help_text


def test_a_journal_is_verified(tmp_path):
    with fill_venue(Exchange(tmp_path)) as ex:
        digest = ex.digest()
    code, output, _ = beurs("verify", tmp_path, "--json")
    assert code == 0
    assert json.loads(output)["digest"] == digest
    code, output, _ = beurs("verify", tmp_path)
    assert code == 0
    assert digest in output


def test_a_checkpoint_that_differs_ends_with_3(tmp_path):
    with fill_venue(Exchange(tmp_path)):
        pass
    (checkpoint,) = (tmp_path / "checkpoint").iterdir()
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    code, output, _ = beurs("verify", tmp_path)
    assert code == 3
    assert checkpoint.name in output


def test_a_damaged_journal_is_one_line(tmp_path):
    with fill_venue(Exchange(tmp_path)):
        pass
    segment = max((tmp_path / "journal").iterdir(), key=lambda path: len(path.read_bytes().rstrip(b"\x00")))
    data = bytearray(segment.read_bytes())
    data[150] ^= 0xFF
    segment.write_bytes(data)
    code, line = failed("verify", tmp_path)
    assert code == 1
    assert line.startswith("beurs: ")
    assert "damaged at byte" in line


@pytest.mark.parametrize("arguments", [("verify", "/nonexistent"), ("serve", "--port", "x"), ("nothing",), ("order",)])
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments):
    code, _, errors = beurs(*arguments)
    assert code == 2
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ("book", "BTC-USD"),
        ("order", "list"),
        ("order", "submit", "buy", "BTC-USD", "1"),
        ("account", "show"),
        ("instrument", "list"),
    ],
)
def test_a_server_that_is_not_there_is_one_line(arguments):
    code, line = failed(*arguments, "--url", "http://127.0.0.1:1")
    assert code == 1
    assert line.startswith("beurs: http://127.0.0.1:1: ")
    code, line = failed(*arguments, BEURS_URL="nonsense")
    assert code == 1


def test_a_malformed_day_is_one_line(tmp_path):
    (tmp_path / "messages.csv").write_text("34200.0,1,1,100,5859400,-1\nnonsense\n")
    (tmp_path / "book.csv").write_text("5859400,100,5853300,18\n5859400,100,5853300,18\n")
    code, line = failed("replay", "lobster", tmp_path / "messages.csv", tmp_path / "book.csv")
    assert code == 1
    assert "messages.csv, line 2" in line


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """One level of the sample day, unpacked."""
    archive = LOBSTER / "LOBSTER_SampleFile_GOOG_2012-06-21_1.zip"
    if not archive.exists():
        pytest.skip("the sample day is not there")
    folder = tmp_path_factory.mktemp("day")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    messages = next(path for path in folder.rglob("*.csv") if "message" in path.name)
    orderbook = next(path for path in folder.rglob("*.csv") if "orderbook" in path.name)
    return messages, orderbook


def test_a_lobster_day_is_replayed(day):
    code, output, errors = beurs("replay", "lobster", *day, "--json")
    report = json.loads(output)
    assert (code, errors, report["matches"], report["first_difference"]) == (0, "", True, None)
    assert report["rows"] == report["identical"] > 40_000


def test_a_day_that_differs_ends_with_3(day, tmp_path):
    lines = day[1].read_text().splitlines(keepends=True)
    lines[777] = "1,1,1,1\n"
    changed = tmp_path / "orderbook.csv"
    changed.write_text("".join(lines))
    code, output, _ = beurs("replay", "lobster", day[0], changed)
    assert code == 3
    assert "line 778" in output


@pytest.mark.parametrize("grouped", [(), ("--grouped",)])
def test_a_stream_is_replayed(day, tmp_path, grouped):
    packed = LOBSTER / "GOOG_2012-06-21_1.stream.csv.gz"
    stream = tmp_path / "stream.csv"
    stream.write_bytes(gzip.decompress(packed.read_bytes()))
    code, output, _ = beurs("replay", "stream", stream, day[1], "--json", *grouped)
    report = json.loads(output)
    assert (code, report["different_rows"], report["missed_makers"]) == (0, 0, 0)
    assert report["rows"] > 0


def test_a_key_is_issued_for_an_account_and_only_its_hash_is_kept(tmp_path):
    with Exchange(tmp_path) as exchange:
        exchange.open_account("carol")
    code, output, errors = beurs("key", "create", "carol", "--data-directory", tmp_path)
    assert (code, errors) == (0, "")
    key = output.strip()
    kept = (tmp_path / "api-keys.json").read_text()
    assert key.startswith("beurs_")
    assert key not in kept
    assert "carol" in kept
    assert "there is no such account" in failed("key", "create", "dave", "--data-directory", tmp_path)[1]
    assert "there is no journal" in failed("key", "create", "carol", "--data-directory", tmp_path / "none")[1]


def test_keys_of_staff_are_issued_beside_those_of_accounts(tmp_path):
    with Exchange(tmp_path) as exchange:
        exchange.open_account("carol")
    for arguments in (("carol",), ("--staff", "ops"), ("carol",)):
        code, output, errors = beurs("key", "create", *arguments, "--data-directory", tmp_path)
        assert (code, errors, output[:6]) == (0, "", "beurs_")
        assert output.strip() not in (tmp_path / "api-keys.json").read_text()
    code, output, _ = beurs("key", "list", "--json", "--data-directory", tmp_path)
    assert (code, json.loads(output)["keys"]) == (
        0,
        [
            {"account": "carol", "key_id": 1, "demo": False},
            {"staff": "ops", "demo": False},
            {"account": "carol", "key_id": 2, "demo": False},
        ],
    )
    assert "ops" in beurs("key", "list", "--data-directory", tmp_path)[1]
    for name in ("", "a b", "x" * 32, "ø"):
        assert "1 to 31 printable ASCII" in failed("key", "create", "--staff", name, "--data-directory", tmp_path)[1]
    for arguments in ((), ("carol", "--staff", "ops")):
        assert beurs("key", "create", *arguments, "--data-directory", tmp_path)[0] == 2


def test_keys_that_sign_are_made_and_registered(tmp_path):
    data, pair = tmp_path / "data", tmp_path / "alice.pem"
    with fill_venue(Exchange(data)):
        pass
    code, output, errors = beurs("key", "create", "alice", "--ed25519", pair, "--data-directory", data)
    assert (code, errors) == (0, "")
    public, _, key_id = output.split()
    assert (len(public), key_id) == (64, "1")
    assert pair.stat().st_mode & 0o777 == 0o600
    secret = pair.read_text().splitlines()[1]
    assert secret not in output
    assert secret not in (data / "api-keys.json").read_text()
    assert "is there already" in failed("key", "create", "bob", "--ed25519", pair, "--data-directory", data)[1]
    other = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    (tmp_path / "public").write_text(other)
    added = beurs("key", "add", "bob", "--public", tmp_path / "public", "--data-directory", data)
    assert added == (0, f"{other} key_id 1\n", "")
    for account, text, reason in (
        ("alice", other, "public: is registered already"),
        ("carol", "00" * 31 + "03", "public: "),
        ("alice", pair, "public: must be an Ed25519 public key"),
    ):
        _, line = failed("key", "add", account, "--public", text, "--data-directory", data)
        assert line.startswith(f"beurs: {reason}"), line
        assert secret not in line
    assert "no such account" in failed("key", "add", "dave", "--public", public, "--data-directory", data)[1]
    code, output, _ = beurs("key", "list", "--json", "--data-directory", data)
    assert code == 0
    assert json.loads(output)["keys"] == [
        {"account": "alice", "key_id": 1, "demo": False, "ed25519": public},
        {"account": "bob", "key_id": 1, "demo": False, "ed25519": other},
    ]


def test_a_database_that_cannot_be_used_is_one_line(tmp_path):
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"not a database" * 1000)
    for url in ("nonsense", "nothing://x", f"sqlite:///{damaged}"):
        code, _, errors = beurs("serve", "--port", "0", "--data-directory", tmp_path / "data", BEURS_DATABASE_URL=url)
        assert code == 1
        assert "Traceback" not in errors
        assert errors.splitlines()[-1].startswith("beurs: ")


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = failed("serve", "--port", port, "--data-directory", tmp_path / "data")
        assert code == 1
        assert f"127.0.0.1:{port}" in line
        address = f"127.0.0.1:{port}"
        code, line = failed("serve", "--port", 0, "--binary", address, "--data-directory", tmp_path / "data")
        assert code == 1
        assert address in line
        assert "in use" in line
