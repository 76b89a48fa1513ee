"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from beurs import engine

__all__ = ["facts", "load"]


def facts() -> dict[str, str | int]:
    """Processor, cores that this process may use, system, Python, beurs."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "beurs": engine.VERSION,
    }


def load() -> list[float]:
    """The load averages of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
