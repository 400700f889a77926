"""From a command line to queued jobs: run folders first, then a script, then ``sbatch``."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from armature import run_folder
from armature.building import build, targets
from armature.cli import Request
from armature.configuration import compose
from armature.errors import ConfigError, UserError
from armature.launching import queue, script
from armature.launching.script import Work
from armature.launching.settings import Local, Slurm
from armature.run_folder import write_json, write_text

#: In a run's folder: the script of its job, what SLURM and the program say, and which job it is.
SCRIPT, LOG, RECORD = "job.sbatch", "slurm.log", "slurm.json"
#: Beside the experiments of ``runs``: a folder for every array, with a link to the run of each of its jobs.
ARRAYS = ".slurm"


def launch(request: Request, config: DictConfig) -> int | None:
    """Queues one run where its config says so (0), or says that it is to start right here (None).

    Raises:
        UserError: settings that cannot be, no SLURM here, or a refusal; nothing is left behind then.
    """
    if not isinstance(settings := _settings(config), Slurm):
        _no_script(request)
        return None
    overrides = without_launcher(request.overrides)
    if not request.dry_run:
        _check([(config, overrides)], settings)
    run = _run_of(config, make=not request.dry_run)
    work = Work((*request.verb.split("_"), *overrides), run)
    text = script.text(settings, [work], config.name, str(run / LOG), request.options())
    if request.dry_run:
        print(text, end="")
        return 0
    with _undone([run]):
        job = _submitted(run / SCRIPT, text)
    _note(run, job)
    print(f"job {job}: {run}\n  log    {run / LOG}\n  state  armature jobs")
    return 0


def launch_grid(request: Request, grid: Sequence[Sequence[str]]) -> int | Local:
    """Queues the runs of a grid as an array for each kind of job (0), or says how they are to start right here.

    Raises:
        UserError: as ``launch``, before any run is queued wherever it can be known before.
    """
    if isinstance(here := _chosen(request, grid[0]), Local):
        _no_script(request)
        return here
    kinds: list[tuple[Slurm, list[tuple[DictConfig, list[str]]]]] = []
    for overrides in grid:
        config = compose(request.verb, overrides, request.config_dirs)
        if not isinstance(settings := _settings(config), Slurm):
            raise ConfigError("-m: either all runs are started by a cluster, or none is")
        same = next((members for known, members in kinds if known == settings), None)
        if same is None:
            kinds.append((settings, same := []))
        same.append((config, without_launcher(overrides)))
    for settings, members in kinds:
        if not request.dry_run:
            _check(members, settings)
    for settings, members in kinds:
        _queue_array(request, settings, members)
    return 0


def submit(
    command: Sequence[str],
    launcher: DictConfig | Slurm,
    count: int = 1,
    folder: Path | str | None = None,
    name: str = "armature",
    dry_run: bool = False,
) -> list[str]:
    """The ids ("123_0", "123_1", ...) of ``count`` queued jobs, an array, that all run the same command.

    Args:
        command: what follows ``armature`` on a command line; ``PYTHON -m armature`` before it is left out, because the
            interpreter is the launcher's to choose.
        launcher: the node of the config group ``launcher``. folder: for the script and the logs; None is
            ``runs/.slurm/ID``.
        name: of the jobs. dry_run: prints the script and queues nothing.

    Raises:
        UserError: a launcher that is none of a cluster, no SLURM here, or a refusal.
    """
    settings = launcher if isinstance(launcher, Slurm) else build(launcher)
    if not isinstance(settings, Slurm):
        raise ConfigError("jobs need a launcher of a cluster: launcher=slurm")
    words = tuple(command[3:] if tuple(command[1:3]) == ("-m", "armature") else command)
    place = Path(folder).absolute() if folder else _array_folder(Path("runs"))
    text = script.text(settings, [Work(words)] * count, name, f"{place}/slurm-%a.log", array=True)
    if dry_run:
        print(text, end="")
        return []
    job = _submitted(place / SCRIPT, text)
    return [f"{job}_{number}" for number in range(count)]


def without_launcher(overrides: Sequence[str]) -> list[str]:
    """The overrides that are the run's; how it is launched is said once."""
    keys = [text.lstrip("+~").partition("=")[0] for text in overrides]
    return [text for text, key in zip(overrides, keys) if key != "launcher" and not key.startswith("launcher.")]


def _settings(config: DictConfig) -> Any:
    """What the config says of launching, which then is no part of it: a run is the same wherever it was started."""
    with open_dict(config):
        node = config.pop("launcher", None)
    return build(node) if node is not None and script.LAUNCHED not in os.environ else Local()


def _chosen(request: Request, overrides: Sequence[str]) -> Any:
    """Where a grid goes. A run that cannot be composed says so itself and takes no other along."""
    try:
        return _settings(compose(request.verb, overrides, request.config_dirs))
    except ConfigError:
        if request.dry_run or any(text.lstrip("+~").startswith("launcher") for text in overrides):
            raise
        return Local()


def _check(members: Sequence[tuple[DictConfig, list[str]]], settings: Slurm) -> None:
    """Tries what the runs begin with; those that are made of the same parts, once.

    Raises:
        UserError: a run that would fail; says what and how to queue it all the same.
    """
    tried: set[tuple[tuple[str, str], ...]] = set()
    for config, overrides in members if settings.preflight else ():
        parts = tuple((key, str(node["_target_"])) for key, node in targets(OmegaConf.to_container(config)))
        if parts in tried:
            continue
        tried.add(parts)
        from armature.preflight import preflight

        found = preflight(config, overrides, len(members))
        if not found.passed:
            shown = " ".join(overrides) or "the default config"
            raise UserError(
                f"nothing was queued, because this run would fail: {shown}\n{found.summary()}\n"
                "mend it, or queue it all the same with launcher.preflight=false"
            )


def _no_script(request: Request) -> None:
    if request.dry_run:
        raise ConfigError("--dry-run shows the script of a job, which launcher=slurm makes; this run starts right here")


def _run_of(config: DictConfig, make: bool) -> Path:
    """The folder of the run that goes on, or of a new one (in name only, where none is to be made)."""
    if config.get("resume"):
        return run_folder.open(config.resume).path.absolute()
    return run_folder.reserve(config.runs, config.name, make).path.absolute()


def _queue_array(request: Request, settings: Slurm, members: Sequence[tuple[DictConfig, list[str]]]) -> None:
    runs = [_run_of(config, make=not request.dry_run) for config, _ in members]
    verb = request.verb.split("_")
    works = [Work((*verb, *overrides), run) for (_, overrides), run in zip(members, runs)]
    config = members[0][0]
    place = _array_folder(Path(config.runs))
    text = script.text(settings, works, config.name, f"{place}/%a/{LOG}", request.options(), array=True)
    if request.dry_run:
        print(text, end="")
        return
    with _undone(runs):
        place.mkdir(parents=True)
        for number, run in enumerate(runs):
            (place / str(number)).symlink_to(run)
        job = _submitted(place / SCRIPT, text)
    for number, run in enumerate(runs):
        _note(run, f"{job}_{number}")
    throttle = f", at most {settings.throttle} at a time" if settings.throttle else ""
    print(f"array {job}: {len(runs)} runs{throttle}", *(f"{job}_{n}  {run}" for n, run in enumerate(runs)), sep="\n  ")


def _array_folder(runs: Path) -> Path:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return runs.expanduser().absolute() / ARRAYS / f"{now}-{secrets.token_hex(2)}"


def _submitted(file: Path, text: str) -> str:
    write_text(file, text)
    return queue.sbatch(file)


def _note(run: Path, job: str) -> None:
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    write_json(run / RECORD, {"job": job, "submitted": now})


@contextlib.contextmanager
def _undone(runs: Sequence[Path]) -> Any:
    """Takes folders away that were made for runs which then were not queued."""
    try:
        yield
    except UserError:
        for run in runs:
            if not (run / "config.yaml").exists():
                (run / SCRIPT).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    run.rmdir()
        raise
