"""``armature sweep worker``: one process that takes up trials of a sweep, on any machine that sees its folder."""

from __future__ import annotations

from omegaconf import DictConfig

from armature.sweeping import planning

SUMMARY = "add one worker to a sweep; it ends when nothing is left to do, or with sweep stop"
WORDS = "folders"
EXAMPLES = """
armature sweep worker sweeps/learning_rate/ID
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Works until no trial is left; 0.

    Raises:
        UserError: no such sweep.
        Interrupted: asked to stop; the trial was given back with its checkpoint.
    """
    planning.check_installed()
    from armature.sweeping import folder, results, worker

    for path in folder.chosen(config.folders):
        worker.Worker(folder.open(path), results.publish).work()
    return 0
