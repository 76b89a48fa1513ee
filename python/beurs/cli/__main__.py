"""`python -m beurs.cli` is `beurs`."""

from beurs.cli import main

main()
