"""One run of the W&B client, begun quietly and without a question."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: The terminal and the user's code stay the user's.
_QUIET: dict[str, Any] = {"console": "off", "silent": True, "disable_code": True, "disable_job_creation": True}
#: For what the client says before it has settings, and its own telemetry, which holds a process up for 20 s at its end
#: where there is no way out of the network.
_ENVIRONMENT = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
#: Seconds after which what was logged is in the file, also if the run is killed.
FLUSH = 5.0
#: What has finished epochs as its axis; single steps have W&B's own step, which is the optimizer's.
BY_EPOCH = ("train/*", "val/*", "throughput/*", "pictures/*")


def start(
    folder: Path, mode: str, id: str, about: Mapping[str, Any], timeout: float, finish_timeout: float
) -> tuple[Any, str]:
    """A ``wandb.Run`` that goes on with the run of that id where there is one; or None and the reason in one line.

    Args:
        mode: ``online`` or ``offline``. about: project, name, group and so on, as ``wandb.init`` takes them.
        timeout, finish_timeout: seconds to wait for the server at the start and for uploads at the end; the end raises
            TimeoutError when they are over.
    """
    environment()
    import wandb

    try:
        folder.mkdir(parents=True, exist_ok=True)
        wanted = {**_QUIET, "init_timeout": timeout, "finish_timeout": finish_timeout, "finish_timeout_raises": True}
        wanted["x_transaction_log_flush_interval"] = FLUSH
        settings = wandb.Settings(**{n: v for n, v in wanted.items() if n in wandb.Settings.model_fields})
        where: dict[str, Any] = {"mode": mode, "dir": str(folder), "id": id, "resume": "allow"}
        run = wandb.init(settings=settings, **where, reinit="create_new", **about)
        run.define_metric("epoch", hidden=True)
        for names in BY_EPOCH:
            run.define_metric(names, step_metric="epoch")
    except Exception as error:  # no way to the server, a bad key, a service that does not start, a full disk ...
        return None, str(error).strip().split("\n")[0] or type(error).__name__
    return run, ""


def environment() -> None:
    """Keeps the client quiet from its import on."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row, without pictures and the client's own columns."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not name.startswith("_")
    }
