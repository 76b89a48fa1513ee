# ruff: noqa: E501 -- the text is Markdown, where lines of a table cannot be broken.
"""The page docs/reference/rest.md, from the OpenAPI document and the tables of errors."""

from __future__ import annotations

import inspect
from typing import Any

from beurs.config import Settings
from beurs.web.problems import CODES, REJECT_FIELD, REJECT_RULES, REJECT_STATUS
from beurs.web.protocol import HEAD_BYTES_MAX

DEFAULTS = Settings.model_fields

INTRODUCTION = f"""\
# REST

This page is generated from `python/beurs`. A running server has the same as an OpenAPI document at `/openapi.json`, and
to try out at `/docs`.

## What holds everywhere

* **Keys.** What concerns an account needs its key in the header `X-API-Key`, once. The body never names an account.
  Orders of other accounts do not exist: they are `unknown_order`.
* **Staff.** Everything under `/v1/admin` needs the key of a member of the venue's staff in the same header. A key of an
  account is `forbidden` there, and a key of staff everywhere else. Each change has a `reason`; it is journalled with the
  name of the key's holder, and listed by `GET /v1/admin/changes`. Reports of single orders are not in its answer: their
  owners get them.
* **Decimals** are strings, in and out, by the grammar `(0|[1-9][0-9]{{0,17}})(\\.[0-9]{{1,18}})?`: no sign, no exponent, no
  JSON numbers. What comes out has no needless zeros. Only a fee, a change or what was posted can have a minus sign.
* **Ids** (`order_id`, `trade_id`) are strings, `sequence` is a number. **Times** are UTC with nine decimals.
* **Strictness.** A field or a query parameter that is not known, or that stands twice, is refused.
* **Durable.** An answer to a command comes when the command is on disk. A `201` survives any crash.
* **Once.** An order with a `client_order_id` can be sent again when no answer came: it has one effect, and the second
  answer is `duplicate_client_order_id`. `GET /v1/orders/client:<client_order_id>` then tells what became of it.
* **Own writes are seen.** What was acknowledged before a request is in its answer. Open orders, balances and books come
  from the engine; what is past, and trading statuses, come from the store, for which a read waits at most
  {DEFAULTS["store_wait_seconds_max"].default:g} s and then is `503 store_unavailable`.
* **Errors** all look like this; `field` is there when one field or parameter is at fault:
  ```json
  {{"error": {{"code": "not_a_multiple", "message": "…", "field": "price"}}}}
  ```
* Every answer has an `X-Request-Id`, which is also in the logs.

## Limits

| what | at most | then |
|---|---|---|
| request line and headers | {HEAD_BYTES_MAX // 1024} KiB | 431 |
| body | {DEFAULTS["body_bytes_max"].default // 1024} KiB (`body_bytes_max`) | 413 |
| time for a request to arrive | {DEFAULTS["body_seconds_max"].default:g} s (`body_seconds_max`) | 408 |
| orders in a batch | {DEFAULTS["batch_orders_max"].default} (`batch_orders_max`) | 422 |
| rows in a list, levels in a book | 1,000 | 422; read on with `cursor` |
| commands that wait for the journal | {DEFAULTS["queue_capacity"].default:,} (`queue_capacity`) | 503 `too_busy`, nothing took effect |
"""


def rest_page(document: dict[str, Any]) -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    named: list[str] = []
    for tag, operations in by_tag.items():
        lines += [f"## {tag.capitalize()}", ""]
        for method, path, operation in operations:
            lines += _operation(method, path, operation, named)
    lines += ["## Types", ""]
    schemas = document["components"]["schemas"]
    for name in named:  # grows: a type names others
        lines += _type(name, schemas[name], named)
    lines += [*_codes()]
    return "\n".join(lines)


def _operation(method: str, path: str, operation: dict[str, Any], named: list[str]) -> list[str]:
    staff = {"StaffKey": []} in operation.get("security", [])
    key = f" Needs a key{' of staff' if staff else ''}." if operation.get("security") else ""
    lines = [f"### {method} {path}", "", operation["description"].strip() + key, ""]
    parameters = operation.get("parameters", [])
    if parameters:
        lines += ["| parameter | | |", "|---|---|---|"]
        for parameter in parameters:
            schema = parameter["schema"]
            default = f"Default `{schema['default']}`." if "default" in schema else ""
            words = _words(schema)
            text = " ".join(part for part in (parameter.get("description", ""), words, default) if part)
            lines.append(f"| `{parameter['name']}` | {parameter['in']} | {text} |")
        lines.append("")
    body = operation.get("requestBody")
    if body:
        lines += [f"Body: {_json_type(body['content']['application/json']['schema'], named)}.", ""]
    for status, answer in operation["responses"].items():
        if int(status) < 300:
            content = answer["content"].get("application/json")
            what = _json_type(content["schema"], named) if content else "text"
            lines += [f"Answer {status}: {what}. {answer['description']}", ""]
    errors = [status for status in operation["responses"] if int(status) >= 400]
    lines += [f"Errors: {', '.join(errors)}.", ""] if errors else []
    return lines


def _words(schema: dict[str, Any]) -> str:
    for one in (schema, *schema.get("anyOf", ())):
        if "enum" in one:
            return "One of " + ", ".join(f"`{word}`" for word in one["enum"]) + "."
    return ""


def _json_type(schema: dict[str, Any], named: list[str]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in named:
            named.append(name)
        return f"[`{name}`](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_json_type(one, named) for one in schema["anyOf"])
    if "enum" in schema:
        return " \\| ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_json_type(schema['items'], named)}"
    if "pattern" in schema:
        return "decimal" if "0-9" in schema["pattern"] else "text"
    return {"string": "text", "integer": "number", "number": "number", "boolean": "boolean"}.get(kind, kind)


def _type(name: str, schema: dict[str, Any], named: list[str]) -> list[str]:
    if "enum" in schema:
        return [f"### {name}", "", f"{inspect.cleandoc(schema.get('description', ''))} {_words(schema)}", ""]
    lines = [f"### {name}", "", inspect.cleandoc(schema.get("description", "")), "", "| field | |", "|---|---|"]
    required = schema.get("required", [])
    incoming = schema.get("additionalProperties") is False
    for field, content in schema.get("properties", {}).items():
        need = " (required)" if incoming and field in required else ""
        said = content.get("description", "") if incoming else ""
        if content.get("default"):
            said = f"{said} Default {content['default']}.".strip()
        lines.append(f"| `{field}` | {_json_type(content, named)}{need}{': ' if said else ''}{said} |")
    return [*lines, ""]


def _codes() -> list[str]:
    lines = ["## Error codes", "", "What the services say themselves:", ""]
    lines += ["| status | code | meaning |", "|---:|---|---|"]
    lines += [f"| {status} | `{code}` | {meaning} |" for code, (status, meaning) in CODES.items()]
    lines += [
        "",
        "What the engine refuses, in its [precedence](rejects.md): 404 what does not exist, 422 what is wrong in",
    ]
    lines += ["itself or for this instrument, 409 what the present state forbids.", ""]
    lines += ["| status | code | field | rule |", "|---:|---|---|---|"]
    for code, status in REJECT_STATUS.items():
        field = f"`{REJECT_FIELD[code]}`" if code in REJECT_FIELD else ""
        lines.append(f"| {status} | `{code}` | {field} | {REJECT_RULES[code]} |")
    return lines
