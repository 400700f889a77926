"""A SLURM of three nodes for the tests marked ``slurm``, started once and ended whatever happens."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    lacking = missing()
    if lacking:
        pytest.skip(f"no SLURM here (apt-get install slurm-wlm munge): no {', '.join(lacking)}")
    running = Cluster()
    try:
        yield running
    finally:
        running.stop()
