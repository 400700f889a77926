"""``armature compare``: which of several runs is better, by how much, and how sure that is."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from armature.building import build
from armature.comparison import alike, contenders, document, judging, output, seeds, text

SUMMARY = "tell which of several runs, or files of COCO results, is better, and how sure that is"
WORDS = "runs"
EXAMPLES = """
armature compare runs/compare_synthetic/* output=comparison
armature compare ours:runs/default/RUN theirs:results.json annotations=person_keypoints_val2017.json
armature compare runs/default/RUN1 runs/default/RUN2 metric=AP75 format=latex
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints the comparison and, where asked, writes the page; 0 when compared.

    Raises:
        UserError: runs that cannot be read, were judged by other rules or on other images; says how to go on.
    """
    found = contenders.gather(list(config.runs), config.annotations, build(config.skeleton), config.category)
    remarks = alike.check_rules(found, list(config.allow))
    found, left_out = alike.same_images(found, config.images)
    groups = seeds.grouped(found)
    rule = judging.rules(found, config.area)
    judged = {contender.name: judging.judge(contender, rule) for contender in found}
    settings = document.Settings(
        metric=document.primary(groups, config.metric),
        metrics=tuple(config.metrics),
        resamples=config.resamples,
        level=config.level,
        seed=config.seed,
        workers=config.workers,
    )
    remarks += [*left_out, *alike.training_remarks(found)]
    compared = document.compose(groups, judged, settings, remarks)
    text.show(compared, config.format)
    page = None
    if config.output:
        page = output.write(
            Path(config.output), compared, output.Pair.of(compared, groups, judged), config.pictures, groups
        )
        print(f"written to {page}")
    if config.wandb:
        print(output.send(compared, Path(config.output or "."), config.wandb, page))
    return 0
