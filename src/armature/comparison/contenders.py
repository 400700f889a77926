"""What is compared: a run folder, or a file of COCO results of any program, read without building a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from armature import configuration
from armature.building import build
from armature.comparison import examined
from armature.errors import DataError, UserError
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.selection import predictions_of, truth_of
from armature.reports.curves import History, read_history
from armature.run_folder import RunFolder, read_json
from armature.structures import Skeleton


@dataclass(frozen=True)
class Contender:
    """One system and what it predicted.

    Attributes:
        name: how it is called; unique among those compared. named: whether the user chose that name.
        path: the run folder or the results file.
        truth, predictions: of all images it was judged on.
        skeleton: whose keypoints they are.
        card: the protocol card of its own judgement; {} for a bare results file.
        config: the run's resolved config, {} for a bare file.
        provenance, cost: the run's JSON files, {} where there are none.
        history: columns of its history.csv, {} where there is none.
        suites: what suites have left beside the run, by their names.
    """

    name: str
    path: Path
    truth: Truth
    predictions: Predictions
    skeleton: Skeleton
    named: bool = False
    card: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    suites: dict[str, Any] = field(default_factory=dict)


def gather(
    paths: Sequence[str],
    annotations: str | None = None,
    skeleton: Skeleton | None = None,
    category: int | str | None = None,
) -> list[Contender]:
    """The contenders at those paths, in their order: folders are runs, ``.json`` files are COCO results.

    A results file is judged against ``annotations``; without them, against the annotations of the first run. A name
    may be given as ``NAME:PATH``.

    Args:
        skeleton: of results files when there is no run among the paths. category: of the annotations.

    Raises:
        UserError: a path that is neither, results without annotations, a name that comes twice.
        DataError: a file that cannot be read; names it and the field.
    """
    named = [_named(path) for path in paths]
    _check_names([name for name, _ in named])
    runs = {name: _run(name, path) for name, path in named if path.is_dir()}
    chosen = {name for (name, _), text in zip(named, paths, strict=True) if text.startswith(f"{name}:")}
    truth, of = _common_truth(list(runs.values()), annotations, skeleton, category)
    found = []
    for name, path in named:
        if path.is_dir():
            found.append(runs[name])
        elif path.is_file():
            found.append(_results(name, path, truth, of))
        else:
            raise UserError(f"compare: '{path}' is neither a run folder nor a file of COCO results")
    return [replace(c, named=c.name in chosen) for c in found]


def _named(text: str) -> tuple[str, Path]:
    """Name and path of ``NAME:PATH`` or ``PATH``; a path that exists with its colon is a path."""
    name, colon, rest = text.partition(":")
    if colon and name and rest and not Path(text).exists():
        return name, Path(rest)
    path = Path(text)
    own = path.stem if path.suffix == ".json" else f"{path.resolve().parent.name}/{path.resolve().name}"
    return own, path


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"compare: {len(twice)} names come twice ({', '.join(twice)}); give others as NAME:PATH")


def _common_truth(
    runs: Sequence[Contender], annotations: str | None, skeleton: Skeleton | None, category: int | str | None
) -> tuple[Truth | None, Skeleton | None]:
    """What results files are judged against, and their skeleton."""
    of = runs[0].skeleton if runs else skeleton
    if annotations:
        return Truth.from_coco(annotations, category), of
    return (runs[0].truth, of) if runs else (None, of)


def _run(name: str, path: Path) -> Contender:
    """A run from its files alone, but for the annotations of runs that have left none."""
    folder = RunFolder(path)
    for needed in (folder.config, folder.predictions, folder.metrics):
        if not needed.is_file():
            raise UserError(
                f"compare: run '{path}' has no {needed.name}; it has not ended, or is no run folder: leave it out"
            )
    config: Any = configuration.load(folder.config)
    skeleton = build(config.skeleton)
    truth = Truth.from_coco(folder.truth) if folder.truth.is_file() else _rebuilt_truth(config, skeleton, path)
    return Contender(
        name=name,
        path=path,
        truth=truth,
        predictions=Predictions.from_coco(folder.predictions, truth),
        skeleton=skeleton,
        card=_object(folder.metrics).get("protocol", {}),
        config=OmegaConf.to_container(config),  # type: ignore[arg-type]
        history=read_history(folder.history) if folder.history.is_file() else {},
        provenance=_object(folder.provenance) if folder.provenance.is_file() else {},
        cost=_object(folder.cost) if folder.cost.is_file() else {},
        suites=examined.read(path),
    )


def _rebuilt_truth(config: Any, skeleton: Skeleton, path: Path) -> Truth:
    """The annotations of a run that did not keep them, from its data's config."""
    from armature import assembly  # imports torch: seconds that runs with a truth.json do not need

    try:
        return Truth.from_records(assembly.data(config).val_records(), skeleton)
    except UserError as error:
        raise UserError(
            f"compare: run '{path}' kept no truth.json, and its data cannot be read again ({error}); "
            "runs of today keep it"
        ) from error


def _results(name: str, path: Path, truth: Truth | None, skeleton: Skeleton | None) -> Contender:
    if truth is None or skeleton is None:
        raise UserError(f"compare: '{path}' holds results only; say annotations=FILE (and skeleton=NAME)")
    if len(truth.names) != skeleton.count:
        raise UserError(
            f"compare: the annotations have {len(truth.names)} keypoints, skeleton '{skeleton.name}' has "
            f"{skeleton.count}; name the right one by skeleton=NAME"
        )
    predictions = Predictions.from_coco(path, truth)
    return Contender(name, path, truth, predictions, skeleton)


def _object(file: Path) -> dict[str, Any]:
    found = read_json(file)
    if not isinstance(found, dict):
        raise DataError(f"{file}: expected a JSON object, found {type(found).__name__}")
    return found


def restrict(contender: Contender, image_ids: NDArray[np.int64]) -> Contender:
    """The same contender on some of its images only."""
    return replace(
        contender,
        truth=truth_of(contender.truth, image_ids),
        predictions=predictions_of(contender.predictions, image_ids),
    )
