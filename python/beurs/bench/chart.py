"""The figures as a picture. It needs matplotlib: `pip install "beurs[bench]"`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["draw"]

_OURS, _THEIRS = "#1f6f8b", "#b0b7bd"
_CAPTIONS: Final = {
    "memory": "batches in memory",
    "journal": "batches, journalled",
    "submit-1": "journalled, 1 in flight",
    "submit-64": "journalled, 64 in flight",
    "binary": "binary door",
    "replay": "replay of a journal",
    "round-trip": "round trip in memory",
}


def draw(results: Mapping[str, Any], path: Path) -> bool:
    """Writes an SVG of the rates and the latencies, bars from the median with the range over the rounds.

    Returns whether it could: False means that matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return False
    panels = [panel for panel in (_rates(results), _latencies(results)) if panel[1]]
    heights = [0.6 + 0.34 * len(bars) for _, bars in panels] or [1.0]
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "beurs", "font.size": 9}):
        figure = Figure(figsize=(9, sum(heights) + 1.3), layout="constrained")
        facts = results["machine"]
        figure.suptitle(
            f"beurs {facts['beurs']} on {facts['processor']}, {facts['cores']} cores, Python {facts['python']}\n"
            f"median of {results['rounds']} rounds, line: least to greatest; load average "
            f"{results['load_before'][0]} before, {results['load_after'][0]} after",
            fontsize=9,
        )
        grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
        for axes, (title, bars) in zip(grid[:, 0], panels, strict=False):
            medians = [bar["median"] for _, bar, _ in bars]
            below = [bar["median"] - bar["least"] for _, bar, _ in bars]
            above = [bar["greatest"] - bar["median"] for _, bar, _ in bars]
            places = range(len(bars))
            colors = [color for _, _, color in bars]
            axes.barh(places, medians, xerr=[below, above], color=colors, ecolor="#444444")
            axes.set_yticks(places, [caption for caption, _, _ in bars])
            axes.invert_yaxis()
            axes.set_xscale("log")
            axes.set_title(title, loc="left", fontsize=9)
            axes.grid(axis="x", alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        if not panels:
            grid[0, 0].set_axis_off()
        figure.savefig(path, format="svg", metadata={"Date": None})
    return True


_Bar = tuple[str, Mapping[str, float], str]


def _rates(results: Mapping[str, Any]) -> tuple[str, list[_Bar]]:
    bars: list[_Bar] = [
        (_CAPTIONS[row["name"]], figure, _OURS)
        for row in results["measurements"]
        for figure in row.get("figures", [])
        if figure["figure"] == "rate"
    ]
    bars += [(f"{row['name']} {row['version']}", row, _THEIRS) for row in results["peers"] if "median" in row]
    return "commands a second (more is better)", bars


def _latencies(results: Mapping[str, Any]) -> tuple[str, list[_Bar]]:
    bars: list[_Bar] = [
        (f"{_CAPTIONS[row['name']]}, {figure['figure']}", figure, _OURS)
        for row in results["measurements"]
        for figure in row.get("figures", [])
        if figure["unit"] == "µs"
    ]
    return "microseconds (less is better)", bars
