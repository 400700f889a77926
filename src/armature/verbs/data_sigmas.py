"""``armature data sigmas``: OKS constants measured instead of borrowed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from armature import config_folders, configuration, run_folder, skeleton_file, skeletons
from armature.building import build
from armature.errors import ConfigError, DataError
from armature.evaluation import sigmas as estimation
from armature.evaluation.results import Predictions, Truth
from armature.reports import sigma_report
from armature.run_folder import write_json
from armature.structures import Skeleton

SUMMARY = "estimate OKS sigmas from people annotated twice, or bound them by a network's residuals"
EXAMPLES = """
armature data sigmas annotations=anna.json second=ben.json skeleton=openfield_mouse
armature data sigmas annotations=anna.json second=ben.json file=mouse.yaml write=true
armature data sigmas run=runs/openfield/RUN report=sigmas output=mouse_with_sigmas.yaml
armature data sigmas predictions=results.json annotations=person_keypoints_val2017.json robust=true
"""


@dataclass(frozen=True)
class Evidence:
    """What sigmas are estimated from; ``said`` names it in a few words."""

    skeleton: Skeleton
    truth: Truth
    said: str
    second: Truth | None = None
    predictions: Predictions | None = None

    @property
    def in_use(self) -> np.ndarray:
        """(K,) sigmas that OKS takes today."""
        return np.array(skeletons.sigmas_or_default(self.skeleton))


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Prints the sigmas and, where asked, writes them; 0 when estimated.

    Raises:
        UserError: what is asked is not there or cannot be paired.
    """
    if config.write and config.output:
        raise ConfigError("write=true changes the skeleton's own file, output=FILE makes another; give one of them")
    source = _skeleton_file(config) if config.write or config.output else None
    evidence = _evidence(config)
    if source is not None and (points := skeletons.load(source).keypoints) != evidence.skeleton.keypoints:
        raise ConfigError(f"{source} is for the keypoints {list(points)}, not {list(evidence.skeleton.keypoints)}")
    if evidence.second is not None:
        deviations = estimation.between(evidence.truth, evidence.second, config.min_iou)
    else:
        assert evidence.predictions is not None
        deviations = estimation.residuals(evidence.truth, evidence.predictions, evidence.in_use, config.min_oks)
    found = estimation.estimate(deviations, config.robust, config.resamples, config.level, config.seed)
    sigma_report.show(
        found, evidence.skeleton.sigmas, f"{evidence.skeleton.name}: {evidence.said}", deviations.left_out
    )
    if config.report:
        _report(Path(config.report), evidence, found, deviations.left_out)
    if source is not None:
        _write(source, Path(config.output) if config.output else source, found, evidence.said)
    return 0


def _evidence(config: DictConfig) -> Evidence:
    given = {name for name in ("run", "annotations", "second", "predictions") if config[name]}
    if given == {"run"}:
        return _of_run(config)
    if not ({"annotations", "second"} <= given or {"annotations", "predictions"} <= given) or "run" in given:
        raise ConfigError(
            "data sigmas needs annotations=FILE second=FILE, or run=FOLDER, or predictions=FILE annotations=FILE; "
            f"found {' '.join(f'{name}={config[name]}' for name in sorted(given)) or 'none of them'}"
        )
    skeleton = skeletons.load(config.file) if config.file else build(config.skeleton)
    truth = _truth(config.annotations, config, skeleton)
    second = _truth(config.second, config, skeleton) if config.second else None
    predictions = Predictions.from_coco(config.predictions, truth) if config.predictions else None
    first, other = Path(config.annotations).name, Path(config.second or config.predictions).name
    said = f"{first} and {other}, two annotations" if second else f"residuals of {other} against {first}"
    return Evidence(skeleton, truth, said, second, predictions)


def _of_run(config: DictConfig) -> Evidence:
    """A run's predictions and annotations: from its files, or the annotations from its data where it has no copy."""
    folder = run_folder.open(config.run)
    trained = configuration.load(folder.config)
    skeleton = build(trained.skeleton)
    if folder.truth.is_file():
        truth = Truth.from_coco(folder.truth)
    else:
        from armature import assembly  # takes seconds to import

        truth = Truth.from_records(assembly.data(trained).val_records(), skeleton)
    truth = truth.with_areas(config.area)
    predictions = Predictions.from_coco(folder.predictions, truth)
    return Evidence(skeleton, truth, f"residuals of {folder.experiment}/{folder.id}", predictions=predictions)


def _truth(file: str, config: DictConfig, skeleton: Skeleton) -> Truth:
    truth = Truth.from_coco(file, config.category).with_areas(config.area)
    unnamed = truth.names == tuple(f"keypoint_{i}" for i in range(skeleton.count))
    if truth.names != skeleton.keypoints and not unnamed:
        raise DataError(
            f"{file}: its keypoints are {list(truth.names)}, those of skeleton '{skeleton.name}' "
            f"{list(skeleton.keypoints)}; name another with skeleton=NAME or file=FILE"
        )
    return replace(truth, names=skeleton.keypoints)


def _skeleton_file(config: DictConfig) -> Path:
    """The YAML file that the sigmas are for, known to exist before anything is computed."""
    if config.file:
        return Path(config.file)
    trained = configuration.load(run_folder.open(config.run).config) if config.run else config
    file = config_folders.project() / "skeleton" / f"{trained.skeleton.name}.yaml"
    if not file.is_file():
        raise ConfigError(f"skeleton '{trained.skeleton.name}' has no file {file}; name it with file=FILE")
    return file


def _report(folder: Path, evidence: Evidence, found: estimation.Estimate, left_out: dict[str, int]) -> None:
    """sigmas.json and, where there are predictions, the AP-versus-sigma curve."""
    curves: dict[str, Any] = {}
    if evidence.predictions is not None:
        chosen = {"the skeleton's sigmas" if evidence.skeleton.sigmas else "the default sigma": evidence.in_use}
        if np.isfinite(found.sigmas).all():
            chosen["the estimated upper bounds" if found.upper_bound else "the estimated sigmas"] = found.sigmas
        curves = {name: estimation.curve(evidence.truth, evidence.predictions, s) for name, s in chosen.items()}
        for ending in ("png", "svg"):
            sigma_report.save_curve(curves, folder / f"sigma_curve.{ending}")
    rows, remarks = sigma_report.rows(found, evidence.skeleton.sigmas), sigma_report.remarks(found, left_out)
    facts = {"skeleton": evidence.skeleton.name, "from": evidence.said, "upper_bound": found.upper_bound}
    facts |= {"robust": found.robust, "level": found.level, "people": found.people, "images": found.images}
    write_json(folder / "sigmas.json", facts | {"remarks": remarks, "keypoints": rows, "curves": curves})
    print(f"written to {folder}: sigmas.json" + (", sigma_curve.png, sigma_curve.svg" if curves else ""))


def _write(source: Path, target: Path, found: estimation.Estimate, said: str) -> None:
    missing = [name for name, sigma in zip(found.names, found.sigmas, strict=True) if not sigma > 0]
    if missing:
        raise DataError(f"{source} was not changed: there is no sigma for {', '.join(missing)}")
    how = "medians" if found.robust else "root mean squares"
    bound = "as upper bounds " if found.upper_bound else ""
    comment = f"{datetime.date.today()} {bound}from {said}: {how} over {found.people} people in {found.images} images"
    skeleton_file.write_sigmas(source, found.sigmas.tolist(), comment, target)
    print(f"written to {target}")
    if lines := skeleton_file.other_mentions(target.read_text(encoding="utf-8")):
        print(f"other comments there speak of sigmas too, and were kept: line {', '.join(map(str, lines))}")
