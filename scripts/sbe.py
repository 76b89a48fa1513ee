"""Writes what is made from the schema of the binary door, docs/reference/beurs.sbe.xml: the messages in Rust, and the
tables of docs/reference/wire.md. With --check it writes nothing and exits with 1 if one of them is out of date.

    python scripts/sbe.py [--check]
"""

import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs" / "reference" / "beurs.sbe.xml"
PAGE = ROOT / "docs" / "reference" / "wire.md"
SOURCE = ROOT / "crates" / "node" / "src" / "sbe" / "messages.rs"
MARK = "<!-- What follows is generated from beurs.sbe.xml by scripts/sbe.py. -->\n"

SIZES = {"char": 1, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "int64": 8}


@dataclass(frozen=True)
class Value:
    """A value of an enum, or a bit of a set."""

    name: str
    number: int
    text: str


@dataclass(frozen=True)
class Kind:
    """A type of fields. `tag` is the schema's: type, composite, enum or set; `primitive` what it is encoded as."""

    name: str
    tag: str
    primitive: str
    size: int
    text: str
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    number: int
    offset: int
    kind: Kind
    text: str


@dataclass(frozen=True)
class Message:
    """A message."""

    name: str
    number: int
    size: int
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Schema:
    """All of it."""

    number: int
    version: int
    kinds: dict[str, Kind]
    messages: tuple[Message, ...]


def read(path: Path = SCHEMA) -> Schema:
    """The schema. Raises ValueError if a block length is not the sum of its fields."""
    root = ET.parse(path).getroot()  # noqa: S314 # our own file
    kinds = {kind.name: kind for kind in map(_kind, root.find("types") or ())}
    messages = tuple(_message(node, kinds) for node in root if node.tag.endswith("}message"))
    return Schema(int(root.attrib["id"]), int(root.attrib["version"]), kinds, messages)


def _kind(node: ET.Element) -> Kind:
    name, text = node.attrib["name"], node.attrib.get("description", "")
    if node.tag == "type":
        primitive = node.attrib["primitiveType"]
        return Kind(name, "type", primitive, SIZES[primitive] * int(node.attrib.get("length", "1")), text)
    if node.tag == "composite":
        return Kind(name, "composite", "", sum(SIZES[part.attrib["primitiveType"]] for part in node), text)
    primitive = node.attrib["encodingType"]
    values = tuple(Value(n.attrib["name"], int(n.text or ""), n.attrib.get("description", "")) for n in node)
    return Kind(name, node.tag, primitive, SIZES[primitive], text, values)


def _message(node: ET.Element, kinds: dict[str, Kind]) -> Message:
    fields, offset = [], 0
    for child in node:
        kind = kinds[child.attrib["type"]]
        text = child.attrib.get("description", "")
        fields.append(Field(child.attrib["name"], int(child.attrib["id"]), offset, kind, text))
        offset += kind.size
    name = node.attrib["name"]
    if offset != int(node.attrib["blockLength"]):
        raise ValueError(f"{name}: the fields have {offset} bytes, blockLength says {node.attrib['blockLength']}")
    return Message(name, int(node.attrib["id"]), offset, node.attrib.get("description", ""), tuple(fields))


def tables(schema: Schema) -> str:
    """The messages and types as Markdown."""
    lines = ["## Messages", "", "| template | message | bytes | |", "|---:|---|---:|---|"]
    lines += [f"| {m.number} | [`{m.name}`](#{m.name.lower()}) | {m.size} | {m.text} |" for m in schema.messages]
    for message in schema.messages:
        lines += ["", f"### {message.name}", "", f"Template {message.number}, block length {message.size}.", ""]
        lines += ["| field | offset | type | | |", "|---:|---:|---|---|---|"]
        for field in message.fields:
            kind = f"`{field.kind.name}`"
            lines.append(f"| {field.number} | {field.offset} | {kind} | `{field.name}` | {field.text} |")
    lines += ["", "## Types", "", "| type | encoded as | bytes | |", "|---|---|---:|---|"]
    for kind in schema.kinds.values():
        encoded = kind.primitive or "composite"
        lines.append(f"| `{kind.name}` | {encoded} {kind.tag if kind.values else ''} | {kind.size} | {kind.text} |")
    for kind in schema.kinds.values():
        if kind.values:
            number = "bit" if kind.tag == "set" else "number"
            lines += ["", f"### {kind.name}", "", kind.text + ".", "", f"| {number} | | |", "|---:|---|---|"]
            lines += [f"| {value.number} | `{value.name}` | {value.text} |" for value in kind.values]
    return "\n".join(lines) + "\n"


RUST = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "int64": "i64"}
OURS = ("RequestReason", "SessionReason")
"""Enums that the engine does not have."""


def source(schema: Schema) -> str:
    """The messages as Rust. Enums that the engine has are there as numbers only, for the test that compares them."""
    lines = ["//! The messages of the binary door. Generated from docs/reference/beurs.sbe.xml by scripts/sbe.py.", ""]
    lines += ["use super::{code, message};", ""]
    lines += ["/// The number of the schema.", f"pub const SCHEMA_ID: u16 = {schema.number};"]
    lines += ["/// Its version.", f"pub const SCHEMA_VERSION: u16 = {schema.version};", ""]
    for kind in schema.kinds.values():
        if kind.name in OURS:
            lines += ["code! {", f"    /// {kind.text}.", f"    {kind.name} {{"]
            for value in kind.values:
                variant = "".join(word.capitalize() for word in value.name.split("_"))
                lines += [f"        /// {value.text}.", f'        {variant} = {value.number} => "{value.name}",']
            lines += ["    }", "}", ""]
        if kind.tag == "set":
            lines += [f"/// {kind.text}.", f"pub mod {_snake(kind.name)} {{"]
            for value in kind.values:
                lines += [f"    /// {value.text}.", f"    pub const {value.name.upper()}: u8 = {1 << value.number};"]
            bits = (1 << len(kind.values)) - 1
            lines += ["    /// All of them.", f"    pub const ALL: u8 = {bits};", "}", ""]
    for message in schema.messages:
        lines += ["message! {", f"    /// {message.text}.", f"    {message.name} = {message.number}, {message.size} {{"]
        for field in message.fields:
            lines += [f"        /// {field.text}.", f"        {field.name}: {_rust(field.kind)},"]
        lines += ["    }", "}", ""]
    lines += ["/// The enums of the schema, as names and numbers.", "#[rustfmt::skip]"]
    lines += ["pub const ENUMS: &[(&str, &[(&str, u16)])] = &["]
    for kind in schema.kinds.values():
        if kind.tag == "enum":
            values = ", ".join(f'("{value.name}", {value.number})' for value in kind.values)
            lines.append(f'    ("{kind.name}", &[{values}]),')
    return "\n".join([*lines, "];", ""])


def _rust(kind: Kind) -> str:
    if kind.name == "Int128":
        return "i128"
    if kind.tag == "composite" or kind.primitive == "char":
        return f"[u8; {kind.size}]"
    return RUST[kind.primitive]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def outputs() -> dict[Path, str]:
    """Every generated file with what it should hold."""
    schema = read()
    page = PAGE.read_text(encoding="utf-8")
    page = page[: page.index(MARK)] + MARK + "\n" + tables(schema)
    return {PAGE: page, SOURCE: source(schema)}


def main() -> None:
    """Writes or checks."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run scripts/sbe.py", file=sys.stderr)
        sys.exit(1 if stale else 0)
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
