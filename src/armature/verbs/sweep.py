"""``armature sweep``: many trainings that look for the best settings, in a folder that survives its workers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from armature import cli
from armature.errors import ConfigError
from armature.run_folder import write_text
from armature.sweeping import planning

if TYPE_CHECKING:
    from armature.launching import Slurm
    from armature.sweeping.folder import SweepFolder
    from armature.sweeping.settings import Settings

SUMMARY = "search for the best settings: Optuna studies that any number of workers share, resumable"
EXAMPLES = """
armature sweep sweep=learning_rate workers=2
armature sweep sweep=optimizer sampler=tpe pruner=hyperband trials=40 seeds=[1,2,3] trainer=gpu
armature sweep 'space={optimizer.lr: "interval(0.001, 0.1)", data.batch_size: "choice(8, 16)"}'
armature sweep resume=sweeps/learning_rate/ID workers=4
armature sweep sweep=learning_rate launcher=slurm workers=16
armature sweep sweep=learning_rate export=wandb output=wandb.yaml
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Starts a sweep, goes on with one, or writes its W&B definition; 0 with a result, 1 when no trial succeeded.

    Raises:
        UserError: what can be known to be wrong, before any trial begins.
        Interrupted: Ctrl-C or SIGTERM; trials were given back with their checkpoints.
    """
    planning.check_installed()
    request = cli.parse(command[1:])
    if config.export is not None:
        return _export(config, planning.settle(config, overrides, request))
    from armature.sweeping import folder

    if config.resume:
        changes = planning.changes(overrides, config)
        sweep = folder.open(config.resume).change(**changes)
        sweep.stop.unlink(missing_ok=True)
        sweep.fill()
    else:
        sweep = folder.create(config.sweeps, planning.settle(config, overrides, request))
    launcher = planning.launcher(sweep.settings, overrides)
    if launcher is not None:
        return _submit(sweep, launcher, config.workers, request.dry_run, keep=bool(config.resume))
    print(f"{sweep.path}: {sweep.settings.trials} trials", flush=True)
    return _work(sweep, config)


def _submit(sweep: SweepFolder, launcher: Slurm, count: int, dry_run: bool, keep: bool) -> int:
    """Workers as jobs; a new sweep that came to none (a dry run, a refusal) leaves nothing behind."""
    from armature import launching
    from armature.sweeping import local

    jobs: list[str] = []
    try:
        if not dry_run and sweep.settings.program is None:
            launching.check([(planning.training(sweep.settings), sweep.settings.train)], launcher)
        command = local.command(sweep.path)
        jobs = launching.submit(command, launcher, count, sweep.path / "jobs", sweep.settings.name, dry_run)
    finally:
        if not jobs and not keep:
            shutil.rmtree(sweep.path)
    if jobs:
        print(f"{sweep.path}: {sweep.settings.trials} trials, jobs {', '.join(jobs)}")
        print(f"state   armature sweep status {sweep.path}")
    return 0


def _work(sweep: SweepFolder, config: DictConfig) -> int:
    from armature.sweeping import local, results, worker

    if config.workers == 1:
        worker.Worker(sweep, results.publish).work()
    elif config.workers > 1:
        local.run(sweep.path, config.workers)
    else:
        print(f"add workers with: armature sweep worker {sweep.path}")
        return 0
    results.publish(sweep)
    print(results.summary(sweep))
    return 0 if results.succeeded(sweep) else 1


def _export(config: DictConfig, settings: Settings) -> int:
    from armature.sweeping import wandb_export

    if config.export != "wandb":
        raise ConfigError(f"export={config.export}: there is wandb")
    text = wandb_export.definition(settings)
    if config.output is None:
        print(text, end="")
        return 0
    write_text(config.output, text)
    print(f"written to {config.output}; start it with: wandb sweep {config.output}")
    return 0
