"""From run folders and untrained architectures to subjects, and from subjects to results on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from omegaconf import DictConfig, OmegaConf

from armature import assembly, restoring
from armature.building import build
from armature.configuration import compose
from armature.data.source import Source
from armature.errors import ConfigError
from armature.run_folder import write_json
from armature.suites import figure
from armature.suites.result import Result
from armature.suites.scenes import Scene, scenes
from armature.suites.subject import Subject


def restored_of(run: str, checkpoint: str = "best", overrides: dict[str, Any] | None = None) -> restoring.Restored:
    """A run that predicts without the flip test, which would hide how its network treats a mirror image.

    Args:
        overrides: of the run's own config; ``flip_test: true`` brings the flip test back.
    """
    return restoring.restore(run, checkpoint, {"flip_test": False, **(overrides or {})})


def subject_of(
    restored: restoring.Restored, checkpoint: str = "best", name: str | None = None, batch: int = 16
) -> Subject:
    """A run's network as a suite's subject, on the canvas of the run's own data."""
    config, folder = restored.config, restored.folder
    canvas = int(config.data.canvas[0]), int(config.data.canvas[1])
    card: dict[str, Any] = {"run": f"{folder.experiment}/{folder.id}", "checkpoint": checkpoint}
    card |= {"flip_test": bool(config.flip_test), **restored.module.codec.protocol}
    # The model's class tells the architecture; a config does not keep the name that was chosen.
    shown = name or f"{str(config.model._target_).rpartition('.')[2]} {folder.id[-4:]}"
    return Subject(shown, restored.module.eval(), build(config.skeleton), canvas, batch, card)


def untrained(architecture: str, canvas: tuple[int, int], batch: int = 16) -> Subject:
    """An architecture that needs no training, as its config has it.

    Raises:
        ConfigError: there is no such architecture, or it would have to be trained.
    """
    config = compose("train", [f"architecture={architecture}"])
    module = assembly.assemble(config).eval()
    subject = Subject(architecture, module, build(config.skeleton), canvas, batch)
    if not subject.anonymous:
        raise ConfigError(f"detectors: {architecture} has to be trained; give a run folder of it instead")
    subject.card = {"architecture": architecture, **module.codec.protocol}
    return subject


def look_at(data: Source | None, canvas: tuple[int, int], count: int | None) -> list[Scene]:
    """The first pictures of a data set on a canvas."""
    if data is None:
        raise ConfigError("a suite looks at validation pictures, and this data has none (data.val)")
    return scenes(data, canvas, count)


def examine(suite: Any, subject: Subject, pictures: Sequence[Scene], about: dict[str, Any]) -> Result:
    """A suite's result with its card filled in.

    Args:
        about: the data, for the card.
    """
    result: Result = suite(subject, pictures)
    settings = {**result.card}
    result.card = {
        "suite": result.suite,
        "settings": settings,
        "pictures": len(pictures),
        "canvas": list(subject.canvas),
        **about,
        "subject": subject.card,
    }
    return result


def keep(result: Result, folder: Path) -> list[Path]:
    """Writes ``<suite>.json``, its curves and its pictures into a folder; the files."""
    written = [folder / f"{result.suite}.json"]
    write_json(written[0], result.to_dict())
    if drawn := figure.save([result], folder / f"{result.suite}_curves.png"):
        written.append(drawn)
    for number, (_, picture) in enumerate(result.pictures, 1):
        written.append(folder / f"{result.suite}_{number:02d}.jpg")
        cv2.imwrite(str(written[-1]), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    return written


def evaluate(config: DictConfig) -> int:
    """``armature evaluate run=... suite=...``: prints the result and writes it beside the run, or into ``output``.

    Raises:
        UserError: no such run, or a suite that does not suit it.
    """
    from rich.console import Console

    from armature.suites import text

    if not config.run:
        raise ConfigError("suite=... examines a network: give run=FOLDER (files of predictions have none)")
    suite = build(config.suite)
    overrides: Any = OmegaConf.to_container(config.overrides, resolve=True) if config.overrides else {}
    restored = restored_of(config.run, config.checkpoint, overrides)
    subject, data = subject_of(restored, config.checkpoint), restored.data()
    pictures = look_at(data.val, subject.canvas, config.pictures)
    result = examine(
        suite, subject, pictures, {"data": "the run's validation pictures", "fingerprint": data.fingerprint()}
    )
    Console(highlight=False).print(text.of_result(result))
    folder = Path(config.output) if config.output else restored.folder.path / "suites"
    written = keep(result, folder)
    print(f" written to {written[0]}" + (f", with {len(written) - 1} pictures" if written[1:] else ""))
    return 0
