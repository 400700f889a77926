"""The throw-away cluster leaves nothing behind, however the process ends that has started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import missing, processes, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

STARTS = """
import sys, time
sys.path.insert(0, {folder!r})
from cluster import Cluster
cluster = Cluster(nodes=2)
job = cluster.call("sbatch", "--parsable", "--output=/dev/null", "--wrap=srun sleep 300")
cluster.wait(job, "RUNNING")
print(cluster.folder, flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_test_leaves_no_daemon_no_job_and_no_folder(number: int) -> None:
    if lacking := missing():
        pytest.skip(f"no SLURM here (apt-get install slurm-wlm munge): no {', '.join(lacking)}")
    text = STARTS.format(folder=str(Path(__file__).parent))
    starter = subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert starter.stdout is not None
    folder = Path(starter.stdout.readline().strip())
    mark = f"SLURM_CONF={folder}/slurm.conf"
    assert len(processes(mark)) > 5
    os.kill(starter.pid, number)
    starter.wait(30)
    wait_for(lambda: not processes(mark) and not folder.exists(), 60, lambda: f"left: {processes(mark)}")
