"""Runs that were kept on the disk, sent to W&B: each part once, in their order, whatever happens to the others."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from armature.tracking import client
from armature.tracking.parts import Part, records

try:
    import fcntl
except ImportError:  # not on this system: then nobody keeps two from sending the same
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Outcome:
    """What became of a part: ``sent``, ``sent before``, ``running``, ``held back`` (one before it was not sent) or
    ``failed``; ``why`` in words for the last three."""

    part: Part
    state: str
    why: str = ""


def send(found: Sequence[Part], timeout: float, project: str = "", entity: str = "") -> Iterator[Outcome]:
    """Sends every part that has not been sent; of a run, none before those that came earlier.

    Args:
        found: as ``parts`` gives them. timeout: seconds for each part. project, entity: instead of the runs' own.
    """
    by_run = sorted(found, key=lambda part: (part.id, part.begun))
    for _, own in groupby(by_run, key=lambda part: part.id):
        blocked = ""
        for part in own:
            outcome = Outcome(part, "held back", blocked) if blocked else _send(part, timeout, project, entity)
            if outcome.state in ("failed", "running"):
                blocked = f"after {part.file.parent.name}"
            yield outcome


def resend(run: Any, earlier: Sequence[Part]) -> int:
    """Logs to an online run what parts of it have recorded and the server lacks; the step at which it then stands.

    Of a process that was killed, or whose server was gone, rows are on the disk that were on their way. Numbers only.
    """
    at = int(run.starting_step)
    for part in earlier:
        for row in part.rows():
            if row["_step"] >= at and (found := client.scalars(row)):
                run.log(found, step=row["_step"])
                at = row["_step"]
    return at


def _send(part: Part, timeout: float, project: str, entity: str) -> Outcome:
    if part.sent:
        return Outcome(part, "sent before")
    if part.running():
        return Outcome(part, "running", "its run has not ended, or ended a moment ago without a word")
    with _alone(part) as alone:
        if not alone:
            return Outcome(part, "running", "somebody else is sending it")
        why = (_whole if part.offline else _rest)(part, timeout, project, entity)
    return Outcome(part, "failed", why) if why else Outcome(part, "sent")


def _whole(part: Part, timeout: float, project: str, entity: str) -> str:
    """The client's own way for a run of which the server has nothing; "" or why it failed."""
    options = [f"--{name}={value}" for name, value in (("project", project), ("entity", entity)) if value]
    command = [sys.executable, "-m", "wandb", "sync", *options, str(part.file.parent)]
    client.environment()
    environment = {name: value for name, value in os.environ.items() if name not in ("WANDB_MODE", "WANDB_SILENT")}
    client_itself = subprocess.Popen(
        command,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        printed, _ = client_itself.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _end(client_itself)
        return f"not done within {timeout:g} s"
    if part.sent:
        return ""
    said = [line.removeprefix("wandb: ") for line in printed.splitlines() if line.strip()]
    return said[-1] if said else f"wandb sync ended with exit code {client_itself.returncode}"


def _end(program: subprocess.Popen[str]) -> None:
    """Ends a program that leads a session, and its children: the client's service would go on trying to send."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
    program.kill()
    program.communicate()


def _rest(part: Part, timeout: float, project: str, entity: str) -> str:
    """What is missing at the server of a run that was online when it was cut off; "" or why it failed.

    The client would send all of it once more.
    """
    if project or entity:
        return "a part of this run has been sent to its own project already; leave out project and entity"
    about, code = _description(part)
    with tempfile.TemporaryDirectory(prefix="armature-sync-") as folder:
        run, problem = client.start(Path(folder), "online", part.id, about, min(timeout, 60.0), timeout)
        if run is None:
            return problem
        try:
            resend(run, [part])
            run.finish(exit_code=code)
        except Exception as error:  # TimeoutError, or whatever the client's service ran into
            return str(error) or type(error).__name__
    part.mark()
    return ""


def _description(part: Part) -> tuple[dict[str, Any], int]:
    """Where a run belongs, and its exit code; that of a run without an end is 1."""
    about: dict[str, Any] = {}
    code = 1
    for record in records(part.file):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            about = {"project": record.run.project or None, "entity": record.run.entity or None}
        elif kind == "exit":
            code = record.exit.exit_code
    return about, code


@contextlib.contextmanager
def _alone(part: Part) -> Iterator[bool]:
    """Whether nobody else is sending this part; until the end nobody else will."""
    with open(part.file, "rb") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
