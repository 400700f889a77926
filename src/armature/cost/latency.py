"""How long a picture takes, in the network and in the decoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from armature.module import PoseModule
from armature.structures import Batch, Outputs

PARTS = ("network", "decode", "total")


@dataclass(frozen=True)
class Case:
    """What is timed together: images (B 3 H W) with ``people`` in each, on the device and in the network's layout.

    ``ideal``: decoded in place of what the network says of the images; None for the network's own answer.
    """

    images: Tensor
    people: int
    ideal: Outputs | None = None


@dataclass(frozen=True)
class Timed:
    """Milliseconds of every repeat, (repeats, 3) in the order of ``PARTS``, and people decoded from an image (mean)."""

    milliseconds: NDArray[np.float64]
    found: float

    def quartiles(self) -> dict[str, dict[str, float]]:
        """Median and quartiles of each part, ms; NaN where a part cannot be told apart."""
        q1, median, q3 = np.quantile(self.milliseconds, (0.25, 0.5, 0.75), axis=0)
        return {
            part: {"median": float(median[i]), "q1": float(q1[i]), "q3": float(q3[i])} for i, part in enumerate(PARTS)
        }


@torch.no_grad()
def perfect(module: PoseModule, batch: Batch) -> Outputs:
    """What a network would say that knew the people of the batch: the decoder's work does not hang on the weights."""
    outputs = {
        name: value.float() if value.is_floating_point() else value
        for name, value in module.network(batch.images, batch.instances).items()
    }
    return module.codec.ideal(outputs, module.codec.encode(outputs, batch))


def measure(module: PoseModule, cases: Sequence[Case], repeats: int, warmup: int, half: bool) -> list[Timed]:
    """Each case ``repeats`` times after ``warmup``, in turns, so that what else the machine does hits all alike.

    ``network`` is all passes that a prediction makes (two with the flip test), ``decode`` from named tensors to people.

    Args:
        half: the network runs under bfloat16 autocast; decoders never do.
    """
    taken: list[list[tuple[float, float, float]]] = [[] for _ in cases]
    found = [0.0] * len(cases)
    for turn in range(warmup + repeats):
        for i, case in enumerate(cases):
            spans, found[i] = _once(module, case, half)
            if turn >= warmup:
                taken[i].append(spans)
    return [Timed(1e3 * np.array(rows), people) for rows, people in zip(taken, found, strict=True)]


@torch.inference_mode()
def _once(module: PoseModule, case: Case, half: bool) -> tuple[tuple[float, float, float], float]:
    """Seconds of the parts, and people found in an image."""
    images, kind = case.images, case.images.device.type
    start = _now(images.device)
    with torch.autocast(kind, torch.bfloat16, enabled=half):
        said: Any = module.find(images) if module.multi_scale is not None else module.predict_outputs(images)
    middle = _now(images.device)
    if module.multi_scale is None:
        with torch.autocast(kind, enabled=False):
            outputs = said if case.ideal is None else case.ideal
            said = module.codec.decode(outputs, (images.shape[0], images.shape[2], images.shape[3]))
    end = _now(images.device)
    apart = module.multi_scale is None  # several sizes: network and decoder take turns
    network, decode = (middle - start, end - middle) if apart else (float("nan"), float("nan"))
    return (network, decode, end - start), sum(len(people) for people in said) / len(images)


def _now(device: torch.device) -> float:
    """Seconds, once everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()
