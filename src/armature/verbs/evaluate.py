"""``armature evaluate``: a run's checkpoint, or anybody's COCO results, judged by one evaluator."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from armature import config_folders, memory, skeletons
from armature.building import build
from armature.errors import ConfigError
from armature.evaluation import other_skeleton
from armature.evaluation.judge import Judge, Verdict
from armature.evaluation.results import Predictions, Truth
from armature.reports import table
from armature.run_folder import read_json, write_json

SUMMARY = "judge a run's checkpoint, or a file of COCO results from any program"
EXAMPLES = """
armature evaluate run=runs/default/RUN
armature evaluate run=runs/default/RUN verify=true 'overrides={flip_test:false}'
armature evaluate predictions=results.json annotations=person_keypoints_val2017.json skeleton=coco_person verify=true
armature evaluate predictions=openpose.json annotations=gt.json skeleton=coco_person predicted_skeleton=openpose_18
armature evaluate run=runs/default/RUN suite=equivariance pictures=50
armature evaluate run=runs/default/RUN suite=corruptions suite.strengths=[1,3,5]
armature evaluate predictions=results.json annotations=gt.json area=box slices=true +measure@measures.PCKt=pck_torso
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints and, where asked, writes the metrics; 0 when judged.

    Raises:
        UserError: neither a run nor files were given, or they cannot be read.
    """
    memory.keep_freed()
    if config.get("suite"):
        from armature.suites import running

        return running.evaluate(config)
    if config.run and (config.predictions or config.annotations):
        raise ConfigError("evaluate takes run=... or predictions=... with annotations=..., not both")
    if config.run and config.predicted_skeleton:
        raise ConfigError("predicted_skeleton goes with predictions=FILE (a run's are in its predictions.json)")
    if config.run:
        judged = _judge_run(config)
    elif config.predictions and config.annotations:
        judged = _judge_files(config)
    else:
        raise ConfigError("evaluate needs run=FOLDER, or predictions=FILE annotations=FILE [skeleton=NAME]")
    _show(judged, judged.pop("title"))
    if config.output:
        write_json(Path(config.output) / "metrics.json", judged)
        print(f"written to {Path(config.output) / 'metrics.json'}")
    return 0


def _show(judged: dict[str, Any], title: str) -> None:
    console = Console(highlight=False)
    table.show(judged["metrics"], judged.get("time"), title=title, primary=judged.get("primary"))
    if "slices" in judged:
        console.print(table.slices(judged["slices"], judged["protocol"]["slices"]))
    repeated = judged["protocol"]["duplicate_detections"]
    if repeated:
        said = judged["protocol"]["duplicates"]
        console.print(f" {repeated} predictions repeat another one (image, keypoints, score): {said}", soft_wrap=True)
    if "verified" in judged:
        console.print(judged["verified"]["summary"])


def _judge_files(config: DictConfig) -> dict[str, Any]:
    skeleton, source = build(config.skeleton), {"source": str(config.predictions)}
    truth = Truth.from_coco(config.annotations, config.category)
    if config.predicted_skeleton:
        predicted = skeletons.load(config_folders.skeleton_file(config.predicted_skeleton))
        pair = other_skeleton.align(truth, config.predictions, predicted, skeleton, config.derive_points)
        truth, predictions, skeleton = pair.truth, pair.predictions, pair.skeleton
        source["keypoints_judged"] = pair.said
        print(f"keypoints judged: {pair.said}")
    else:
        predictions = Predictions.from_coco(config.predictions, truth)
    judge = Judge(skeleton, area=config.area, protocol=source, measures=build(config.measures))
    verdict = judge(truth, predictions)
    judged = {"metrics": {f"val/{n}": v for n, v in verdict.numbers.items()}, "protocol": verdict.card}
    judged |= {"primary": config.primary} if config.primary else {}
    if config.verify:
        judged["verified"] = judge.verify(truth, predictions).summary()
    return _sliced(judged, config, judge, truth, predictions, verdict) | {"title": str(config.predictions)}


def _judge_run(config: DictConfig) -> dict[str, Any]:
    # Torch and Lightning take seconds to import, and files alone do not need them.
    from armature import held_out, restoring
    from armature.conclusion import judge, judgement

    restored = restoring.restore(config.run, config.checkpoint, config.overrides)
    metric: Any = restored.module.metrics
    metric.judge.add(build(config.measures))
    data, known = restored.data(), restored.folder.provenance
    seen = held_out.warning(read_json(known), data.split_description()) if known.is_file() else None
    if seen:
        warnings.warn(seen, stacklevel=2)
    metrics = judge(restored.module, data, restored.trainer())
    facts = {"primary": config.primary or restored.config.monitor, "time": dict(restored.module.clock.seconds)}
    judged = judgement(restored.module, metrics, config.verify, **facts)
    judged = _sliced(judged, config, metric.judge, metric.truth, metric.predictions(), metric.verdict())
    return judged | {"title": str(restored.folder.path)}


def _sliced(
    judged: dict[str, Any], config: DictConfig, judge: Judge, truth: Truth, predictions: Predictions, verdict: Verdict
) -> dict[str, Any]:
    """The judgement with its slices, where they are asked for."""
    if not config.slices:
        return judged
    cut = judge.slices(truth, predictions, verdict, crowded=(config.crowded[0], config.crowded[1]))
    return judged | {"slices": cut.rows(), "protocol": {**judged["protocol"], "slices": cut.notes}}
