"""`python -m beurs.liabilities DATA SEQUENCE [ots]`: makes the trees of a sequence, in a process of its own so that the
server's is not held up. Started by `beurs.liabilities.daily`; people use `beurs liabilities make`."""

import sys
from pathlib import Path

from beurs.errors import BeursError
from beurs.liabilities.anchors import OpenTimestampsAnchor
from beurs.liabilities.archive import Archive


def main(arguments: list[str]) -> int:
    """Prints the folder, or on standard error why there is none."""
    directory, sequence, *ots = arguments
    archive = Archive(Path(directory), [OpenTimestampsAnchor()] if ots == ["ots"] else [])
    try:
        print(archive.make(int(sequence)))
    except (BeursError, OSError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
