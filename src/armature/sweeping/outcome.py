"""What a run folder says of a trial: its progress by epoch, whether it is done, what came out."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from armature import configuration
from armature.errors import UserError
from armature.run_folder import RunFolder, read_json

#: What ``cost/NAME`` may be, and what it is in a cost.json.
COSTS = {
    "cost/latency": "milliseconds from picture to people, median, at the middle number of people",
    "cost/macs": "multiply-adds for one image",
    "cost/parameters": "of the network",
    "cost/memory": "bytes at the peak",
    "cost/images_per_second": "the largest batch",
}


def progress(run: RunFolder, metric: str) -> dict[int, float]:
    """The metric by epoch (from 1), as far as the run has come; empty before the first validation."""
    try:
        with run.history.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError:
        return {}
    return {int(row["epoch"]): float(row[metric]) for row in rows if row.get(metric) and row["epoch"].isdigit()}


def epoch(run: RunFolder) -> int:
    """How many epochs are finished."""
    try:
        with run.history.open(newline="") as file:
            return max((int(row["epoch"]) for row in csv.DictReader(file)), default=0)
    except (OSError, ValueError):
        return 0


def epochs(run: RunFolder) -> int | None:
    """How many epochs a run is to train; None before it has a config."""
    if not run.config.is_file():
        return None
    value = configuration.load(run.config).trainer.max_epochs
    return int(value) if value and int(value) > 0 else None


def is_done(run: RunFolder) -> bool:
    """Whether a run was judged and has written everything."""
    try:
        return run.metrics.is_file() and read_json(run.provenance)["segments"][-1]["status"] == "finished"
    except (UserError, LookupError):
        return False


def can_go_on(run: RunFolder) -> bool:
    """Whether there is anything to resume."""
    return run.config.is_file() and run.provenance.is_file()


def measured(run: RunFolder, objectives: Iterable[str]) -> dict[str, float]:
    """The objectives' values of one finished run.

    Raises:
        UserError: a metric that the run did not measure; names those that it did.
    """
    found = dict(read_json(run.metrics)["metrics"])
    if run.cost.is_file():
        found |= costs(read_json(run.cost))
    values = {}
    for name in objectives:
        if name not in found:
            raise UserError(f"objective '{name}' was not measured by {run.path}; there are {', '.join(sorted(found))}")
        values[name] = math.nan if found[name] is None else float(found[name])
    return values


def costs(document: Mapping[str, Any]) -> dict[str, float]:
    """The costs that can be objectives, from a cost.json."""
    people = document["conditions"]["people"]
    middle = next(row for row in document["latency"] if row["people"] == people)
    return {
        "cost/latency": middle["total"]["median"],
        "cost/macs": document["macs"]["image"],
        "cost/parameters": document["parameters"]["total"],
        "cost/memory": document["memory"]["peak"],
        "cost/images_per_second": max(document["throughput"], key=lambda row: row["batch"])["images_per_second"],
    }


def mean(values: Sequence[Mapping[str, float]], name: str) -> float:
    """The mean over seeds."""
    return sum(v[name] for v in values) / len(values)
