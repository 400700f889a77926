"""Where metrics and pictures go besides the run folder: Weights & Biases, which may never stop a run."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import logging
import netrc
import os
import secrets
import socket
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from pytorch_lightning import Callback
from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from armature.building import build
from armature.errors import ConfigError

log = logging.getLogger(__name__)

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
MODES = ("auto", "online", "offline", "disabled")
#: Where keys of W&B's own server are kept since before it moved; the client still looks there.
_FIRST_HOST = "api.wandb.ai"
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: The terminal and the user's code stay the user's.
_QUIET: dict[str, Any] = {"console": "off", "silent": True, "disable_code": True, "disable_job_creation": True}
#: For what the client says before it has settings, and its own telemetry, which holds a process up for 20 s at its end
#: where there is no way out of the network.
_ENVIRONMENT = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
#: Seconds after which what was logged is in the file, also if the run is killed.
_FLUSH = 5.0


class WandbLogger(Logger):
    """Sends metrics and pictures to Weights & Biases, or keeps them in ``<folder>/wandb`` for ``wandb sync``.

    It never asks a question, and never fails or holds up a run: where the server cannot be reached it keeps the run
    offline and says so in one line. W&B's own step is the optimizer step; ``train/*``, ``val/*``, ``throughput/*`` and
    pictures have ``epoch`` (finished ones) as their axis, ``step/*`` (single steps) has the step.

    Args:
        folder: the run folder.
        mode: ``auto`` is ``WANDB_MODE`` if that is set, else online if the user is logged in, else offline;
            ``online``, ``offline``, ``disabled``.
        id: of the W&B run that goes on; None begins one. ``logger.id`` is known before anything is sent.
        project, name, group, tags, entity, notes: as in ``wandb.init``; name and group None are the run's and the
            experiment's folder.
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
        timeout: float = 15.0,
        finish_timeout: float = 60.0,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ConfigError(f"logger.wandb.mode={mode}: known modes are {', '.join(MODES)}")
        self.folder, self.mode, self.id = Path(folder), mode, id or _new_id()
        self._init: dict[str, Any] = {"project": project, "tags": list(tags) or None}
        self._init |= {"name": name or self.folder.name, "group": group or self.folder.parent.name or None}
        self._init |= {"entity": entity, "notes": notes}
        self.timeout, self.finish_timeout = timeout, finish_timeout
        self._run: Any = None
        self._closed = False
        self._step = 0
        #: While True, ``log_metrics`` sends nothing: the judgement at the end of a run is no further epoch.
        self.muted = False

    # ------------------------------------------------------------------ Lightning's side

    @property
    def name(self) -> str:
        """The project."""
        return str(self._init["project"])

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
        if run is not None:
            try:
                run.finish(exit_code=exit_code)
            except Exception as error:
                log.warning("W&B: the run's end was not sent (%s); send it with: wandb sync %s", error, self._files())

    # ------------------------------------------------------------------ W&B's side

    def _send(self, row: dict[str, Any], step: int | None) -> None:
        if self.experiment is None:
            return
        # W&B drops rows that go back; a step that has been sent already takes more values until the next one.
        self._step = max(self._step, step if step is not None else self._step)
        try:
            self.experiment.log(row, step=self._step)
        except Exception as error:
            log.warning("W&B: %s; nothing more is sent to it, the run folder has everything", error)
            self.close(1)

    def _begin(self) -> Any:
        mode = self.mode if self.mode != "auto" else _automatic()
        if mode == "disabled":
            return None
        if importlib.util.find_spec("wandb") is None:
            log.warning("W&B is not installed (pip install wandb); logger=csv does without it")
            return None
        problem = self._why_not_online() if mode == "online" else ""
        if mode == "online" and not problem:
            run, problem = self._start("online")
            if run is not None:
                return run
            importlib.import_module("wandb").teardown()  # its service would keep the id for itself
        if problem:
            log.warning("W&B: %s; this run is kept offline, to send later with: wandb sync %s", problem, self._files())
        run, problem = self._start("offline")
        if run is None:
            log.warning("W&B could not be started (%s); the run goes on without it", problem)
        return run

    def _start(self, mode: str) -> tuple[Any, str]:
        """A run, or None and the reason."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import wandb

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            wanted = {**_QUIET, "init_timeout": self.timeout, "finish_timeout": self.finish_timeout}
            wanted["x_transaction_log_flush_interval"] = _FLUSH
            settings = wandb.Settings(**{n: v for n, v in wanted.items() if n in wandb.Settings.model_fields})
            where: dict[str, Any] = {
                "mode": mode,
                "dir": str(self.folder),
                "id": self.id,
                "resume": "allow",
                "reinit": "create_new",
            }
            run = wandb.init(settings=settings, **where, **self._init)
            _define_axes(run)
        except Exception as error:  # no way to the server, a bad key, a service that does not start, a full disk ...
            return None, str(error).strip().split("\n")[0] or type(error).__name__
        return run, ""

    def _why_not_online(self) -> str:
        if not logged_in():
            return "online was asked for, but there is no API key (wandb login)"
        return _unreachable()

    def _files(self) -> Path:
        return self.folder / "wandb"


def trackers(
    config: Mapping[str, Any] | None, folder: Path | str, id: str | None = None
) -> tuple[list[Logger], list[Callback]]:
    """The loggers and the callbacks that the config group ``logger`` describes.

    Args:
        config: parts by name, each with a ``_target_``; parts of this package are given ``folder``.
        folder: the run folder. id: of the W&B run that a resumed run goes on with.

    Raises:
        ConfigError: a part that cannot be built, or is neither a logger nor a callback.
    """
    built = []
    for name, part in (config or {}).items():
        if part is None:
            continue
        given: dict[str, Any] = {"folder": folder} if str(part.get("_target_")).startswith("armature.") else {}
        built.append(build(part, **given, **({"id": id} if given and name == "wandb" and id else {})))
        if not isinstance(built[-1], (Logger, Callback)):
            raise ConfigError(f"config key 'logger.{name}' builds neither a Lightning logger nor a callback")
    return [p for p in built if isinstance(p, Logger)], [p for p in built if isinstance(p, Callback)]


def logged_in() -> bool:
    """Whether this user has credentials for the W&B server (environment or netrc); asks nobody."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(_server()).netloc
    hosts = {host, _FIRST_HOST} if _server() == _default_server() else {host}
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            if path.is_file() and any(netrc.netrc(str(path)).authenticators(name) for name in hosts):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _server() -> str:
    return os.environ.get("WANDB_BASE_URL") or _setting("base_url") or _default_server()


def _default_server() -> str:
    """The server of W&B's own, by what the installed client says: it has moved once."""
    try:
        import wandb

        return str(wandb.Settings.model_fields["base_url"].default)
    except (ImportError, AttributeError, KeyError):
        return f"https://{_FIRST_HOST}"


def _setting(name: str) -> str:
    """What ``wandb login``, ``wandb offline`` and the like have put into the client's settings files, or ""."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or Path.home() / ".config" / "wandb")
    parser = configparser.ConfigParser(default_section="", interpolation=None)
    try:
        parser.read([folder / "settings", Path("wandb") / "settings"])
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""
    return parser.get("default", name, fallback="")


def _automatic() -> str:
    wish = (os.environ.get("WANDB_MODE") or _setting("mode")).lower()
    if wish in ("disabled", "dryrun", "offline", "online"):
        return "offline" if wish == "dryrun" else wish
    return "online" if logged_in() else "offline"


def _unreachable() -> str:
    """Why the server cannot be reached, or ""; W&B itself would try for as long as its time limit."""
    if any(os.environ.get(name) for name in PROXIES):
        return ""  # the way leads through a proxy, which only the attempt can tell about
    server = urlsplit(_server())
    port = server.port or (80 if server.scheme == "http" else 443)
    try:
        socket.create_connection((server.hostname or "", port), timeout=3).close()
    except OSError as error:
        return f"the server cannot be reached ({error.strerror or error})"
    return ""


def _define_axes(run: Any) -> None:
    run.define_metric("epoch", hidden=True)
    for names in ("train/*", "val/*", "throughput/*", "pictures/*"):
        run.define_metric(names, step_metric="epoch")


def _new_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(8))
