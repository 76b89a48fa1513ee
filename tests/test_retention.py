"""Old journal segments, seen from Python: dropped behind checkpoints, archived, and said when they are asked for."""

import functools
from pathlib import Path

import pytest

from beurs import Exchange, engine
from beurs.config import Settings, SettingsInvalid
from beurs.errors import InputError, JournalTrimmed
from tests.conftest import fill_venue

ROUNDS = 4


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beurs.exchange.engine.Node", functools.partial(engine.Node, segment_bytes=16 << 10))


def trade(ex: Exchange) -> None:
    for _ in range(ROUNDS):
        for _ in range(200):
            order = ex.submit("alice", "BTC-USD", "buy", "0.0001", price="10000")
            ex.cancel("alice", order.order_id)
        ex.checkpoint()


def segments(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.segment"))


def test_dropped_segments_are_named_to_who_asks_for_them(tmp_path: Path) -> None:
    with fill_venue(Exchange(tmp_path, checkpoints_kept=2, journal_retention="drop", event_ring_bytes=0)) as ex:
        trade(ex)
        stats = ex.node.stats()
        assert stats["segments_removed"] > 0
        assert stats["retention_failures"] == 0
        with pytest.raises(JournalTrimmed, match="archived or dropped") as trimmed:
            ex.events()
        first = trimmed.value.first
        assert 1 < first <= ex.sequence
        assert ex.events(first - 1)[0].sequence == first
        digest = ex.digest()
    report = engine.verify(str(tmp_path))
    assert (report["matches"], report["digest"], report["from_sequence"]) == (True, digest, first - 1)
    for checkpoint in (tmp_path / "checkpoint").iterdir():
        checkpoint.unlink()
    with pytest.raises(JournalTrimmed):
        Exchange(tmp_path)


def test_archived_segments_put_back_are_the_whole_journal(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    options = {"checkpoints_kept": 1, "journal_retention": "archive", "journal_archive_directory": archive}
    with fill_venue(Exchange(tmp_path / "data", **options)) as ex:  # type: ignore[arg-type] # one dictionary for three kinds
        trade(ex)
        digest = ex.digest()
    assert len(segments(archive)) > 1
    for path in archive.iterdir():
        path.rename(tmp_path / "data" / "journal" / path.name)
    report = engine.verify(str(tmp_path / "data"))
    assert (report["matches"], report["digest"], report["from_sequence"]) == (True, digest, 0)


def test_a_reader_keeps_what_it_needs(tmp_path: Path) -> None:
    node = engine.Node(tmp_path, checkpoints_kept=1, journal_retention="drop", readers=["one"], segment_bytes=16 << 10)
    node.close()
    with fill_venue(Exchange(tmp_path, checkpoints_kept=1, journal_retention="drop", event_ring_bytes=0)) as ex:
        ex.node.set_reader("one", 0)
        trade(ex)
        assert ex.events(limit=1)[0].sequence == 1
        ex.node.set_reader("one", ex.sequence)
        ex.checkpoint()
        with pytest.raises(JournalTrimmed):
            ex.events()


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="journal_archive_directory"):
        Exchange(tmp_path, journal_retention="archive")
    with pytest.raises(InputError, match="keep, archive or drop"):
        Exchange(tmp_path, journal_retention="burn")
    with pytest.raises(InputError, match="checkpoints_kept"):
        Exchange(tmp_path, checkpoints_kept=0)
    with pytest.raises(SettingsInvalid, match="journal_retention"):
        Settings.load(journal_retention="burn")


def test_commands_are_read_from_the_segments_that_there_are(tmp_path: Path) -> None:
    with fill_venue(Exchange(tmp_path, checkpoints_kept=2, journal_retention="drop", event_ring_bytes=0)) as ex:
        groups = {}
        for group in range(1, 41):
            ex.set_account_group("alice", group)
            groups[ex.sequence] = group
            for _ in range(30):
                ex.cancel("alice", ex.submit("alice", "BTC-USD", "buy", "0.0001", price="10000").order_id)
            if group % 10 == 0:
                ex.checkpoint()
        assert ex.node.stats()["segments_removed"] > 0
        with pytest.raises(JournalTrimmed) as trimmed:
            ex.events()
        found = dict(zip(groups, ex.node.commands_at(list(groups)), strict=True))
        (alice,) = [row["account_id"] for row in ex.node.accounts() if row["code"] == "alice"]
        for sequence, command in found.items():
            if sequence >= trimmed.value.first:
                assert command == engine.set_account_group(alice, groups[sequence])
            assert ex.node.commands_at([sequence]) == [command]
        assert None in found.values()
        assert ex.node.commands_at([0, ex.sequence + 1]) == [None, None]
    with fill_venue(Exchange()) as ex:
        assert ex.node.commands_at([1, 2]) == [None, None]  # it is not kept
