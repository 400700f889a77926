"""A run folder around released weights: what evaluates, predicts, exports and starts a training is a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig

from armature import assembly, provenance, run_folder
from armature.building import build
from armature.configuration import compose, save_text
from armature.errors import ConfigError, DataError
from armature.module import PoseModule
from armature.run_folder import RunFolder, write, write_json, write_text
from armature.weights import releases, tensors

#: Of every imported run: nothing is downloaded, nothing averaged, nothing trained.
_PLAIN = ("average=none", "trainer=cpu", "logger=none", "data.train=null", "data.limit=null")


def import_weights(
    name: str, file: str | Path, overrides: Sequence[str], command: Sequence[str], runs: str, experiment: str | None
) -> RunFolder:
    """A new run folder with the file's weights as its best and only checkpoint.

    Args:
        name: of the format. overrides: of ``armature train``, after those that the release needs.
        experiment: the folder below ``runs``; None is the format's name.

    Raises:
        UserError: no such format or file, or weights that fit no network of this release; says which tensor.
    """
    release = releases.get(name)
    found = tensors.read(file, release.HOW)
    chosen = [*release.variant(found.tensors, found.sha256), *_PLAIN, f"name={experiment or name}", *overrides]
    config = compose("train", [*chosen, f"runs={runs}"])
    module = assembly.assemble(config)
    fill(module, release, found, config, file)
    folder = run_folder.create(config.runs, config.name)
    write_text(folder.config, save_text(config))
    save(module, folder.best)
    known = provenance.collect(command, chosen, {"seed": config.seed})
    known["weights"] = {"format": name, "title": release.TITLE, "file": str(file), "sha256": found.sha256}
    known["weights"]["tensors"] = len(found.tensors)
    write_json(folder.provenance, known)
    provenance.finish(folder.provenance, "imported")
    return folder


def fill(
    module: PoseModule, release: releases.Release, found: tensors.File, config: DictConfig, file: str | Path
) -> None:
    """Puts released tensors into a network, all of them and nothing else.

    Raises:
        DataError: missing, left over, or of another shape; names the first.
    """
    try:
        state = release.into(found.tensors, found.sha256, module.model, config, build(config.skeleton))
        module.model.load_state_dict(state, strict=True)
    except ConfigError as error:
        raise DataError(f"weights {file}, format={release.FORMAT}: {error}") from error
    except RuntimeError as error:  # torch lists them all, several screens
        lines = [line.strip() for line in str(error).splitlines()[1:3]]
        raise DataError(f"weights {file}, format={release.FORMAT}: {' '.join(lines)[:300]}") from error


def save(module: PoseModule, file: Path) -> None:
    """The network as a checkpoint that runs are restored from."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"state_dict": module.state_dict(), "epoch": 0, "global_step": 0}
    write(file, lambda temporary: torch.save(content, temporary))
