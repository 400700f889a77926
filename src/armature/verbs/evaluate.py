"""``armature evaluate``: a run's checkpoint, or anybody's COCO results, judged by one evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from armature import memory
from armature.building import build
from armature.errors import ConfigError
from armature.evaluation.judge import Judge
from armature.evaluation.results import Predictions, Truth
from armature.reports import table
from armature.run_folder import write_json

SUMMARY = "judge a run's checkpoint, or a file of COCO results from any program"
EXAMPLES = """
armature evaluate run=runs/default/RUN
armature evaluate run=runs/default/RUN verify=true 'overrides={flip_test:false}'
armature evaluate predictions=results.json annotations=person_keypoints_val2017.json skeleton=coco_person verify=true
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints and, where asked, writes the metrics; 0 when judged.

    Raises:
        UserError: neither a run nor files were given, or they cannot be read.
    """
    memory.keep_freed()
    if config.run and (config.predictions or config.annotations):
        raise ConfigError("evaluate takes run=... or predictions=... with annotations=..., not both")
    if config.run:
        judged = _judge_run(config)
    elif config.predictions and config.annotations:
        judged = _judge_files(config)
    else:
        raise ConfigError("evaluate needs run=FOLDER, or predictions=FILE annotations=FILE [skeleton=NAME]")
    table.show(judged["metrics"], judged.get("time"), title=judged.pop("title"))
    if "verified" in judged:
        Console(highlight=False).print(judged["verified"]["summary"])
    if config.output:
        write_json(Path(config.output) / "metrics.json", judged)
        print(f"written to {Path(config.output) / 'metrics.json'}")
    return 0


def _judge_files(config: DictConfig) -> dict[str, Any]:
    truth = Truth.from_coco(config.annotations, config.category)
    predictions = Predictions.from_coco(config.predictions, truth)
    judge = Judge(build(config.skeleton), area=config.area, protocol={"source": str(config.predictions)})
    verdict = judge(truth, predictions)
    judged = {"metrics": {f"val/{n}": v for n, v in verdict.numbers.items()}, "protocol": verdict.card}
    if config.verify:
        judged["verified"] = judge.verify(truth, predictions).summary()
    return judged | {"title": str(config.predictions)}


def _judge_run(config: DictConfig) -> dict[str, Any]:
    # Torch and Lightning take seconds to import, and files alone do not need them.
    from armature import restoring
    from armature.conclusion import judge, judgement

    restored = restoring.restore(config.run, config.checkpoint, config.overrides)
    metrics = judge(restored.module, restored.data(), restored.trainer())
    seconds = dict(restored.module.clock.seconds)
    return judgement(restored.module, metrics, config.verify, time=seconds) | {"title": str(restored.folder.path)}
