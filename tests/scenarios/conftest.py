"""Says at the end what the scenarios have checked, and what could not be said in which way."""

import pytest

from tests.scenarios.runner import Tally

TALLIES = {"in process": Tally("in process"), "over HTTP": Tally("over HTTP")}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says it."""
    for tally in TALLIES.values():
        if tally.scenarios:
            terminalreporter.write_line(f"{tally.scenarios} scenarios {tally.way}, {tally.checks} checks")
            if tally.timed:
                terminalreporter.write_line(f"  {tally.timed} left out {tally.way}: they set the time of commands")
            if tally.unserved:
                terminalreporter.write_line(f"  {tally.unserved} left out {tally.way}: it has no words for them yet")
            for reason in tally.unsaid:
                terminalreporter.write_line(f"  not said {tally.way}: {reason}")
