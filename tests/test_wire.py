"""What is made from the schema of the binary door is up to date."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_pages_and_sources_made_from_the_schema_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "scripts/sbe.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
