"""From a command line to queued jobs: run folders first, then a script, then ``sbatch``."""

from __future__ import annotations

import contextlib
import datetime
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from armature import run_folder
from armature.building import build, targets
from armature.cli import Request
from armature.configuration import compose
from armature.errors import ConfigError, UserError
from armature.launching import queue, script, states
from armature.launching.script import Work
from armature.launching.settings import Local, Slurm
from armature.run_folder import write_json, write_text

if TYPE_CHECKING:
    from armature.preflight import Room

#: In a run's folder: the script of its job, what SLURM and the program say, and which job it is.
SCRIPT, LOG, RECORD = "job.sbatch", "slurm.log", "slurm.json"
#: Beside the experiments of ``runs``: a folder for every array, with a link to the run of each of its jobs.
ARRAYS = ".slurm"
#: Seconds below which starting is most of what a job does before it is told to stop.
_START = 120


def launch(request: Request, config: DictConfig) -> int | None:
    """Queues one run where its config says so (0), or says that it is to start right here (None).

    Raises:
        UserError: settings that cannot be, no SLURM here, or a refusal; nothing is left behind then.
    """
    if not isinstance(settings := _settings(config), Slurm):
        _no_script(request)
        return None
    overrides = without_launcher(request.overrides)

    def script_of(run: Path) -> str:
        work = Work((*request.verb.split("_"), *overrides), run)
        name = run.parent.name if config.get("resume") else config.name
        return script.text(settings, [work], name, str(run / LOG), request.options())

    _doubt(config, settings)
    draft = script_of(run := _run_of(config, make=False))
    if request.dry_run:
        print(draft, end="")
        return 0
    _refuse_two(run)
    queue.trial(draft)
    check([(config, overrides)], settings)
    run = _run_of(config, make=True)
    with _undone([run]):
        job = _submitted(run / SCRIPT, script_of(run))
    _note(run, job, overrides)
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
        _doubt(members[0][0], settings)
        if not request.dry_run:
            queue.available()
            check(members, settings)
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
    text = script.text(settings, [Work(words)] * count, name, f"{place}/slurm-%A_%a.log", array=True)
    if dry_run:
        print(text, end="")
        return []
    job = _submitted(place / SCRIPT, text)
    jobs = [f"{job}_{number}" for number in range(count)]
    write_json(place / f"{job}.json", {"jobs": jobs, "submitted": _now()})  # for whoever lists them
    return jobs


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


def check(members: Sequence[tuple[DictConfig, Sequence[str]]], settings: Slurm) -> None:
    """Tries what the runs begin with; those that are made of the same parts, once.

    Raises:
        UserError: a run that would fail; says what and how to queue it all the same.
    """
    tried: set[tuple[tuple[str, str], ...]] = set()
    if settings.preflight:
        print("trying the run first (launcher.preflight=false does not) ...", file=sys.stderr, flush=True)
    for config, overrides in members if settings.preflight else ():
        parts = tuple((key, str(node["_target_"])) for key, node in targets(OmegaConf.to_container(config)))
        if parts in tried:
            continue
        tried.add(parts)
        from armature.preflight import preflight

        found = preflight(config, overrides, len(members), _room(settings))
        if not found.passed:
            shown = " ".join(overrides) or "the default config"
            raise UserError(
                f"nothing was queued, because this run would fail: {shown}\n{found.summary()}\n"
                "mend it, or queue it all the same with launcher.preflight=false"
            )


def room(config: DictConfig) -> Room | None:
    """Where a config's run will be: a job's memory, or None, which is this machine."""
    settings = _settings(config.copy())
    return _room(settings) if isinstance(settings, Slurm) else None


def _room(settings: Slurm) -> Room:
    from armature.preflight import Room

    return Room("the job", settings.memory)


def _no_script(request: Request) -> None:
    if request.dry_run:
        raise ConfigError("--dry-run shows the script of a job, which launcher=slurm makes; this run starts right here")


def _run_of(config: DictConfig, make: bool) -> Path:
    """The folder of the run that goes on, or of a new one (in name only, where none is to be made)."""
    if config.get("resume"):
        return run_folder.open(config.resume).path.absolute()
    return run_folder.reserve(config.runs, config.name, make).path.absolute()


def _refuse_two(run: Path) -> None:
    """Raises:
    UserError: a job of this run is queued or running: two would write the same files.
    """
    job = str(run_folder.read_json(run / RECORD).get("job", "")) if (run / RECORD).is_file() else ""
    state = states.ask([job]).states.get(job, "") if job else ""
    if states.is_alive(state):
        raise UserError(
            f"{run}: job {job} is {states.word(state)} and goes on with this run by itself; scancel {job} first"
        )


def _doubt(config: DictConfig, settings: Slurm) -> None:
    """Says what can be meant, but hardly is."""
    accelerator = OmegaConf.select(config, "trainer.accelerator")
    if settings.devices is None and settings.gres == "auto" and accelerator == "auto":
        print("note: the job asks for no GPU; trainer.accelerator=gpu does, or launcher.gres=...", file=sys.stderr)
    spare = (settings.seconds or 1 << 30) - settings.grace
    if settings.requeue and spare < _START:
        what = f"launcher.time={settings.time} less launcher.grace={settings.grace} leaves {spare} s"
        print(f"note: {what} for starting (20 to 60 s) and training, again and again", file=sys.stderr)


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
        for run in runs:
            _refuse_two(run)
        place.mkdir(parents=True)
        for number, run in enumerate(runs):
            (place / str(number)).symlink_to(run)
        job = _submitted(place / SCRIPT, text)
    for number, (run, (_, overrides)) in enumerate(zip(runs, members)):
        _note(run, f"{job}_{number}", overrides)
    throttle = f", at most {settings.throttle} at a time" if settings.throttle else ""
    print(f"array {job}: {len(runs)} runs{throttle}", *(f"{job}_{n}  {run}" for n, run in enumerate(runs)), sep="\n  ")


def _array_folder(runs: Path) -> Path:
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return runs.expanduser().absolute() / ARRAYS / f"{now}-{secrets.token_hex(2)}"


def _submitted(file: Path, text: str) -> str:
    write_text(file, text)
    return queue.sbatch(file)


def _note(run: Path, job: str, overrides: Sequence[str]) -> None:
    write_json(run / RECORD, {"job": job, "submitted": _now(), "overrides": list(overrides)})


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


@contextlib.contextmanager
def _undone(runs: Sequence[Path]) -> Any:
    """Takes folders away that were made for runs which then were not queued."""
    before = {run for run in runs if (run / SCRIPT).exists()}
    try:
        yield
    except UserError:
        for run in runs:
            if run not in before:
                (run / SCRIPT).unlink(missing_ok=True)
            if not (run / "config.yaml").exists():
                with contextlib.suppress(OSError):
                    run.rmdir()
        raise
