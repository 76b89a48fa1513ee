"""Proofs of liabilities over REST and the command line, beside a running server and after it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from beurs import Exchange
from beurs.cli import main
from beurs.liabilities.archive import Archive
from beurs.liabilities.documents import check, check_all
from tests.cli.test_local import beurs, failed
from tests.conftest import fill_venue
from tests.services.conftest import run, settings
from tests.waiting import until

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_liabilities.py"


def script(*arguments):
    """Runs the one-file verifier as its readers do, without this package."""
    command = [sys.executable, "-I", "-S", str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd="/")
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with the demo's accounts."""
    yield from run(settings(tmp_path_factory.mktemp("server")))


def test_a_trader_gets_the_newest_proof_and_everybody_the_root(server, tmp_path):
    directory = server.exchange.settings.data_directory
    with server.client(None) as anybody, server.client("alice") as alice:
        for client, path in ((anybody, "/v1/liabilities"), (alice, "/v1/account/liability-proof")):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_liabilities")
        assert anybody.get("/v1/account/liability-proof").status_code == 401
        assert alice.get("/v1/account/liability-proof?account=bob").json()["error"]["code"] == "unknown_parameter"
        server.exchange.projector.wait_for(server.exchange.node.sequence, 60)
        code, made, errors = beurs("liabilities", "make", "--json", "--data-directory", directory)
        assert (code, errors) == (0, "")
        root = anybody.get("/v1/liabilities")
        assert (root.status_code, root.headers["content-type"]) == (200, "application/json")
        assert root.text == made.strip()
        assert root.json()["sequence"] == server.exchange.node.sequence
        assert root.json()["state_digest"] == server.exchange.node.digest()
        proof = alice.get("/v1/account/liability-proof")
        shown = check(root.content, proof.content)
        assert shown.account == "alice"
        balances = {one["asset"]: one["total"] for one in alice.get("/v1/account/balances").json()["balances"]}
        assert {entry.asset for entry in shown.entries} == set(balances)
        with server.client("bob") as bob:
            assert bob.get("/v1/account/liability-proof").json()["account"] == "bob"
        with server.client("staff") as staff:
            assert staff.get("/v1/account/liability-proof").status_code == 403
    (tmp_path / "root.json").write_bytes(root.content)
    (tmp_path / "proof.json").write_bytes(proof.content)
    code, said, errors = script(tmp_path / "root.json", tmp_path / "proof.json")
    assert (code, errors) == (0, "")
    assert said.endswith("holds\n")
    assert "alice" in said
    code, said, errors = script("--all", tmp_path / "root.json", tmp_path / "proof.json")
    assert code == 1
    assert "does not hold" in errors
    assert script()[0] == script(tmp_path / "none")[0] == 2
    code, line = failed("liabilities", "make", "--sequence", 10**6, "--data-directory", directory)
    assert "sequence: the last one is" in line


def test_it_is_made_every_day_while_the_server_runs(tmp_path):
    named = {"clock": "manual", "liabilities_time": "00:05"}
    for server in run(settings(tmp_path, **named)):
        log = Archive(tmp_path).log
        with server.client("staff") as staff, server.client("alice") as alice:
            for day in ("2025-01-31", "2025-02-01"):
                staff.post("/v1/admin/clock", json={"time": f"{day}T00:05:00Z"}).raise_for_status()
                # A manual clock is where the last command is.
                body = {"account": "alice", "asset": "USD", "amount": "1", "reason": "so that there is something new"}
                staff.post("/v1/admin/deposits", json=body).raise_for_status()
                sequence = server.exchange.node.sequence
                until(lambda log=log, least=sequence: any(entry.sequence >= least for entry in log.entries()))
                root, proof = alice.get("/v1/liabilities"), alice.get("/v1/account/liability-proof")
                assert root.json()["sequence"] >= sequence
                assert check(root.content, proof.content).account == "alice"


@pytest.fixture
def command(capsys):
    """Runs the command in this process; gives exit code, standard output and standard error."""

    def run_it(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        return (done.value.code or 0, *capsys.readouterr())

    return run_it


def test_the_command_line_on_a_directory(tmp_path, command, monkeypatch):
    data, out = tmp_path / "data", tmp_path / "out"
    assert "there is no journal" in command("liabilities", "make", "--data-directory", data)[2]
    with fill_venue(Exchange(data)) as ex:
        middle = ex.sequence
        ex.submit("bob", "BTC-USD", "sell", "1", price="20000")
        ex.submit("alice", "BTC-USD", "buy", "1", price="20000")
    code, _, line = command("liabilities", "proof", "alice", "--data-directory", data)
    assert (code, line) == (1, "beurs: there is no proof of liabilities\n")
    code, shown, errors = command("liabilities", "make", "--data-directory", data)
    assert (code, errors) == (0, "")
    assert "BTC" in shown
    assert "1000000000" in shown  # bob's 10 BTC, of which alice has one now
    code, made, _ = command("liabilities", "make", "--sequence", middle, "--json", "--data-directory", data)
    assert (code, json.loads(made)["sequence"]) == (0, middle)
    code, proof, _ = command("liabilities", "proof", "alice", "--sequence", middle, "--data-directory", data)
    assert code == 0
    assert check(made.strip().encode(), proof.encode()).entries[0].total == str(100_000 * 10**6)
    assert "no such account" in command("liabilities", "proof", "carol", "--data-directory", data)[2]
    assert "of sequence 1" in command("liabilities", "proof", "bob", "--sequence", 1, "--data-directory", data)[2]
    assert command("liabilities", "proof", "--data-directory", data)[0] == 2
    code, said, _ = command("liabilities", "proof", "--all-to", out, "--data-directory", data)
    assert (code, said) == (0, "3 proofs\n")  # the venue's own is one without entries
    root, proofs = out / "root.json", sorted(out.glob("proof-*.json"))
    assert check_all(root.read_bytes(), [path.read_bytes() for path in proofs]) == 3
    log = data / "liabilities" / "anchors.log"
    code, said, errors = command("liabilities", "verify", root, *proofs, "--all", "--anchors", log)
    assert (code, errors) == (0, "")
    assert "proof-alice.json: alice 1 BTC, 79994 USD\n" in said
    assert "3 proofs hold, none is missing" in said
    assert script("--all", root, *proofs)[0] == 0
    code, _, line = command("liabilities", "verify", root, *proofs[:1], "--all")
    assert (code, line.count("\n")) == (3, 1)
    monkeypatch.setenv("PATH", "/nonexistent")
    code, _, line = command("liabilities", "make", "--opentimestamps", "--data-directory", data)
    assert (code, "opentimestamps-client" in line) == (1, True)
    proofs[0].write_bytes(proofs[0].read_bytes().replace(b"account", b"Account"))
    code, _, line = command("liabilities", "verify", root, *proofs)
    assert (code, str(proofs[0]) in line) == (3, True)
    log.write_bytes(log.read_bytes().replace(b"number", b"Number", 1))
    assert command("liabilities", "verify", root, "--anchors", log)[0] == 3
    assert "line 1" in command("liabilities", "make", "--data-directory", data)[2]
    log.unlink()
    log.touch()
    assert "not in the log" in command("liabilities", "verify", root, "--anchors", log)[2]
