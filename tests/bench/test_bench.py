"""`beurs bench`: its stream, its results, its chart. No figure is judged."""

import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from beurs import Exchange, bench
from beurs.bench import peers, runner
from beurs.bench.stream import RESTING, Step, StepKind, fill, make
from beurs.errors import InputError
from beurs.records import CommandKind, EventKind


@pytest.fixture(scope="module")
def stream():
    return make(2_000, seed=7)


def run_bench(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "beurs.cli", "bench", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )


def test_the_same_seed_gives_the_same_stream_and_another_one_another(stream):
    again, other = make(2_000, seed=7), make(2_000, seed=8)
    assert again.resting.tobytes() == stream.resting.tobytes()
    assert again.commands.tobytes() == stream.commands.tobytes()
    assert again.steps == stream.steps
    assert np.array_equal(again.traded, stream.traded)
    assert other.commands.tobytes() != stream.commands.tobytes()


def test_the_stream_trades_cancels_and_replaces_and_nothing_of_it_is_refused(stream):
    assert len(stream.resting) == RESTING
    assert len(stream.commands) == len(stream.traded) == 2_000
    kinds = [step.kind for step in stream.steps[RESTING:]]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in StepKind}
    assert 0.35 < shares[StepKind.LIMIT] < 0.6
    assert 0.15 < shares[StepKind.CANCEL] < 0.4
    for kind, share in ((StepKind.REPLACE, 0.1), (StepKind.IOC, 0.1), (StepKind.MARKET, 0.05)):
        assert 0.5 * share < shares[kind] < 1.5 * share
    with fill(Exchange()) as ex:
        ex.execute(stream.resting)
        events = ex.execute(stream.commands)
        _, bids, asks = ex.node.book(1, 100_000)
    assert not (events["kind"] == EventKind.REJECTED).any()
    assert events["last_quantity"].sum() == 2 * stream.traded[-1] > 0
    assert 0.5 * RESTING < sum(level[2] for level in [*bids, *asks]) < 1.5 * RESTING


def test_a_plain_book_trades_the_steps_as_the_engine_trades_the_commands(stream):
    """The naive twin of every peer: price, then time."""
    book: dict[int, list] = {}  # order_id: is_buy, price, place in time, quantity
    total, totals = 0, []
    for place, step in enumerate(stream.steps):
        if step.kind in (StepKind.CANCEL, StepKind.REPLACE):
            del book[step.order_id]
        if step.kind == StepKind.CANCEL:
            totals.append(total)
            continue
        quantity, sign = step.quantity, 1 if step.is_buy else -1
        others = [
            (sign * price, at, order_id) for order_id, (buys, price, at, _) in book.items() if buys != step.is_buy
        ]
        for price, _, order_id in sorted(others):
            if not quantity or (step.kind != StepKind.MARKET and price > sign * step.price):
                break
            lots = min(quantity, book[order_id][3])
            quantity, total = quantity - lots, total + lots
            book[order_id][3] -= lots
            if not book[order_id][3]:
                del book[order_id]
        if quantity and step.kind in (StepKind.LIMIT, StepKind.REPLACE):
            book[step.order_id] = [step.is_buy, step.price, place, quantity]
        totals.append(total)
    assert totals[RESTING:] == stream.traded.tolist()


def test_a_command_becomes_the_step_of_its_order(stream):
    for command, step in zip(stream.commands, stream.steps[RESTING:], strict=True):
        if command["kind"] == CommandKind.CANCEL_ORDER:
            assert step == Step(StepKind.CANCEL, command["order_id"], command["account_id"], step.is_buy, 0, 0)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Everything, once: where it was written, and what was printed."""
    directory = tmp_path_factory.mktemp("bench")
    fonts = str(tmp_path_factory.mktemp("matplotlib"))  # Nothing goes to the home directory.
    done = run_bench("--rounds", 1, "--scale", "0.002", "--output", directory, "--json", MPLCONFIGDIR=fonts)
    assert done.returncode == 0, done.stderr
    return directory, json.loads(done.stdout)


def test_everything_is_measured(measured):
    directory, results = measured
    assert results == json.loads((directory / "results.json").read_text())
    assert results["machine"]["cores"] >= 1
    assert len(results["load_before"]) == len(results["load_after"]) == 3
    rows = {row["name"]: row for row in results["measurements"]}
    assert {*rows, "peers", *(row["name"] for row in results["peers"])} == set(bench.NAMES)
    for row in rows.values():
        assert row["figures"], row
        for figure in row["figures"]:
            assert figure["least"] <= figure["median"] <= figure["greatest"]
            assert figure["unit"] in ("commands/s", "ns", "µs", "s", "bytes")
    assert {path.name for path in directory.iterdir()} <= {"bench.svg", "results.json"}


def test_the_figures_are_drawn(measured):
    pytest.importorskip("matplotlib")
    root = ET.parse(measured[0] / "bench.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "replay of a journal" in text
    assert "round trip in memory, p99" in text


def test_people_get_a_table_and_one_line_without_matplotlib(tmp_path, monkeypatch, capsys):
    from beurs.cli import main

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit) as ended:
        main(["bench", "memory", "--quick", "--scale", "0.005", "--output", str(tmp_path)])
    assert not ended.value.code
    written = capsys.readouterr()
    assert "memory" in written.out
    assert "commands/s" in written.out
    assert written.err.splitlines() == ['no chart: it needs matplotlib, pip install "beurs[bench]"']
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_name_that_is_none_is_refused(tmp_path):
    done = run_bench("memroy", "--output", tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "memroy is none of memory, journal" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("scale", [0, -1, 1.5])
def test_a_scale_that_makes_no_sense_is_refused(scale, tmp_path):
    with pytest.raises(InputError) as refused:
        runner.run(["memory"], tmp_path, scale=scale)
    assert refused.value.field == "scale"


def test_rounds_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(InputError) as refused:
        runner.run(["memory"], tmp_path, rounds=0)
    assert refused.value.field == "rounds"


def test_peers_that_are_missing_or_fail_are_skipped_with_a_reason(tmp_path, monkeypatch):
    def broken(module, steps):
        raise ArithmeticError("it cannot count")

    monkeypatch.setattr(
        runner, "PEERS", (peers.Peer("no_such_order_book", 100, broken), peers.Peer("json", 100, broken))
    )
    results = runner.run(["peers"], tmp_path, quick=True, scale=0.005)
    assert results["measurements"] == []
    missing, failed = results["peers"]
    assert missing == {
        "name": "no_such_order_book",
        "skipped": 'not installed; pip install "beurs[peers]" or no_such_order_book',
    }
    assert failed == {"name": "json", "skipped": "it failed: ArithmeticError: it cannot count"}


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.name)
def test_a_peer_that_is_installed_trades_as_much_as_we_do(peer, stream):
    pytest.importorskip(peer.name)
    assert peer.run(stream.steps).traded == stream.traded[-1]


def test_a_measurement_that_fails_says_so_and_the_others_go_on(tmp_path, monkeypatch):
    def broken(setting):
        raise OSError("the disk is gone")

    first, second, *_ = runner.MEASUREMENTS
    failing = runner.Measurement("journal", second.what, second.figures, broken)
    monkeypatch.setattr(runner, "MEASUREMENTS", (first, failing))
    results = runner.run(["memory", "journal"], tmp_path, quick=True, scale=0.005)
    good, bad = results["measurements"]
    assert good["figures"][0]["median"] > 0
    assert bad["failed"] == "OSError: the disk is gone"
