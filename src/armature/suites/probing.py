"""Several suites on several subjects with the same pictures: tables, a page, and what W&B gets."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from omegaconf import DictConfig, OmegaConf
from rich.table import Table

from armature import assembly
from armature.building import build
from armature.errors import ConfigError, UserError
from armature.run_folder import write_json, write_text
from armature.suites import figure, page, running, text
from armature.suites.columns import columns
from armature.suites.result import Result
from armature.suites.scenes import Scene
from armature.suites.subject import Subject


@dataclass
class Probed:
    """Everything that was found.

    Attributes:
        results: suite -> results in the subjects' order. left_out: sentences on who could not be examined.
        about: the data, for the page. seconds: of each suite.
    """

    results: dict[str, list[Result]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


def probe(config: DictConfig, tell: Callable[[str], None]) -> Probed:
    """Every chosen suite on every subject that it applies to.

    Args:
        tell: says what is being done.

    Raises:
        UserError: nothing to examine, an unknown suite, a run that cannot be read.
    """
    suites = _suites(config)
    data = assembly.data(config)
    canvas = int(config.data.canvas[0]), int(config.data.canvas[1])
    pictures = running.look_at(data.val, canvas, config.pictures)
    subjects = _subjects(config, canvas, data.skeleton.keypoints)
    found = Probed(about={"data": _data(config), "fingerprint": data.fingerprint()})
    for name, suite in suites.items():
        begun = time.perf_counter()
        for subject in subjects:
            _one(found, name, suite, subject, pictures, tell)
        found.seconds[name] = time.perf_counter() - begun
    return found


def tables(probed: Probed) -> list[Table]:
    """One table a suite."""
    return [
        text.table(results, _columns(name, results), f"{name}: {_said(results[0])}")
        for name, results in probed.results.items()
        if results
    ]


def write(probed: Probed, folder: Path) -> Path:
    """Writes probe.json, probe.md, curves, pictures and the page into a folder, and returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        **probed.about,
        "suites": {name: [result.to_dict() for result in results] for name, results in probed.results.items()},
        "left_out": probed.left_out,
        "seconds": probed.seconds,
    }
    write_json(folder / "probe.json", document)
    parts = [
        f"## {name}\n\n{text.markdown(results, _columns(name, results))}\n\n{_said(results[0])}\n"
        for name, results in probed.results.items()
        if results
    ]
    write_text(folder / "probe.md", "\n".join([*parts, *probed.left_out]) + "\n")
    order = list(dict.fromkeys(result.subject for results in probed.results.values() for result in results))
    sections = [_section(name, results, folder, order) for name, results in probed.results.items() if results]
    return page.write(folder / "probe.html", sections, probed.about, probed.left_out)


def send(probed: Probed, folder: Path, project: str, written: Path | None) -> str:
    """Sends tables, curves and the page to W&B as a run of job type ``probe``; says what it did, and never fails."""
    from armature.tracking import WandbLogger  # imports torch

    logger = WandbLogger(folder, project=project, name="probe", group="probe", job_type="probe")
    run = logger.experiment
    if run is None:
        return f"W&B: nothing was sent to '{project}' (it is disabled or cannot be reached)"
    try:
        run.log(_logged(probed, folder, written))
    except Exception as error:  # a full disk, a service that has died: the probe itself is done
        logger.close(1)
        return f"W&B: the tables were not sent to '{project}' ({error})"
    logger.close(0)
    return f"W&B: the tables are in project '{project}', run {logger.id}"


def _suites(config: DictConfig) -> dict[str, Any]:
    chosen = list(config.only) if config.only is not None else list(config.suites)
    if unknown := [name for name in chosen if name not in config.suites]:
        raise ConfigError(f"only: there is no suite {unknown[0]}; known: {', '.join(config.suites)}")
    return {str(name): build(config.suites[name]) for name in chosen}


def _subjects(config: DictConfig, canvas: tuple[int, int], keypoints: Sequence[str]) -> list[Subject]:
    """Detectors first, then runs, all on one canvas.

    Raises:
        UserError: nobody, or a run with other keypoints than the data.
    """
    overrides: Any = OmegaConf.to_container(config.overrides, resolve=True) if config.overrides else {}
    found = [running.untrained(str(name), canvas, config.batch) for name in config.detectors]
    for entry in config.runs:
        name, path = _named(str(entry))
        restored = running.restored_of(path, config.checkpoint, overrides)
        subject = running.subject_of(restored, config.checkpoint, name, config.batch)
        if not subject.anonymous and tuple(subject.skeleton.keypoints) != tuple(keypoints):
            raise ConfigError(
                f"run {path}: its skeleton {subject.skeleton.name} has {subject.skeleton.count} keypoints, the data's "
                f"are {len(keypoints)} others ({', '.join(keypoints[:3])} ...); give skeleton= and data= of the run"
            )
        subject.canvas = canvas
        found.append(subject)
    if not found:
        raise UserError("nobody to examine: give run folders, or detectors=[NAME, ...]")
    return found


def _named(entry: str) -> tuple[str | None, str]:
    """``NAME:PATH``, or a path alone."""
    name, colon, path = entry.partition(":")
    return (name, path) if colon and name and not Path(entry).exists() else (None, entry)


def _one(
    found: Probed, name: str, suite: Any, subject: Subject, pictures: Sequence[Scene], tell: Callable[[str], None]
) -> None:
    begun = time.perf_counter()
    try:
        result = running.examine(suite, subject, pictures, found.about)
    except ConfigError as error:  # the suite does not apply to it
        found.left_out.append(f"{name}: {subject.name} is left out: {error}")
        return
    found.results.setdefault(name, []).append(result)
    tell(f"{name}: {subject.name}, {len(pictures)} pictures, {time.perf_counter() - begun:.0f} s")


def _columns(suite: str, results: Sequence[Result]) -> list[str]:
    return columns(suite, [list(result.numbers) for result in results])


def _said(result: Result) -> str:
    card = result.card
    return (
        f"{card.get('pictures')} pictures on {card['canvas'][0]} x {card['canvas'][1]}, seed "
        f"{card['settings'].get('seed')}; 95 % intervals from a bootstrap of the pictures"
    )


def _data(config: DictConfig) -> str:
    val = config.data.get("val")
    return str(config.data.get("root") or (val or {}).get("_target_", "data"))


def _section(name: str, results: Sequence[Result], folder: Path, order: Sequence[str]) -> page.Section:
    curves = figure.save(results, folder / f"{name}_curves.png", _MEASURES.get(name, figure.DRAWN), order)
    pictures: list[tuple[str, Path]] = []
    for result in results:
        for number, (caption, picture) in enumerate(result.pictures, 1):
            file = folder / "pictures" / f"{name}_{_file_name(result.subject)}_{number:02d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
            pictures.append((f"{result.subject}, {caption}", file))
    return page.Section(name, _said(results[0]), _columns(name, results), list(results), curves, pictures)


#: Which measures' curves are drawn for several subjects at once.
_MEASURES = {
    "equivariance": ("moved", "jumps", "AP"),
    "repeatability": ("repeatability@3",),
    "corruptions": ("AP", "PCK@0.1", "error/mean"),
}


def _file_name(subject: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in subject)


def _logged(probed: Probed, folder: Path, written: Path | None) -> dict[str, Any]:
    """The tables, curves and the page as W&B's objects."""
    import wandb

    logged: dict[str, Any] = {}
    for name, results in probed.results.items():
        wanted = _columns(name, results)
        head = ["subject", *(f"{column}{part}" for column in wanted for part in ("", " low", " high"))]
        rows = [[r.subject, *(_cell(r, column, part) for column in wanted for part in _PARTS)] for r in results]
        logged[f"probe/{name}"] = wandb.Table(columns=head, data=rows)
        curves = folder / f"{name}_curves.png"
        if written is not None and curves.is_file():
            logged[f"probe/{name}_curves"] = wandb.Image(str(curves))
    if written is not None:
        logged["probe/page"] = wandb.Html(str(written))
    return logged


_PARTS = ("estimate", "low", "high")


def _cell(result: Result, column: str, part: str) -> float | None:
    interval = result.numbers.get(column)
    value = getattr(interval, part) if interval is not None else None
    return value if value is not None and value == value else None
