"""What these tests share lies beside them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _fresh_run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run that another test of this process began is meant here."""
    monkeypatch.delenv("ARMATURE_RUN_ID", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
