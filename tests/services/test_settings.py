"""Settings, keys, logs and the tables that the errors are made of."""

import json
import logging
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import structlog

from beurs import logs, values
from beurs.config import Settings, SettingsInvalid
from beurs.engine import reject_reasons
from beurs.errors import InputError
from beurs.keys import AccountKey, KeyFile, KeyRing, Operator, StaffKey, Trader, digest, new_key
from beurs.orders.schemas import NewOrder, OrderBatch
from beurs.timestamps import parse_timestamp, timestamp
from beurs.web import words
from beurs.web.problems import CODES, REJECT_FIELD, REJECT_STATUS, Problem, from_validation
from tests.services.conftest import Running


def test_a_flag_goes_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "beurs.toml"
    file.write_text('port = 1\nhost = "file"\nlog_format = "json"\n')
    monkeypatch.setenv("BEURS_PORT", "2")
    monkeypatch.setenv("BEURS_HOST", "environment")
    settings = Settings.load(file, port=3, host=None)
    assert (settings.port, settings.host, settings.log_format, settings.log_level) == (3, "environment", "json", "info")
    monkeypatch.setenv("BEURS_CONFIG", str(file))
    assert Settings.load().log_format == "json"


def test_defaults() -> None:
    settings = Settings.load(data_directory="x")
    assert (settings.host, settings.port, settings.demo, settings.simulator_runs) == ("127.0.0.1", 8000, False, False)
    assert settings.store_url == "sqlite:///x/store.sqlite"
    assert Settings.load(demo=True).simulator_runs
    assert not Settings.load(demo=True, simulator=False).simulator_runs


def test_what_is_not_a_setting_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsInvalid, match="prot: there is no such setting"):
        Settings.load(prot=1)
    with pytest.raises(SettingsInvalid, match="port: "):
        Settings.load(port=65_536)
    file = tmp_path / "beurs.toml"
    file.write_text("prot = 1\n")
    with pytest.raises(SettingsInvalid, match="prot: there is no such setting"):
        Settings.load(file)
    file.write_text("port = \n")
    with pytest.raises(SettingsInvalid, match=r"beurs\.toml"):
        Settings.load(file)
    with pytest.raises(SettingsInvalid, match=r"nowhere\.toml"):
        Settings.load(tmp_path / "nowhere.toml")
    monkeypatch.setenv("BEURS_PROT", "1")
    with pytest.raises(SettingsInvalid, match="BEURS_PROT: there is no such setting"):
        Settings.load()


def test_only_the_hash_of_a_key_is_kept(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    first, staff, second = file.issue("alice"), file.issue_to_staff("carol"), file.issue("alice")
    assert len({first, staff, second}) == 3
    for key in (first, staff, second):
        assert key not in file.path.read_text()
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.read() == {
        digest(first): AccountKey("alice", 1),
        digest(staff): StaffKey("carol"),
        digest(second): AccountKey("alice", 2),
    }
    ring = KeyRing()
    trader, operator = Trader(7, "alice", 1), Operator("carol")
    ring.add(digest(first), trader)
    ring.add(digest(staff), operator)
    assert (ring.trader(first.encode()), ring.operator(first.encode())) == (trader, None)
    assert (ring.trader(staff.encode()), ring.operator(staff.encode())) == (None, operator)
    for other in (b"", first.encode()[:-1], first.upper().encode(), first.encode() + b" ", new_key().encode()):
        assert ring.trader(other) is None
        assert ring.operator(other) is None
    assert ring.trader(digest(first)) is None


def test_keys_of_an_earlier_version_are_numbered_in_order(tmp_path: Path) -> None:
    path = tmp_path / "api-keys.json"
    keys = [new_key() for _ in range(3)]
    path.write_text(json.dumps(dict(zip([digest(key).hex() for key in keys], ["alice", "bob", "alice"], strict=True))))
    file = KeyFile(path)
    numbered = [AccountKey("alice", 1), AccountKey("bob", 1), AccountKey("alice", 2)]
    assert list(file.read().values()) == numbered
    file.issue("alice")
    assert list(file.read().values()) == [*numbered, AccountKey("alice", 3)]


def test_an_account_has_at_most_4095_keys(tmp_path: Path) -> None:
    path = tmp_path / "api-keys.json"
    path.write_text(json.dumps({f"{number:064x}": "alice" for number in range(4095)}))
    with pytest.raises(InputError, match="4,095 keys already"):
        KeyFile(path).issue("alice")


def test_demo_keys_are_numbered_with_the_others_and_replaced_together(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    file.issue("alice")
    for key in ("one", "one", "two"):
        file.keep_demo_keys({"alice": key}, {"staff": f"staff-{key}"})
        held = file.read()
        assert held[digest(key)] == AccountKey("alice", 2, demo=True)
        assert held[digest(f"staff-{key}")] == StaffKey("staff", demo=True)
        assert len(held) == 3


def test_a_key_is_valid_at_once_and_a_broken_file_takes_none_away(fresh: Running) -> None:
    file = KeyFile(fresh.exchange.settings.data_directory / "api-keys.json")
    keys = [file.issue("alice"), file.issue("alice"), file.issue_to_staff("ops")]

    def statuses() -> list[int]:
        with fresh.client(None) as client:
            paths = ("/v1/account", "/v1/account", "/v1/admin/changes")
            return [
                client.get(path, headers={"X-API-Key": key}).status_code for path, key in zip(paths, keys, strict=True)
            ]

    assert statuses() == [200, 200, 200]
    file.path.write_text("{")
    with fresh.client(None) as client:
        assert client.get("/v1/account", headers={"X-API-Key": "beurs_x"}).status_code == 401
    assert statuses() == [200, 200, 200]


def test_only_for_a_key_that_is_not_known_it_is_looked_again() -> None:
    looks: list[str] = []

    def look_again() -> None:
        looks.append("")
        ring.add(digest("late"), Operator("late"))

    ring = KeyRing(look_again)
    ring.add(digest("known"), Operator("known"))
    assert (ring.operator(b"known"), looks) == (Operator("known"), [])
    assert ring.operator(b"late") == Operator("late")
    assert ring.operator(b"late") == Operator("late")
    assert len(looks) == 1
    assert ring.operator(b"nonsense") is None
    assert len(looks) == 2


def test_the_signature_of_a_key_file_tells_its_states_apart(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "api-keys.json")
    states = [file.signature()]
    assert states == [None]
    for _ in range(3):
        file.issue("alice")
        states.append(file.signature())
        assert file.signature() == states[-1]
    assert len(set(states)) == 4


def test_keys_are_never_logged(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers, root.level
    try:
        logs.set_up("json", "info")
        structlog.get_logger("x").info("said", api_key="secret-1", authorization="secret-2", path="/v1")
        logging.getLogger("other").warning("from %s", "elsewhere")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers = before
        root.setLevel(level)
        structlog.reset_defaults()
    assert lines[0]["api_key"] == lines[0]["authorization"] == "***"
    assert lines[0]["path"] == "/v1"
    assert lines[0]["event"] == "said"
    assert (lines[1]["event"], lines[1]["level"]) == ("from elsewhere", "warning")


def test_every_rejection_of_the_engine_has_a_status() -> None:
    assert [code for _, code, _ in reject_reasons()] == list(REJECT_STATUS)
    assert set(REJECT_FIELD) <= set(REJECT_STATUS)
    assert not set(CODES) & set(REJECT_STATUS)
    for code in [*CODES, *REJECT_STATUS]:
        problem = Problem(code)
        assert 400 <= problem.status < 600
        assert problem.detail.message


@pytest.mark.parametrize(
    ("text", "enum"),
    [
        (words.SideText, values.Side),
        (words.OrderTypeText, values.OrderType),
        (words.TimeInForceText, values.TimeInForce),
        (words.SelfTradePreventionText, values.SelfTradePrevention),
        (words.OrderStatusText, values.OrderStatus),
        (words.ExecTypeText, values.ExecType),
        (words.CancelReasonText, values.CancelReason),
        (words.LiquidityText, values.Liquidity),
    ],
)
def test_the_words_are_the_engines(text: object, enum: type[values.Side]) -> None:
    absent = {"none"} if enum in (values.CancelReason, values.Liquidity) else set()
    assert set(get_args(text)) == {member.value for member in enum} - absent


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("{}", "missing_field", "symbol"),
        ('{"symbol":"a","side":"b"}', "invalid_value", "side"),
        ('{"symbol":"a","side":1}', "invalid_type", "side"),
        ('{"symbol":"a","x":1}', "unknown_field", "x"),
        ('{"symbol":"a","a`b":1}', "unknown_field", "a`b"),
        ('{"symbol":"a","side":"buy","price":1e400}', "invalid_type", "price"),
        ("[]", "invalid_type", None),
    ],
)
def test_the_forms_of_the_decoders_messages(body: str, code: str, field: str | None) -> None:
    for decoder, text, prefix in (
        (msgspec.json.Decoder(NewOrder), body, ""),
        (msgspec.json.Decoder(OrderBatch), f'{{"orders":[{body}]}}', "orders[0]."),
    ):
        with pytest.raises(msgspec.ValidationError) as raised:
            decoder.decode(text.encode())
        problem = from_validation(raised.value)
        assert problem.code == code
        assert problem.detail.field == ((prefix + (field or "")).rstrip(".") or None)


def test_timestamps_there_and_back() -> None:
    for time_ns, text in (
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (1_738_315_800_000_000_001, "2025-01-31T09:30:00.000000001Z"),
        (1_709_164_799_999_999_999, "2024-02-28T23:59:59.999999999Z"),
    ):
        assert timestamp(time_ns) == text
        assert parse_timestamp(text) == time_ns
    assert parse_timestamp("1970-01-01T00:00:01Z") == 1_000_000_000
    assert parse_timestamp("1970-01-01T00:00:01.5Z") == 1_500_000_000
    for text in (
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1969-12-31T23:59:59Z",
        "1970-02-30T00:00:00Z",
        "１970-01-01T00:00:00Z",
    ):
        with pytest.raises(ValueError, match=r".+"):
            parse_timestamp(text)
