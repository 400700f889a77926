"""``armature sweep status``: what every trial of a sweep is doing."""

from __future__ import annotations

from omegaconf import DictConfig

from armature.sweeping import planning

SUMMARY = "show a sweep's trials, live: state, epoch, best value, host"
WORDS = "folders"
EXAMPLES = """
armature sweep status sweeps/learning_rate/ID
armature sweep status sweeps/learning_rate/ID every=0
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints the table and writes the page anew; 0.

    Raises:
        UserError: no such sweep.
    """
    planning.check_installed()
    from armature.sweeping import folder, results, status

    for path in folder.chosen(config.folders):
        sweep = folder.open(path)
        try:
            status.show(sweep, config.every)
        except KeyboardInterrupt:
            return 0
        print(f"page {results.publish(sweep)}")
    return 0
