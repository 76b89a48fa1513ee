"""Measures this machine: the engine, the journal and the doors, and other order books on the same order stream.

    stream        the commands that everything is measured with
    measurements  what is measured of the exchange
    peers         order books from PyPI
    runner        rounds in turn, medians, results
    chart         the figures as a picture

`docs/internals/benchmarks.md` says how to read it.
"""

from beurs.bench.chart import draw
from beurs.bench.runner import NAMES, run

__all__ = ["NAMES", "draw", "run"]
