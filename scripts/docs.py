"""Writes the pages of docs that are made from the code: the command line, the Python package, the settings, the REST
interface, and the rulebook's worked examples. With --check it writes nothing and exits with 1 if one of them is out of
date.

    python scripts/docs.py [--check]
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import structlog
import typer
from examples_page import examples_page
from rest_page import rest_page

import beurs
from beurs import records
from beurs.app import create_app, open_exchange
from beurs.cli.commands import app as command_line
from beurs.config import ENV_PREFIX, Settings

DOCS = Path(__file__).parents[1] / "docs"


def cli_page() -> str:
    """Every command with its arguments and options."""
    lines = ["# The command line", "", "This page is generated from `python/beurs/cli`.", ""]
    for path, command in _commands("beurs", typer.main.get_command(command_line)):
        lines += [f"## `{path}`", "", inspect.cleandoc(command.help or ""), ""]
        rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| | |", "|---|---|", *rows, ""]
    lines += ["## Exit codes", "", "0 done; 1 it could not be done, one line on standard error says why; 2 the command"]
    lines += ["line makes no sense; 3 something was compared and differs; 130 interrupted."]
    return "\n".join(lines)


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """All commands that do something. Groups only lead to them."""
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name in sorted(children):
        yield from _commands(f"{path} {name}", children[name])


def _parameter(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    option = names[0].startswith("-")
    text = (parameter.help or "").strip()
    if option and not parameter.is_flag and isinstance(parameter.default, int | str):
        text += f" Default: {getattr(parameter.default, 'value', parameter.default)}."
    if parameter.envvar:
        text += f" Environment: `{parameter.envvar}`."
    shown = names if option else [parameter.metavar or parameter.name.upper()]
    return f"| {', '.join(f'`{name}`' for name in shown)} | {text} |"


def python_page() -> str:
    """What the package exports, from its docstrings."""
    lines = ["# The Python package", "", "This page is generated from the docstrings of `beurs`.", ""]
    for name in beurs.__all__:
        thing = getattr(beurs, name)
        if inspect.isclass(thing):
            lines += _class(name, thing)
    lines += ["## `beurs.records`", "", "```text", inspect.cleandoc(records.__doc__ or ""), "```", ""]
    for name in records.__all__:
        thing = getattr(records, name)
        if inspect.isfunction(thing):
            lines += _function(f"records.{name}", thing)
    return "\n".join(lines)


def _class(name: str, thing: type) -> list[str]:
    lines = [f"## `{name}`", "", "```text", inspect.cleandoc(thing.__doc__ or ""), "```", ""]
    parts = [part for part in reversed(thing.__mro__) if part.__module__.startswith("beurs.administration")]
    for method, value in [item for part in (*parts, thing) if thing is not beurs.Staff for item in vars(part).items()]:
        if method.startswith("_"):
            continue
        if isinstance(value, property):
            lines += [f"### `{name}.{method}`", "", "```text", inspect.cleandoc(value.__doc__ or ""), "```", ""]
        elif inspect.isfunction(value):
            lines += _function(f"{name}.{method}", value)
    return lines


def _function(name: str, function: Any) -> list[str]:
    signature = str(inspect.signature(function)).replace("beurs.values.", "").replace("beurs.", "")
    return [
        f"### `{name}`",
        "",
        "```text",
        f"{name}{signature}",
        "",
        inspect.cleandoc(function.__doc__ or ""),
        "```",
        "",
    ]


def settings_page() -> str:
    """Every setting of the server."""
    lines = ["# Settings", "", "This page is generated from `python/beurs/config.py`.", ""]
    lines += [inspect.cleandoc(sys.modules[Settings.__module__].__doc__ or ""), ""]
    lines += ["| setting | environment | default | |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `{name}` | `{ENV_PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines)


def openapi_page() -> str:
    """The OpenAPI document, as a running server gives it."""
    return json.dumps(asyncio.run(_openapi()), indent=1, ensure_ascii=False, sort_keys=True)


async def _openapi() -> Any:
    with tempfile.TemporaryDirectory() as directory:
        with open_exchange(Settings(data_directory=Path(directory))) as exchange:
            door = httpx.ASGITransport(create_app(exchange))
            async with httpx.AsyncClient(transport=door, base_url="http://beurs") as client:
                answer = await client.get("/openapi.json")
        answer.raise_for_status()
        return answer.json()


PAGES = {
    "concepts/examples.md": examples_page,
    "reference/cli.md": cli_page,
    "reference/python.md": python_page,
    "reference/settings.md": settings_page,
    "reference/openapi.json": openapi_page,
    "reference/rest.md": lambda: rest_page(asyncio.run(_openapi())),
}


def main() -> None:
    """Writes or checks all pages."""
    check = "--check" in sys.argv[1:]
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make().rstrip() + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if check:
            stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")
    if stale:
        sys.exit(f"out of date: {', '.join(stale)}; make docs writes them")


if __name__ == "__main__":
    main()
