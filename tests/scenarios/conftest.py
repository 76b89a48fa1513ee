"""Says at the end what the scenarios have checked, and what could not be said in which way."""

import pytest

from tests.scenarios.runner import Tally

TALLIES = {"in process": Tally("in process"), "over HTTP": Tally("over HTTP")}
TALLIES["over the binary door"] = Tally("over the binary door")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says it."""
    for tally in TALLIES.values():
        if tally.scenarios:
            terminalreporter.write_line(
                f"{tally.scenarios} scenarios {tally.way}, {tally.checks} checks; {tally.skipped} left out"
            )
            for note in tally.notes:
                terminalreporter.write_line(f"  {note}")
            for reason in tally.unsaid:
                terminalreporter.write_line(f"  not said {tally.way}: {reason}")
