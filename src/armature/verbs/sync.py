"""``armature sync``: W&B runs that were kept on the disk, sent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from omegaconf import DictConfig

from armature.errors import ConfigError, UserError
from armature.tracking import access
from armature.tracking.parts import Part, parts
from armature.tracking.sending import Outcome, send

SUMMARY = "send W&B runs that were kept offline, from a machine that reaches the server"
WORDS = "runs"
EXAMPLES = """
armature sync
armature sync runs/default runs/lr_sweep
armature sync runs/default/RUN dry_run=true
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Sends what has not been sent, a line for each; 0 if nothing failed, else 1.

    Raises:
        UserError: a folder that does not exist, nobody logged in, a server that cannot be reached.
    """
    folders = [Path(folder).expanduser() for folder in config.runs]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"sync: no folder {folder}; give run folders, or folders with run folders in them")
    found = parts(folders)
    unsent = [part for part in found if not part.sent]
    if config.dry_run:
        for part in unsent:
            print(f"would send {part.file.parent}")
    if not unsent or config.dry_run:
        print(f"{len(unsent)} to send, {len(found) - len(unsent)} sent before")
        return 0
    _check_access(len(unsent))
    return _send(found, config)


def _check_access(count: int) -> None:
    if not access.logged_in():
        raise UserError(f"{count} to send, but there is no W&B API key: wandb login, or set WANDB_API_KEY")
    if problem := access.unreachable():
        raise UserError(f"{count} to send, but at {access.server()} {problem}")


def _send(found: list[Part], config: DictConfig) -> int:
    counts: Counter[str] = Counter()
    for outcome in send(found, config.timeout, config.project or "", config.entity or ""):
        counts[outcome.state] += 1
        if outcome.state != "sent before":
            _say(outcome)
    print(", ".join(f"{counts[state]} {state}" for state in counts))
    return int(counts["failed"] > 0)


def _say(outcome: Outcome) -> None:
    why = f" ({outcome.why})" if outcome.why else ""
    print(f"{outcome.state}: {outcome.part.file.parent}{why}", flush=True)
