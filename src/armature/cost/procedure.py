"""The one procedure: parameters, MACs, memory, latency and throughput of whatever finds people on pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from armature import hardware, provenance
from armature.cost import counting, footprint, latency, pictures
from armature.cost.latency import Case, Timed
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.structures import Batch, Skeleton

PRECISIONS = ("32-true", "bf16-mixed", "auto")
OUTPUTS = {
    "network": "what the network says of the pictures: the decoder works as hard as these weights make it",
    "ideal": "what a perfect network would say of the people on the pictures: the decoder's work is that of a network "
    "without a mistake, whatever the weights; a second stage in the network still looks where these weights say",
}


@dataclass(frozen=True)
class Settings:
    """How cost is measured; the same for everything that is to be compared.

    Attributes:
        canvas: (H, W). device: torch's name, or auto. precision: one of ``PRECISIONS``.
        threads: of the CPU, None as is.
        people: counts of people for latency at batch 1; the middle one is also that of MACs, memory and throughput.
        batches: sizes for images a second. repeats, warmup: timed and untimed rounds.
        outputs: what is decoded, a key of ``OUTPUTS``.

    Raises:
        ConfigError: a value that cannot be measured with; names it.
    """

    canvas: tuple[int, int]
    device: str = "auto"
    precision: str = "32-true"
    threads: int | None = None
    people: Sequence[int] = (1, 2, 5, 10, 20)
    batches: Sequence[int] = (1, 8)
    repeats: int = 20
    warmup: int = 3
    outputs: str = "network"

    def __post_init__(self) -> None:
        cuda = self.device.startswith("cuda") and not torch.cuda.is_available()
        checks = {
            "device": (not cuda, "cpu, auto, or cuda where there is a CUDA device; there is none"),
            "precision": (self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}"),
            "threads": (self.threads is None or self.threads >= 1, "1 or more, or null"),
            "people": (len(self.people) > 0 and min(self.people, default=-1) >= 0, "numbers of people, 0 or more"),
            "batches": (len(self.batches) > 0 and min(self.batches, default=0) >= 1, "batch sizes, 1 or more"),
            "repeats": (self.repeats >= 1, "1 or more"),
            "warmup": (self.warmup >= 0, "0 or more"),
            "outputs": (self.outputs in OUTPUTS, f"one of {', '.join(OUTPUTS)}, or auto"),
        }
        for name, (right, what) in checks.items():
            if not right:
                raise ConfigError(f"{name}={getattr(self, name)} cannot be measured with; give {what}")

    @property
    def middle(self) -> int:
        """The number of people for what is measured with one number only."""
        return sorted(self.people)[len(self.people) // 2]


def measure(module: PoseModule, skeleton: Skeleton, settings: Settings) -> dict[str, Any]:
    """Cost of predicting with ``module``, as plain data: numbers, tables and the conditions they hold under.

    Raises:
        UserError: pictures with so many people cannot be drawn, or the device cannot be used.
    """
    device = hardware.device(settings.device)
    half = _half(settings.precision, device)
    with _threads(settings.threads):
        module = module.eval().to(device)
        drawn = {n: _ready(module, pictures.crowd(skeleton, settings.canvas, n), device) for n in settings.people}
        memory = _memory(module, drawn[settings.middle].images, half, device)
        rows, counted = _latency(module, drawn, settings, half)
        whole = {
            "parameters": counting.parameters(module.model) | {"elsewhere": counted.elsewhere},
            "macs": _macs(module, drawn[settings.middle].images, counted),
            "memory": memory,
            "latency": rows,
            "throughput": _throughput(module, skeleton, settings, half, device),
            "conditions": _conditions(module, settings, device, half),
        }
    return {"numbers": numbers(whole, settings.middle)} | whole


def numbers(whole: dict[str, Any], people: int) -> dict[str, float | None]:
    """The costs that systems are compared by, flat: ms and bytes; latency at batch 1 with ``people`` in the picture."""
    row = next(row for row in whole["latency"] if row["people"] == people)
    flat = {"cost/parameters": whole["parameters"]["total"] + whole["parameters"]["elsewhere"]}
    flat |= {"cost/MACs": whole["macs"]["image"], "cost/memory": whole["memory"]["peak"]}
    flat |= {f"cost/latency/{part}": row[part]["median"] for part in latency.PARTS}
    return flat | {f"cost/images_per_second@{t['batch']}": t["images_per_second"] for t in whole["throughput"]}


def _ready(module: PoseModule, batch: Batch, device: torch.device) -> Batch:
    batch = batch.to(device)
    batch.images = batch.images.contiguous(memory_format=module.layout)
    return batch


def _memory(module: PoseModule, images: Tensor, half: bool, device: torch.device) -> dict[str, Any]:
    """Before anything else runs on these pictures, so that nothing that is kept for later has been made yet."""

    @torch.inference_mode()
    def find() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            module.find(images)

    above, how = footprint.peak(find, device)
    weights = counting.stored_bytes(module.network)
    return {"peak": None if above is None else weights + above, "weights": weights, "above": above, "how": how}


def _latency(
    module: PoseModule, drawn: dict[int, Batch], settings: Settings, half: bool
) -> tuple[list[dict[str, Any]], counting.Counted]:
    """A row for each number of people, and what was counted with the middle one."""
    cases = [_case(module, batch, n, settings) for n, batch in drawn.items()]
    counted = {case.people: counting.count(module, partial(_answer, module, case.images)) for case in cases}
    timed = latency.measure(module, cases, settings.repeats, settings.warmup, half)
    rows = [
        {"people": case.people, "found": row.found, "macs": counted[case.people].macs} | row.quartiles()
        for case, row in zip(cases, timed, strict=True)
    ]
    return rows, counted[settings.middle]


def _case(module: PoseModule, batch: Batch, people: int, settings: Settings) -> Case:
    return Case(batch.images, people, latency.perfect(module, batch) if settings.outputs == "ideal" else None)


def _answer(module: PoseModule, images: Tensor) -> Any:
    return module.find(images) if module.multi_scale is not None else module.predict_outputs(images)


def _macs(module: PoseModule, images: Tensor, counted: counting.Counted) -> dict[str, Any]:
    alone = counting.count(module, lambda: module.network(images)).macs
    return {
        "pass": alone,
        "image": counted.macs,
        "passes": round(counted.macs / alone, 4) if alone else float("nan"),
        "not_counted": counted.not_counted,
        "convention": counting.CONVENTION,
    }


def _throughput(
    module: PoseModule, skeleton: Skeleton, settings: Settings, half: bool, device: torch.device
) -> list[dict[str, Any]]:
    """Images a second of whole predictions, by batch size."""
    found = []
    for size in settings.batches:
        batch = _ready(module, pictures.crowd(skeleton, settings.canvas, settings.middle, size), device)
        case = _case(module, batch, settings.middle, settings)
        (timed,) = latency.measure(module, [case], settings.repeats, settings.warmup, half)
        found.append({"batch": size, "people": settings.middle, "images_per_second": _pace(timed, size)})
    return found


def _pace(timed: Timed, size: int) -> float:
    return 1e3 * size / timed.quartiles()["total"]["median"]


def _conditions(module: PoseModule, settings: Settings, device: torch.device, half: bool) -> dict[str, Any]:
    """Everything besides the network that moves the numbers."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else f"{device.type}: {provenance.cpu_model()}",
        "threads": torch.get_num_threads(),
        "precision": "bf16-mixed" if half else "32-true",
        "float32_matmul": torch.get_float32_matmul_precision(),
        "cudnn_tf32": bool(torch.backends.cudnn.allow_tf32) if cuda else None,
        "canvas": list(settings.canvas),
        "flip_test": module.flip_test,
        "multi_scale": list(module.multi_scale.scales) if module.multi_scale is not None else None,
        "proposals": "given boxes are not used, the network finds its own" if module.proposals else None,
        "channels_last": module.layout == torch.channels_last,
        "compiled": False,
        "pictures": f"drawn figures, all labelled, height {pictures.SCALE} of the smaller side; the same for everybody",
        "decoded": OUTPUTS[settings.outputs],
        "outputs": settings.outputs,
        "people": settings.middle,
        "repeats": settings.repeats,
        "warmup": settings.warmup,
        "time": "wall clock, batch 1 unless stated, pictures already on the device",
        "torch": torch.__version__,
    }


def _half(precision: str, device: torch.device) -> bool:
    chosen = hardware.precision(device.type) if precision == "auto" else precision
    return chosen == "bf16-mixed"


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
