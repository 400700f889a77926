"""Lightning's logger for Weights & Biases."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import secrets
import time
from argparse import Namespace
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from armature.errors import ConfigError
from armature.tracking import access, client
from armature.tracking.parts import Part, last_steps, parts
from armature.tracking.sending import resend

log = logging.getLogger(__name__)

MODES = ("auto", "online", "offline", "disabled")
#: Names the sweep that a run belongs to; whoever starts the run as a trial sets it.
SWEEP_VARIABLE = "ARMATURE_SWEEP"
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: W&B refuses longer tags.
_TAG = 64
#: Rows that ``newest`` keeps in any case, and at most.
_FEWEST, _MOST = 20, 500


class WandbLogger(Logger):
    """Sends metrics and pictures to Weights & Biases, or keeps them in ``<folder>/wandb`` for ``armature sync``.

    It never asks a question, and never fails or holds up a run: where the server cannot be reached it keeps the run
    offline and says so in one line. W&B's own step is the optimizer step; ``train/*``, ``val/*``, ``throughput/*`` and
    pictures have ``epoch`` (finished ones) as their axis, ``step/*`` (single steps) has the step.

    A run that goes on (``id`` given) leaves out what the parts before it have recorded, so that steps which are
    computed again after a kill come once. Where one of these parts is offline and not sent yet, this one is offline,
    too, because W&B takes steps in their order only.

    Args:
        folder: the run folder.
        mode: ``auto`` is ``WANDB_MODE`` if that is set, else online if the user is logged in, else offline;
            ``online``, ``offline``, ``disabled``.
        id: of the W&B run that goes on; None begins one. ``logger.id`` is known before anything is sent.
        project, name, group, tags, entity, notes, job_type: as in ``wandb.init``; name and group None are the run's and
            the experiment's folder. A run of a sweep (``ARMATURE_SWEEP``) is tagged ``sweep:<name>``, too, and has the
            name as ``sweep`` in its config.
        timeout: seconds to wait for the server at the start.
        finish_timeout: seconds to wait for uploads at the end; what is left stays on the disk.

    Raises:
        ConfigError: an unknown mode.
    """

    def __init__(
        self,
        folder: Path | str,
        mode: str = "auto",
        id: str | None = None,
        project: str = "armature",
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        entity: str | None = None,
        notes: str | None = None,
        job_type: str = "train",
        timeout: float = 15.0,
        finish_timeout: float = 30.0,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ConfigError(f"logger.wandb.mode={mode}: known modes are {', '.join(MODES)}")
        self.folder, self.mode, self.id = Path(folder), mode, id or _new_id()
        self.sweep = os.environ.get(SWEEP_VARIABLE) or None
        marks = [*tags, *([f"sweep:{self.sweep}"[:_TAG]] if self.sweep else [])]
        self._about: dict[str, Any] = {"project": project, "tags": marks or None, "job_type": job_type}
        self._about |= {"name": name or self.folder.name, "group": group or self.folder.parent.name or None}
        self._about |= {"entity": entity, "notes": notes}
        self.timeout, self.finish_timeout = timeout, finish_timeout
        self._run: Any = None
        self._closed = False
        self._online = False
        self._step = 0
        self._before: list[Part] = []
        self._recorded: dict[str, int] = {}
        self._newest: deque[tuple[float, int, dict[str, float]]] = deque(maxlen=_MOST)
        #: While True, ``log_metrics`` sends nothing: the judgement at the end of a run is no further epoch.
        self.muted = False

    # ------------------------------------------------------------------ Lightning's side

    @property
    def name(self) -> str:
        """The project."""
        return str(self._about["project"])

    @property
    def version(self) -> str:
        """The id of the W&B run."""
        return self.id

    @property
    def save_dir(self) -> str:
        """The run folder."""
        return str(self.folder)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The ``wandb.Run``, begun at the first call; None when disabled or closed."""
        if self._run is None and not self._closed:
            self._run = self._begin()
            self._closed = self._run is None
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Puts the resolved config (plain data) at the run."""
        plain = vars(params) if isinstance(params, Namespace) else dict(params)
        if self.experiment is not None:
            self.experiment.config.update(plain, allow_val_change=True)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """One row at ``step``; Lightning's 0-based ``epoch`` becomes the number of the epoch, from 1."""
        row: dict[str, Any] = dict(metrics)
        if "epoch" in row:
            row["epoch"] = int(row["epoch"]) + 1
        if not self.muted:
            self._send(row, step)

    @rank_zero_only
    def log_pictures(
        self, key: str, pictures: Sequence[np.ndarray], captions: Sequence[str], epoch: int, step: int | None = None
    ) -> None:
        """Pictures (uint8 RGB) under ``key`` at ``epoch`` (finished ones)."""
        if self.experiment is None:
            return
        import wandb

        pairs = zip(pictures, captions, strict=True)
        media = [wandb.Image(picture, caption=text, file_type="jpg") for picture, text in pairs]
        self._send({key: media, "epoch": epoch}, step)

    @rank_zero_only
    def log_summary(self, values: Mapping[str, Any]) -> None:
        """The run's final numbers, in place of the last ones logged."""
        if self.experiment is not None:
            self.experiment.summary.update(dict(values))

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Lightning's call after each entry point; only a failure ends the W&B run, the evaluation is yet to come."""
        if status != "success":
            self.close(1)

    @rank_zero_only
    def close(self, exit_code: int = 0) -> None:
        """Ends the W&B run; nothing can be logged after."""
        run, self._run, self._closed = self._run, None, True
        if run is None:
            return
        try:
            run.finish(exit_code=exit_code)
        except Exception as error:
            log.warning("W&B: the run's end was not sent (%s); send it with: %s", error, self._command())
            if isinstance(error, ConnectionError):  # its service was killed: as Python ends it would be missed again
                with contextlib.suppress(Exception):
                    importlib.import_module("wandb").teardown()
        else:
            for part in self._parts() if self._online else ():
                part.mark()

    # ------------------------------------------------------------------ runs that go on

    def newest(self) -> list[list[Any]]:
        """[step, row] of what was logged last and may not be on the disk yet: numbers only, plain data."""
        since = time.monotonic() - 3 * client.FLUSH
        rows = list(self._newest)
        late = sum(when >= since for when, _, _ in rows)
        return [[step, row] for _, step, row in rows[-max(late, _FEWEST) :]]

    @rank_zero_only
    def replay(self, rows: Sequence[Sequence[Any]]) -> None:
        """Logs rows of ``newest``, as far as the parts of the run on the disk do not have them."""
        for step, row in rows:
            self._send(dict(row), int(step))

    def _unknown(self, row: Mapping[str, Any], step: int) -> dict[str, Any]:
        """What of a row the parts before have not recorded; nothing where that is but the epoch."""
        new = {name: value for name, value in row.items() if step > self._recorded.get(name, -1)}
        new.pop("epoch", None)
        return new | {"epoch": row["epoch"]} if new and "epoch" in row else new

    def _parts(self) -> list[Part]:
        return [part for part in parts([self.folder]) if part.id == self.id]

    # ------------------------------------------------------------------ W&B's side

    def _send(self, row: dict[str, Any], step: int | None) -> None:
        if self.experiment is None:
            return
        step = self._step if step is None else step
        row = self._unknown(row, step)
        if not row:
            return
        # W&B drops rows that go back; a step that has been sent already takes more values until the next one.
        self._step = max(self._step, step)
        self._newest.append((time.monotonic(), step, client.scalars(row)))
        try:
            self.experiment.log(row, step=self._step)
        except Exception as error:
            log.warning("W&B: %s; nothing more is sent to it, the run folder has everything", error)
            self.close(1)

    def _begin(self) -> Any:
        mode = self.mode if self.mode != "auto" else access.automatic()
        if mode == "disabled":
            return None
        if importlib.util.find_spec("wandb") is None:
            log.warning("W&B is not installed (pip install wandb); logger=csv does without it")
            return None
        self._before = self._parts()
        problem = self._why_not_online() if mode == "online" else ""
        run = None
        if mode == "online" and not problem:
            run, problem = self._start("online")
            if run is None:
                importlib.import_module("wandb").teardown()  # its service would keep the id for itself
        if problem:
            log.warning("W&B: %s; this run is kept offline, to send later with: %s", problem, self._command())
        if run is None:
            run, problem = self._start("offline")
        if run is None:
            log.warning("W&B could not be started (%s); the run goes on without it", problem)
        return run

    def _start(self, mode: str) -> tuple[Any, str]:
        """A run, or None and the reason."""
        run, problem = client.start(self.folder, mode, self.id, self._about, self.timeout, self.finish_timeout)
        if run is None:
            return None, problem
        self._online = mode == "online"
        if self.sweep:
            run.config.update({"sweep": self.sweep})
        if self._before:
            self._recorded, last = last_steps(self._before)
            self._step = last + 1
        if self._before and self._online:
            self._step = max(self._step, resend(run, self._before))
        return run, ""

    def _why_not_online(self) -> str:
        if not access.logged_in():
            return "online was asked for, but there is no API key (wandb login)"
        if any(part.offline and not part.sent for part in self._before):
            return "earlier parts of this run are kept offline and have to be sent first"
        return access.unreachable()

    def _command(self) -> str:
        return f"armature sync {self.folder}"


def _new_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(8))
