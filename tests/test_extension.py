"""The page on adding an architecture, followed to the letter outside the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "src" / "armature" / "architectures" / "README.md"


@pytest.mark.long
def test_the_pages_own_architecture_trains_and_passes_its_test(tmp_path: Path) -> None:
    text = PAGE.read_text()
    files = re.findall(r"^`(lab/\S+)`\n\n```\w+\n(.*?)^```", text, re.M | re.S)
    assert len(files) == 5
    for name, content in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    command = re.search(r"^PYTHONPATH=lab (armature train .*)$", text, re.M)
    assert command
    environment = os.environ | {"PYTHONPATH": "lab", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for words in (command[1].split(), [sys.executable, "-m", "pytest", "-q", "lab"]):
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert list(tmp_path.glob("runs/single_synthetic/*/report.html"))
