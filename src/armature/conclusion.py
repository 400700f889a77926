"""The end of a run: its best weights judged, and everything that is left behind written from that one judgement."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from rich.console import Console

from armature import assembly, provenance
from armature.data.datamodule import KeypointData
from armature.evaluation import coco_json
from armature.evaluation.diagnosis import diagnosis
from armature.module import PoseModule
from armature.recording import Recording
from armature.reports import curves, expectation, run_report, table
from armature.run_folder import RunFolder, write_json


def conclude(
    folder: RunFolder,
    module: PoseModule,
    data: KeypointData,
    trainer: pl.Trainer,
    watched: Recording,
    config: DictConfig,
) -> None:
    """Judges the best checkpoint, writes metrics, predictions, pictures and the report, and shows the final table.

    Args:
        config: of the run; ``verify`` judges by pycocotools too, ``expected`` is compared with what came out.
    """
    saved = assembly.load_weights(module, folder.best)
    metrics = judge(module, data, trainer)  # draws the worst and the best images, too
    if not trainer.is_global_zero:
        return
    checkpoint = {
        "file": str(folder.best.relative_to(folder.path)),
        "epoch": saved["epoch"],
        "step": saved["global_step"],
    }
    facts = {"primary": config.monitor, "time": watched.throughput.split(), "checkpoint": checkpoint}
    metric: Any = module.metrics
    facts |= diagnosis(metric.judge, metric.truth, metric.predictions(), metric.verdict()).written()
    written = judgement(module, metrics, config.verify, **facts)
    if config.expected is not None:
        written["expected"] = expectation.compare(config.expected, metrics)
    write_json(folder.metrics, written)
    metric.predictions().save(folder.predictions, metric.truth.category)
    coco_json.write(folder.truth, metric.truth.to_coco())
    watched.summarise(metrics)
    if folder.history.is_file():  # the CSV logger's; a run may have done without it
        curves.save_png(curves.read_history(folder.history), folder.pictures / "curves.png")
    provenance.finish(folder.provenance, "finished")
    run_report.write(folder.path)
    table.show(metrics, written["time"], title=folder.experiment, run=folder.path, primary=config.monitor)
    for said in ("expected", "verified"):
        if said in written:
            Console(highlight=False).print(f" {written[said]['summary']}", soft_wrap=True)


def judge(module: PoseModule, data: KeypointData, trainer: pl.Trainer) -> dict[str, float]:
    """``val/*`` of the weights in ``module`` on the validation data, in double precision."""
    trainer.validate(module, datamodule=data, verbose=False)
    metric: Any = module.metrics
    return {f"val/{name}": value for name, value in metric.verdict().numbers.items()}


def judgement(module: PoseModule, metrics: dict[str, float], checked: bool, **facts: Any) -> dict[str, Any]:
    """What metrics.json says of the last judgement: numbers, protocol card, further facts.

    Args:
        checked: run pycocotools on the same predictions too.
    """
    metric: Any = module.metrics
    said = {"metrics": metrics, "protocol": metric.card(), **facts}
    if checked:
        said["verified"] = metric.judge.verify(metric.truth, metric.predictions()).summary()
    return said
