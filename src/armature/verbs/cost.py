"""``armature cost``: what a prediction costs, of a run or of an architecture with fresh weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig
from rich.console import Console

from armature import memory
from armature.building import build
from armature.errors import ConfigError
from armature.run_folder import write_json

if TYPE_CHECKING:
    from armature.module import PoseModule

SUMMARY = "measure parameters, MACs, memory, latency and throughput of a run or an architecture"
EXAMPLES = """
armature cost run=runs/default/RUN
armature cost run=runs/default/RUN 'overrides={flip_test:false}' threads=1
armature cost architecture=yolo_pose_tiny data.canvas=[256,256] output=costs/yolo_pose
armature cost architecture=keypoint_rcnn device=cuda precision=bf16-mixed
"""

#: Keys of this verb; all others in the config are those of a training, of which a run has its own.
OWN = (
    *("run", "checkpoint", "overrides", "output"),
    *("device", "precision", "threads", "people", "batches", "repeats", "warmup", "outputs"),
)


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints the cost and writes cost.json into the run folder or ``output``; 0 when measured.

    Raises:
        UserError: no such run, or a setting that cannot be measured with.
    """
    memory.keep_freed()
    from armature.cost import procedure, table

    module, whole, what, folder = _run(config, overrides) if config.run else _fresh(config, overrides)
    outputs = ("network" if config.run else "ideal") if config.outputs == "auto" else config.outputs
    own: dict[str, Any] = {key: config[key] for key in ("device", "precision", "threads", "repeats", "warmup")}
    own |= {key: tuple(config[key]) for key in ("people", "batches")}
    height, width = whole.data.canvas
    settings = procedure.Settings((int(height), int(width)), outputs=outputs, **own)
    measured = {"of": what} | procedure.measure(module, build(whole.skeleton), settings)
    Console(highlight=False).print(table.of(measured))
    if folder is not None:
        write_json(folder / "cost.json", measured)
        print(f"written to {folder / 'cost.json'}")
    return 0


def _run(config: DictConfig, overrides: Sequence[str]) -> tuple[PoseModule, DictConfig, str, Path]:
    """A run's module, its config, what is measured in words, and where the result goes."""
    from armature import restoring

    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    foreign = [key for key in keys if key.partition(".")[0] not in OWN]
    if foreign:
        raise ConfigError(
            f"'{foreign[0]}' is of a training, and run={config.run} has its own config; "
            f"change that by 'overrides={{{foreign[0]}:VALUE}}'"
        )
    restored = restoring.restore(config.run, config.checkpoint, {**(config.overrides or {}), "compile": False})
    changed = f", {config.overrides}" if config.overrides else ""
    what = f"run {restored.folder.path}, checkpoint {config.checkpoint}{changed}"
    return restored.module, restored.config, what, Path(config.output or restored.folder.path)


def _fresh(config: DictConfig, overrides: Sequence[str]) -> tuple[PoseModule, DictConfig, str, Path | None]:
    """The same of the architecture that the config describes, with random weights."""
    import torch

    from armature import assembly

    if config.overrides:
        raise ConfigError("overrides={...} are of a run; without run=FOLDER write key=value")
    config.compile = False
    torch.manual_seed(config.seed)
    chosen = [text for text in overrides if text.lstrip("+~").partition("=")[0].partition(".")[0] not in OWN]
    what = f"{' '.join(chosen) or 'the default config'}, weights as made by seed {config.seed}"
    return assembly.assemble(config), config, what, Path(config.output) if config.output else None
