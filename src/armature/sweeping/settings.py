"""What a sweep is told once and for all, as plain data: ``sweep.yaml`` in its folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Settings:
    """The settings of a sweep.

    Attributes:
        name: of the sweep. train: overrides that all trials share.
        options: ``--config-dir`` and ``--allow`` for the trials' processes. config_dirs: the folders among them.
        space, when: the search space as its config spells it.
        objectives: metric -> ``max`` or ``min``. monitor: the ``val/*`` that pruning goes by.
        trials: how many. seeds: of the trainings of one trial, whose mean counts; none is one training with ``seed``.
        seed: of the sampler, and of the trainings without ``seeds``.
        sampler, pruner: what ``conf/sampler`` and ``conf/pruner`` say. lag: see ``knowledge``.
        retries: after a crash. grace: seconds without a sign of life after which a worker counts as dead.
        storage: where the study is kept; None is a journal in the folder.
        program: what trains; None is this Python's ``armature train``. cost: overrides of ``armature cost``.
        max_epochs: that a trial trains, for Hyperband. wandb: whether the trials' config has a W&B logger.
    """

    name: str
    train: list[str]
    options: list[str]
    config_dirs: list[str]
    space: dict[str, Any]
    when: dict[str, dict[str, Any]]
    objectives: dict[str, str]
    monitor: str
    trials: int
    seed: int
    sampler: dict[str, Any]
    pruner: dict[str, Any]
    lag: int | None = 8
    seeds: list[int] = field(default_factory=list)
    retries: int = 1
    grace: float = 60.0
    storage: str | None = None
    program: list[str] | None = None
    cost: list[str] = field(default_factory=list)
    max_epochs: int = 1
    wandb: bool = False

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """In Optuna's words."""
        return ["maximize" if mode == "max" else "minimize" for mode in self.objectives.values()]

    def written(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
