"""``armature template``: annotated points located by SIFT and a geometric vote, the baseline that needs no training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from armature import memory
from armature.errors import ConfigError

if TYPE_CHECKING:
    from armature.structures import Poses, Record

SUMMARY = "locate a rigid object's points by matching SIFT to annotated pictures: a baseline without training"
EXAMPLES = """
armature template data=plate skeleton=plate output=template/plate
armature template data=openfield skeleton=openfield_mouse output=template/openfield
armature compare runs/openfield/RUN sift:template/openfield/predictions.json metric=error/mean
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes predictions.json, truth.json and metrics.json and prints the metrics; 0 when done.

    Raises:
        UserError: the data cannot be read, or has nobody labelled to make a template of.
    """
    memory.keep_freed()
    from armature import assembly
    from armature.building import build
    from armature.interest.template import locate
    from armature.reports import table

    data, matcher, begun = assembly.data(config), build(config.matcher), time.perf_counter()
    if data.train is None or data.val is None:
        raise ConfigError("template needs training pictures to match and validation pictures to answer for")
    count = matcher.learn(data.train, config.templates)
    found = locate(matcher, data.val)
    seconds = time.perf_counter() - begun
    metrics = _judged(config, data.val_records(), found, count)
    table.show(metrics, title=f"{count} templates of {config.skeleton.name}", primary=config.data.primary)
    missed = sum(not len(people) for people in found)
    print(
        f" nothing found in {missed} of {len(found)} pictures; {seconds / len(found):.2f} s a picture: {config.output}"
    )
    return 0


def _judged(config: DictConfig, records: list[Record], found: list[Poses], templates: int) -> dict[str, float]:
    """The metrics, after predictions.json, truth.json and metrics.json were written."""
    from armature.building import build
    from armature.evaluation import coco_json
    from armature.evaluation.judge import Judge
    from armature.evaluation.results import Predictions, Truth
    from armature.run_folder import write_json

    skeleton, folder = build(config.skeleton), Path(config.output)
    truth = Truth.from_records(records, skeleton)
    predictions = Predictions.from_poses(found, [record.image_id for record in records])
    rules: dict[str, Any] = {"box_source": "none: keypoints' extent", "nms": "one object an image", "flip_test": False}
    rules |= {"score_rule": "share of the template's points that agree", "templates": templates}
    measures = build(config.metrics.get("measures") or {})
    judge = Judge(skeleton, list(config.metrics.thresholds), protocol=rules, measures=measures)
    verdict = judge(truth, predictions, len(found))
    metrics = {f"val/{name}": value for name, value in verdict.numbers.items()}
    write_json(folder / "metrics.json", {"metrics": metrics, "protocol": verdict.card, "primary": config.data.primary})
    predictions.save(folder / "predictions.json", truth.category)
    coco_json.write(folder / "truth.json", truth.to_coco())
    return metrics
