"""``armature probe``: repeatability, equivariance, robustness and uniqueness of runs and classical detectors."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from armature import memory

SUMMARY = "measure how repeatable, equivariant, robust and unique the points of runs and of classical detectors are"
WORDS = "runs"
EXAMPLES = """
armature probe runs/compare_synthetic/* output=probe
armature probe ours:runs/default/RUN data=coco_mini data.canvas=[256,256] pictures=40
armature probe detectors=[harris,shi_tomasi,sift,dog] only=[repeatability] data=coco_mini output=probe
armature probe detectors=[harris,sift] only=[repeatability] suites.repeatability.hpatches=hpatches-sequences-release
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints one table a suite and, where asked, writes the page; 0 when measured.

    Raises:
        UserError: no such run or detector, data that does not suit the runs, or nothing to examine.
    """
    memory.keep_freed()
    from rich.console import Console

    from armature.suites import probing

    console = Console(highlight=False)
    probed = probing.probe(config, lambda said: print(said, flush=True))
    for table in probing.tables(probed):
        console.print(table)
    page = None
    if config.output:
        page = probing.write(probed, Path(config.output))
        print(f"written to {page}")
    if config.wandb:
        print(probing.send(probed, Path(config.output or "."), config.wandb, page))
    return 0
