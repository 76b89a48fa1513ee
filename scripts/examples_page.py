"""Makes docs/concepts/examples.md: the scenarios of the rulebook's rules, each in a few readable lines.

The scenarios are tests (tests/scenarios), so what the page shows is what the engine does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SCENARIOS = Path(__file__).parents[1] / "tests" / "scenarios"
_NUMBERED = re.compile(r"(\d+)(?:\.(\d+))?[ :]")
_CHECKS = (
    "rejected", "events", "trades", "fills", "orders", "terms", "book", "levels", "balances", "last_price",
    "trading_status", "indications", "positions",
)  # fmt: skip


def examples_page() -> str:
    """Every scenario whose name begins with the number of a rule, in the order of the rules."""
    found: list[tuple[tuple[int, int], str, list[str]]] = []
    for path in sorted(SCENARIOS.glob("rules_*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        for scenario in content["scenarios"]:
            number = _NUMBERED.match(scenario["name"])
            if number is not None:
                rule = (int(number[1]), int(number[2] or 0))
                lines = [*_steps(content.get("setup", [])), *_steps(scenario["steps"])]
                symbols = [
                    instrument["symbol"] for instrument in scenario.get("venue", content["venue"])["instruments"]
                ]
                if len(symbols) == 1:  # It goes without saying.
                    lines = [line.replace(f" symbol={symbols[0]}", "") for line in lines]
                found.append((rule, scenario["name"], lines))
    found.sort(key=lambda example: (example[0], example[1]))
    lines = [
        "# Worked examples",
        "",
        "Each rule of [the rulebook](rulebook.md) at work. This page is made from the scenario tables in",
        "`tests/scenarios`, which are tests: `>` is a command, below it is what must come of it.",
        "",
    ]
    section = 0
    for rule, name, steps in found:
        if rule[0] != section:
            section = rule[0]
            lines += [f"## Section {section}", ""]
        lines += [f"### {name}", "", "```text", *steps, "```", ""]
    return "\n".join(lines)


def _steps(steps: list[dict[str, Any]]) -> list[str]:
    lines = []
    for step in steps:
        if "time_ns" in step:
            lines.append(f"> at {step['time_ns']} ns:")
        for kind, said in step.items():
            if kind not in (*_CHECKS, "time_ns"):
                lines.append(f"> {kind} {_said(said)}".rstrip())
        for check in _CHECKS:
            if check in step:
                lines += [f"  {line}" for line in _check(check, step[check])]
    return lines


def _check(check: str, expected: Any) -> list[str]:
    if check == "rejected":
        return [f"rejected: {expected}"]
    if check == "events":
        return [_event(event) for event in expected]
    if check == "trades":
        return [f"trade {_said(trade)}" for trade in expected] or ["no trade"]
    return [f"{check}: {_said(expected)}"]


def _event(event: dict[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key not in ("event", "exec_type", "order")}
    kind = event.get("event") or event.get("exec_type", "execution")
    return " ".join(part for part in (kind, event.get("order", ""), _said(rest)) if part)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(
            f"{key}={_said(item) if not isinstance(item, dict) else _inner(item)}" for key, item in value.items()
        )
    if isinstance(value, list):
        return "[" + ", ".join(_inner(item) for item in value) + "]"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _inner(value: Any) -> str:
    return "{" + _said(value) + "}" if isinstance(value, dict) else _said(value)
