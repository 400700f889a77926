"""Two processes with one thread each against one process with two: the same trainings, images a second.

    python -m armature.bench.ddp [--processes 2] [--rounds 3] [--epochs 3] [KEY=VALUE ...]

Ways take turns, so that what else the machine does hits both alike. Rates are those that a run notes for itself: over
all processes, from one batch's end to the next one's, without its first steps. Exit code 1 where the processes are
slower than the threads by more than a tenth.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from armature import ranks
from armature.configuration import compose

#: Processes may be slower than threads by this share.
ALLOWED = 0.1
#: Of an epoch.
STEPS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints images/s of both ways; 0 where processes keep up with threads."""
    parser = argparse.ArgumentParser(prog="python -m armature.bench.ddp", description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    given, overrides = parser.parse_known_args(arguments)
    found: dict[str, list[float]] = {name: [] for name in ways(given.processes, 8)}
    for _ in range(given.rounds):
        for name, rate in measure(given.processes, given.epochs, overrides).items():
            found[name].append(rate)
    return show(found)


def ways(processes: int, batch: int) -> dict[str, list[str]]:
    """The overrides of each way; the global batch and the number of busy threads are the same."""
    shared = ["trainer=ddp", "trainer.accelerator=cpu", f"trainer.devices={processes}", "trainer.threads=1"]
    return {
        "threads": ["trainer=cpu", f"trainer.threads={processes}", f"data.batch_size={batch}"],
        "processes": [*shared, f"data.batch_size={batch // processes}"],
    }


def measure(processes: int, epochs: int, overrides: Sequence[str]) -> dict[str, float]:
    """Images a second of one training each way.

    Raises:
        RuntimeError: a training failed; with what it said.
    """
    batch = compose("train", list(overrides)).data.batch_size // processes * processes
    return {name: _rate([*overrides, *way], epochs) for name, way in ways(processes, batch).items()}


def show(found: dict[str, list[float]]) -> int:
    """The table; 1 where the processes' median is too far below the threads'."""
    table = Table(box=None)
    for heading in ("way", "images/s", "from", "to"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for name, rates in found.items():
        table.add_row(name, *(f"{value:,.1f}" for value in (statistics.median(rates), min(rates), max(rates))))
    ratio = statistics.median(found["processes"]) / statistics.median(found["threads"])
    console = Console(highlight=False)
    console.print(table)
    console.print(f"processes / threads: {ratio:.2f} (at least {1 - ALLOWED:.2f} wanted)")
    return 0 if ratio >= 1 - ALLOWED else 1


def _rate(overrides: Sequence[str], epochs: int) -> float:
    """The median over all epochs but the first, whose workers are still starting."""
    with tempfile.TemporaryDirectory() as folder:
        short = [f"+trainer.limit_train_batches={STEPS}", "+trainer.limit_val_batches=1"]
        quick = [*short, "logger=csv", "pictures=0", f"runs={folder}", f"trainer.max_epochs={epochs}", "data.workers=0"]
        command = [sys.executable, "-m", "armature", "train", *overrides, *quick]
        environment = {n: v for n, v in ranks.alone().items() if n not in ("OMP_NUM_THREADS", "ARMATURE_RUN_ID")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=os.getcwd())
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
        (history,) = Path(folder).glob("*/*/history.csv")
        with open(history, newline="") as file:
            rates = [float(row["throughput/images_per_second"]) for row in csv.DictReader(file)]
    return statistics.median(rates[1:] or rates)


if __name__ == "__main__":
    sys.exit(main())
