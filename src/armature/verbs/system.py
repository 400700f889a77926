"""``armature system``: is this machine fit to train on, and how?"""

from __future__ import annotations

from omegaconf import DictConfig

SUMMARY = "checks versions, accelerators, W&B, folders and says what is wrong"
EXAMPLES = "armature system"


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    return 0
