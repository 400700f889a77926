"""``armature sweep stop``: ends all workers of a sweep, on whatever machine they run."""

from __future__ import annotations

from omegaconf import DictConfig

from armature.errors import ConfigError
from armature.sweeping import planning

SUMMARY = "end all workers of a sweep; their trials keep their checkpoints, and resume goes on with them"
WORDS = "folders"
EXAMPLES = """
armature sweep stop sweeps/learning_rate/ID
armature sweep stop sweeps/learning_rate/ID after=trial
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Leaves the word for the workers; 0.

    Raises:
        UserError: no such sweep, or another time than now or trial.
    """
    planning.check_installed()
    from armature.sweeping import folder

    if config.after not in ("now", "trial"):
        raise ConfigError(f"after={config.after}: now (trials stop and can go on) or trial (trials are finished first)")
    for path in folder.chosen(config.folders):
        sweep = folder.open(path)
        sweep.ask_to_stop(config.after)
        print(f"asked to stop; go on with: armature sweep resume={sweep.path}")
    return 0
