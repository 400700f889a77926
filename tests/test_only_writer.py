"""A run folder that another process writes is left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.errors import UserError
from armature.only_writer import LOCK, only_writer
from armature.run_folder import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from armature.only_writer import only_writer
from armature.run_folder import RunFolder
with only_writer(RunFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_two_cannot_write_one_run_until_the_first_is_dead(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(UserError, match=f"being trained by process {holder.pid} on "), only_writer(run, 0.2):
        pytest.fail("two write")
    holder.kill()  # -9: nothing is put away
    holder.wait()
    with only_writer(run, 0.0):
        assert (tmp_path / LOCK).read_text()
    assert (tmp_path / LOCK).read_text() == ""


def test_one_that_is_about_to_end_is_waited_for(
    tmp_path: Path, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.Popen(["/bin/sh", "-c", f"sleep 0.5; kill {holder.pid}"])
    began = time.monotonic()
    with only_writer(RunFolder(tmp_path), 20.0):
        assert 0.3 < time.monotonic() - began < 15
    assert f"waiting up to 20 s for process {holder.pid}" in capsys.readouterr().err


def test_a_process_may_train_the_same_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        with only_writer(RunFolder(tmp_path)):
            pass
