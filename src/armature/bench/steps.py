"""Training steps of the published sizes, side by side with the packages that implement the same network.

    python -m armature.bench.steps [--only NAME,NAME] [--rounds 3] [--canvas 384] [--batch 1]
        [--threads 1]

A step is forward, targets, losses, backward and the same optimizer (SGD with momentum); ways take turns, so that what
else the machine does hits all of them alike. CPU time.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from armature import assembly, config_folders, hardware
from armature.bench.pipeline import first_batch
from armature.configuration import compose
from armature.structures import Batch

#: Where architectures live.
_PACKAGE = "armature.architectures."
#: What an architecture's ``reference.py`` gives for our network and a batch: another package's and its loss.
Reference = Callable[[nn.Module, Batch], tuple[nn.Module, Callable[[], torch.Tensor]] | None]


class Way(NamedTuple):
    """One implementation in one precision: a call is a step, and says how many seconds its targets took."""

    implementation: str
    precision: str
    step: Callable[[], float]


class Measured(NamedTuple):
    """Seconds of CPU time of the median step, and of the targets in it (nan where they cannot be told apart)."""

    implementation: str
    precision: str
    step: float
    encode: float


def measure(architecture: str, canvas: int, batch_size: int, rounds: int) -> list[Measured]:
    """Every way to take a step of one architecture; the first is ours in float32."""
    sizes = [f"data.canvas=[{canvas},{canvas}]", f"data.batch_size={batch_size}", "data.workers=0"]
    config = compose("train", [f"architecture={architecture}", "optimizer=sgd", *sizes])
    module, data = assembly.assemble(config), assembly.data(config)
    batch = first_batch(module, data)
    ways = [*_ours(module, batch), *_theirs(_reference(architecture), module.model, batch)]
    taken: list[list[tuple[float, float]]] = [[] for _ in ways]
    for turn in range(1 + rounds):
        for way, times in zip(ways, taken, strict=True):
            start = time.process_time()
            encode = way.step()
            if turn:  # the first allocates and compiles
                times.append((time.process_time() - start, encode))
    return [
        Measured(way.implementation, way.precision, *(statistics.median(column) for column in zip(*times, strict=True)))
        for way, times in zip(ways, taken, strict=True)
    ]


def _precisions() -> list[str]:
    return ["float32", "bfloat16"] if hardware.cpu_has_bf16() else ["float32"]


def _ours(module: Any, batch: Batch) -> list[Way]:
    # In the layout that is trained in (channels_last in the config).
    model = module.model.train().to(memory_format=module.layout)
    images = batch.images.contiguous(memory_format=module.layout)
    optimizer = _sgd(model)

    def step(half: bool) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            outputs = model(images, batch.instances)
            start = time.process_time()
            targets = module.encode(outputs, batch)
            encode = time.process_time() - start
            loss = module.loss(outputs, targets)["total"]
        _descend(loss, optimizer)
        return encode

    return [Way("armature", name, partial(step, name != "float32")) for name in _precisions()]


def published() -> list[str]:
    """Architectures with a config of their own name: the published size."""
    return [name for name in config_folders.groups()["architecture"] if importlib.util.find_spec(_PACKAGE + name)]


def _reference(architecture: str) -> tuple[str, Reference] | None:
    """Name and builder of the package that implements the same network, where the architecture's folder tells."""
    folder = _PACKAGE + architecture
    if importlib.util.find_spec(folder) is None or importlib.util.find_spec(f"{folder}.reference") is None:
        return None
    found = importlib.import_module(f"{folder}.reference")
    return found.NAME, found.build


def _theirs(reference: tuple[str, Reference] | None, ours: nn.Module, batch: Batch) -> list[Way]:
    built = reference[1](ours, batch) if reference else None
    if built is None or reference is None:
        return []
    model, loss = built
    optimizer = _sgd(model)

    def step(half: bool) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            total = loss()
        _descend(total, optimizer)
        return float("nan")

    return [Way(reference[0], precision, partial(step, precision != "float32")) for precision in _precisions()]


def _sgd(model: nn.Module) -> torch.optim.Optimizer:
    """A learning rate so small that networks from scratch stay as they are: every step is the same work."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.SGD(trained, lr=1e-9, momentum=0.9, weight_decay=1e-4)


def _descend(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    optimizer.zero_grad()


def main(arguments: list[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m armature.bench.steps", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(published()), help="architectures, separated by commas")
    for name, default in (("rounds", 3), ("canvas", 384), ("batch", 1), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(given.threads)
    console = Console(width=None if Console().is_terminal else 110)
    console.print(f"training step, {given.batch} image(s) of {given.canvas}x{given.canvas}, {given.threads} thread(s)")
    for architecture in given.only.split(","):
        console.print(_table(architecture, measure(architecture, given.canvas, given.batch, given.rounds)))
        gc.collect()
    console.print(f"CPU time, median of {given.rounds}" + ("" if hardware.cpu_has_bf16() else "; no bf16 on this CPU"))
    torch.set_num_threads(threads)
    return 0


def _table(architecture: str, rows: list[Measured]) -> Table:
    table = Table(box=None)
    table.add_column(architecture, min_width=16)
    table.add_column("precision", min_width=10)
    for column, width in (("ms a step", 10), ("of float32 here", 16), ("targets", 8)):
        table.add_column(column, justify="right", min_width=width)
    for row in rows:
        share = "" if row.encode != row.encode else f"{row.encode / row.step:.1%}"
        table.add_row(
            row.implementation, row.precision, f"{row.step * 1e3:,.0f}", f"{row.step / rows[0].step:.2f}x", share
        )
    return table


if __name__ == "__main__":
    raise SystemExit(main())
