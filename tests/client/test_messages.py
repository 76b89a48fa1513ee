"""The codec of the binary door against its schema, and against a codec made from the schema by somebody else's tool."""

import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import sbe
from hypothesis import given, settings
from hypothesis import strategies as st

from beurs import engine, values
from beurs.client import messages
from beurs.client.messages import CLASSES, HEADER, LAYOUTS, decode, encode, frames
from beurs.errors import ProtocolError

DOCS = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = DOCS / "beurs.sbe.xml"
ROOT = ET.parse(SCHEMA).getroot()
with SCHEMA.open("rb") as file:
    THEIRS = sbe.Schema.parse(file)

_RANGES = {
    "UInt8": (8, 0),
    "UInt16": (16, 0),
    "UInt32": (32, 0),
    "UInt64": (64, 0),
    "Int64": (64, 1),
    "Int128": (128, 1),
}
_LENGTHS = {"ClientOrderId": 36, "Symbol": 32, "AssetCode": 16, "AccountCode": 32, "Bytes32": 32, "Bytes64": 64}
_BITS = {
    "LogonOptions": ("CANCEL_ON_DISCONNECT", "MARKET_DATA", "RESUME"),
    "OrderFlags": ("POST_ONLY", "HIDDEN", "AUCTION_ONLY", "SLIDE"),
    "TermsFlags": ("TERMS_HIDDEN", "TERMS_AUCTION_ONLY", "TERMS_SLIDE", "TERMS_WAITS"),
    "ReportFlags": ("LAST", "REPLAYED"),
    "Channels": ("BOOK", "TRADES", "STATUS"),
    "UpdateFlags": ("LAST",),
}


def _values(kind: str) -> dict[str, int]:
    (node,) = ROOT.findall(f"types/*[@name='{kind}']")
    return {value.attrib["name"]: int(value.text or "") for value in node}


def test_the_table_is_that_of_the_schema() -> None:
    theirs = {
        int(node.attrib["id"]): (
            node.attrib["name"],
            int(node.attrib["blockLength"]),
            [(field.attrib["name"], field.attrib["type"]) for field in node],
        )
        for node in ROOT
        if node.tag.endswith("}message")
    }
    assert {number: (at.name, at.size, at.fields) for number, at in LAYOUTS.items()} == theirs
    assert (ROOT.attrib["id"], ROOT.attrib["version"]) == (str(messages.SCHEMA), str(messages.VERSION))
    fields = dict(LAYOUTS[2].fields)
    assert struct.calcsize("<32sQIIB") == messages.SIGNED_BYTES
    assert list(fields)[-1] == "signature"


def test_the_words_are_those_of_the_schema() -> None:
    for node in ROOT.findall("types/enum"):
        kind, theirs = node.attrib["name"], _values(node.attrib["name"])
        if kind == "OptionalSide":
            ours = {"none": 0} | {member.value: member.number for member in values.Side}
        elif kind == "RejectReason":
            ours = {code: number for number, code, _ in engine.reject_reasons()}
        else:
            ours = {member.value: member.number for member in getattr(values, kind, getattr(messages, kind, None))}
        assert theirs.items() <= ours.items() if kind == "RejectReason" else theirs == ours, kind
    for node in ROOT.findall("types/set"):
        kind = node.attrib["name"]
        for name, bit in _values(kind).items():
            if kind in _BITS:
                word = next(word for word in _BITS[kind] if word.lower().removeprefix("terms_") == name)
                assert getattr(messages, word) == 1 << bit


def _strategy(kind: str) -> st.SearchStrategy[Any]:
    if kind in _RANGES:
        bits, signed = _RANGES[kind]
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return st.one_of(st.integers(low, high), st.sampled_from([low, high, 0]))
    if kind in ("Bytes32", "Bytes64"):
        return st.binary(min_size=_LENGTHS[kind], max_size=_LENGTHS[kind])
    if kind in _LENGTHS:
        return st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=_LENGTHS[kind])
    (node,) = ROOT.findall(f"types/*[@name='{kind}']")
    numbers = list(_values(kind).values())
    return st.sampled_from(numbers) if node.tag == "enum" else st.integers(0, (1 << len(numbers)) - 1)


def _theirs(kind: str, value: Any) -> Any:
    """A value as their codec takes it."""
    if kind == "Int128":
        return {"lo": value & (1 << 64) - 1, "hi": value >> 64}
    if kind in ("Bytes32", "Bytes64"):
        words = struct.unpack(f"<{len(value) // 8}Q", value)
        return {f"word_{at}": word for at, word in enumerate(words)}
    if kind in _LENGTHS:
        return value.encode()
    if kind in _RANGES:
        return value
    (node,) = ROOT.findall(f"types/*[@name='{kind}']")
    if node.tag == "enum":
        return next(name for name, number in _values(kind).items() if number == value)
    return [name for name, bit in _values(kind).items() if value >> bit & 1]


def _said(value: Any) -> Any:
    """What their codec gives, as it takes it."""
    return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize("number", LAYOUTS, ids=lambda number: LAYOUTS[number].name)
@settings(max_examples=15)
@given(data=st.data())
def test_each_message_has_the_bytes_of_a_generated_codec(number: int, data: st.DataObject) -> None:
    layout = LAYOUTS[number]
    given = {name: data.draw(_strategy(kind), label=name) for name, kind in layout.fields}
    frame = encode(layout.kind(**given))
    theirs = {name: _theirs(kind, given[name]) for name, kind in layout.fields}
    encoded = THEIRS.encode(THEIRS.messages[number], theirs)
    assert frame == struct.pack("<HH", len(encoded) + 4, 0xEB50) + encoded
    read = THEIRS.decode(frame[4:])
    assert read.message_name == layout.name
    for name, kind in layout.fields:
        enum = kind not in _RANGES and kind not in _LENGTHS
        assert (read.value[name] if enum else _said(read.value[name])) == theirs[name], name
    ours = decode(frame)
    assert ours == layout.kind(**given)
    assert encode(ours) == frame


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(0, 400), max_size=12), junk=st.binary(max_size=10))
def test_frames_are_found_however_they_arrive(cuts: list[int], junk: bytes) -> None:
    sent = [CLASSES["Heartbeat"](test_id=7), CLASSES["NewOrder"](client_order_id="a"), CLASSES["TestRequest"]()]
    later = HEADER.pack(HEADER.size + len(junk), 0xEB50, len(junk), 999, 1, 2) + junk
    stream = encode(sent[0]) + later + encode(sent[1]) + encode(sent[2])
    buffer, found, at = bytearray(), [], 0
    for cut in sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)}):
        buffer += stream[at:cut]
        at = cut
        found += list(frames(buffer))
    assert found == sent
    assert not buffer


def test_a_later_version_may_add_fields() -> None:
    frame = bytearray(encode(CLASSES["TestRequest"](test_id=5)) + b"more")
    HEADER.pack_into(frame, 0, len(frame), 0xEB50, len(frame) - 12, 7, 1, 2)
    assert decode(frame) == CLASSES["TestRequest"](test_id=5)


@pytest.mark.parametrize(
    "header",
    [(20, 0x5BE0, 8, 7, 1, 1), (20, 0xEB50, 7, 7, 1, 1), (20, 0xEB50, 8, 7, 2, 1), (20, 0xEB50, 8, 7, 1, 0)],
)
def test_what_is_no_frame_of_ours_is_an_error(header: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        decode(HEADER.pack(*header) + bytes(8))
    for length in (0, 11, 1025):
        with pytest.raises(ProtocolError):
            list(frames(bytearray(struct.pack("<H", length))))
    with pytest.raises(ProtocolError, match="Heartbeat has 8 bytes"):
        decode(HEADER.pack(20, 0xEB50, 8, 6, 1, 1) + bytes(8))


def test_what_does_not_fit_is_not_sent() -> None:
    for wrong in ({"price": 1 << 63}, {"client_order_id": "x" * 37}, {"client_order_id": "é"}, {"side": 256}):
        with pytest.raises(ProtocolError):
            encode(CLASSES["NewOrder"](**wrong))


def test_the_worked_example_of_the_page_is_ours() -> None:
    page = (DOCS / "wire.md").read_text(encoding="utf-8")
    example = {
        name: bytes.fromhex(text) for name, text in re.findall(r"```hex (\w+)\n([0-9a-f\s]+)```", page, re.DOTALL)
    }
    assert decode(example["challenge"]).nonce == bytes(range(0x40, 0x60))
    order = decode(example["order"])
    assert (order.price, order.quantity, order.flags) == (6_002_092, 219, messages.POST_ONLY)
    assert order.client_order_id == "a-1"
    for frame in example.values():
        assert encode(decode(frame)) == frame
