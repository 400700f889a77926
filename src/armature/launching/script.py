"""The job script: what ``--dry-run`` shows and ``sbatch`` gets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from armature.launching.settings import Slurm
from armature.run_folder import RUN_VARIABLE

#: Set inside a job: what runs there starts there, whatever launcher its config names.
LAUNCHED = "ARMATURE_LAUNCHED"

_REQUEUE = """\
# Told to go (138: time is nearly up, 143: pre-empted) and state saved: queue this job again, unless somebody cancels it
# or SLURM has queued it already; then it is no longer RUNNING. A job whose time is up may still be queued again.
if [ $code = 138 ] || [ $code = 143 ]; then
  case "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format='%T %r')" in
  RUNNING*|*TimeLimit*) scontrol requeue "$SLURM_JOB_ID" && echo "job $SLURM_JOB_ID is queued again: nothing to do" ;;
  esac
fi"""
#: Before the program and after it, where a job has a run whose state can be looked at.
_BEFORE = """\
state() { stat -c %Y "$run/checkpoints/last.ckpt" 2>/dev/null; }
before=$(state)"""
_STANDSTILL = """\
# Time was up three times in a row before anything was gained: it would be for ever.
if [ $code = 138 ] && [ "$(state)" = "$before" ]; then
  echo "$SLURM_JOB_ID" >> "$run/idle"
  if [ "$(wc -l < "$run/idle")" -ge 3 ]; then
    echo "error: three starts in a row ended before a step was made: more launcher.time, or less launcher.grace"
    rm -f "$run/idle"
    exit 1
  fi
else
  rm -f "$run/idle"
fi"""


@dataclass(frozen=True)
class Work:
    """What one job does.

    Attributes:
        arguments: of the program, after its options.
        run: the folder that it makes or, when it is started again, goes on with; None where the arguments say all.
    """

    arguments: tuple[str, ...]
    run: Path | None = None


def text(
    settings: Slurm,
    works: Sequence[Work],
    name: str,
    output: str,
    options: Sequence[str] = (),
    folder: Path | None = None,
    array: bool = False,
) -> str:
    """A batch script; with ``array`` one job for each of ``works``, else for the first.

    Args:
        name: of the job. output: SLURM's pattern of the log file. options: of the program, the same for all jobs.
        folder: where the program runs; the present one where nothing is said.
    """
    return "\n".join(_lines(settings, works, name, output, options, folder or Path.cwd(), array)) + "\n"


def _lines(
    settings: Slurm,
    works: Sequence[Work],
    name: str,
    output: str,
    options: Sequence[str],
    folder: Path,
    array: bool,
) -> Iterator[str]:
    yield "#!/bin/bash"
    throttle = f"%{settings.throttle}" if settings.throttle else ""
    own = [f"--job-name={name}", f"--chdir={folder}", f"--output={output}", "--open-mode=append"]
    own += [f"--array=0-{len(works) - 1}{throttle}"] if array else []
    yield from (f"#SBATCH {_directive(option)}" for option in (*own, *settings.options()))
    yield ""
    yield "# What is sent to the whole job is for the program; the shell has to outlive it."
    yield "trap : TERM USR1"
    yield from _surroundings(settings)
    yield ""
    yield f"export {LAUNCHED}=1"
    yield from _choice(works, array)
    yield ""
    watched = settings.requeue and works[0].run is not None
    if watched:
        yield _BEFORE
    yield f'{_program(settings, options)} "$@"'
    yield "code=$?"
    if watched:
        yield _STANDSTILL
    if settings.requeue:
        yield _REQUEUE
    yield "exit $code"


def _directive(option: str) -> str:
    """An option as a #SBATCH line reads it: split at blanks, but for quotes."""
    key, equals, value = option.partition("=")
    return f'{key}="{value}"' if equals and (" " in value or "#" in value) else option


def _surroundings(settings: Slurm) -> Iterator[str]:
    if settings.modules:
        yield f"module load {shlex.join(settings.modules)}"
    if settings.cpus_per_task:
        yield f"export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-{settings.cpus_per_task}}}"
    yield from (f"export {name}={shlex.quote(str(value))}" for name, value in (settings.environment or {}).items())
    yield from settings.setup


def _choice(works: Sequence[Work], array: bool) -> Iterator[str]:
    """Sets the arguments of this job, and the id of its run: the same whenever the job is started again."""
    if array and len(set(works)) > 1:
        yield 'case "$SLURM_ARRAY_TASK_ID" in'
        for number, work in enumerate(works):
            yield f"{number}) {'; '.join(_one(work))} ;;"
        yield "esac"
    else:
        yield from _one(works[0])


def _one(work: Work) -> Iterator[str]:
    if work.run:
        yield f"run={shlex.quote(str(work.run))}"
        yield f"export {RUN_VARIABLE}={shlex.quote(work.run.name)}"
    yield f"set -- {shlex.join(work.arguments)}"


def _program(settings: Slurm, options: Sequence[str]) -> str:
    """``srun ... python -m armature OPTIONS``; a process that dies takes the others of its job along."""
    srun = ["srun", "--kill-on-bad-exit=1"]
    # Since 22.05 a step does not inherit this from its job.
    srun += [f"--cpus-per-task={settings.cpus_per_task}"] if settings.cpus_per_task else []
    enter: list[str] = []
    if settings.container and settings.container_runtime == "pyxis":
        srun += [f"--container-image={settings.container}"]
        srun += [f"--container-mounts={','.join(settings.container_mounts)}"] if settings.container_mounts else []
    elif settings.container:
        enter = [settings.container_runtime, "exec", *(["--nv"] if settings.devices else [])]
        enter += [part for mount in settings.container_mounts for part in ("--bind", mount)] + [settings.container]
    python = settings.python or ("python" if settings.container else sys.executable)
    return shlex.join([*srun, *settings.srun, *enter, python, "-m", "armature", *options])
