"""What the tests of comparisons share: run folders made from files alone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from run_folders import make_run

__all__ = ["make_run"]
