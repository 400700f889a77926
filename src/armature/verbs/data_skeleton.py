"""``armature data skeleton``: a skeleton drawn, guessed from labelled people, or joined from several."""

from __future__ import annotations

import tempfile
from pathlib import Path

from omegaconf import DictConfig, ListConfig

from armature import config_folders, skeleton_draft, skeleton_guess, skeleton_mapping, skeletons
from armature.building import build
from armature.data import recognising
from armature.errors import ConfigError, DataError
from armature.evaluation.results import Truth
from armature.reports import skeleton_picture
from armature.run_folder import write_text
from armature.structures import Skeleton

SUMMARY = "draw a skeleton, write one from labelled people, or join several"
EXAMPLES = """
armature data skeleton skeleton=mpii output=mpii.png
armature data skeleton from=my_labels output=mouse.yaml picture=mouse.png
armature data skeleton file=mouse.yaml output=mouse.svg
armature data skeleton join=[coco_person,lsp] output=mine/skeleton/coco_lsp.yaml
"""

_WAYS = {"union": skeleton_mapping.union, "intersection": skeleton_mapping.intersection}


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Writes a picture or a skeleton file and says what is in it; 0 when written.

    Raises:
        UserError: what is asked for cannot be read, or the output is of the wrong kind or there already.
    """
    given = [key for key in ("from", "join", "file") if config[key]]
    if len(given) > 1:
        raise ConfigError(f"data skeleton takes one of from, join and file; found {' and '.join(given)}")
    if not config.output:
        raise ConfigError("data skeleton needs output=FILE: a .png to draw a skeleton, a .yaml with from= or join=")
    writes = bool(config["from"] or config.join)
    _check_output(Path(config.output), writes, config.overwrite)
    if not writes:
        skeleton = skeletons.load(config.file) if config.file else build(config.skeleton)
        return _said(skeleton, skeleton_picture.save(skeleton, config.output))
    return _guessed(config) if config["from"] else _joined(config)


def _check_output(output: Path, writes: bool, overwrite: bool) -> None:
    endings = (".yaml", ".yml") if writes else skeleton_picture.ENDINGS
    if output.suffix not in endings:
        made = "a skeleton file" if writes else "a picture"
        raise ConfigError(f"output={output}: {made} is written, whose name ends in {' or '.join(endings)}")
    if writes and output.exists() and not overwrite:
        raise ConfigError(f"output={output} is there already; overwrite=true replaces it and what was confirmed in it")


def _guessed(config: DictConfig) -> int:
    """A draft from the names, the rigid distances and the symmetry of labelled people."""
    source, output = str(config["from"]), Path(config.output)
    truth = _truth(source, config.category)
    if repeated := sorted({n for n in truth.names if truth.names.count(n) > 1}):
        raise DataError(f"{source}: categories[].keypoints repeats {repeated}; a skeleton's names differ")
    people = ~truth.crowd & (truth.visibility > 0).any(1)
    found = skeleton_guess.guess(truth.names, truth.keypoints[people], truth.visibility[people] > 0)
    names = truth.names
    pairs = [(i, f) for i, f in enumerate(found.flip) if i < f]
    skeleton = skeletons.make(
        output.stem,
        names,
        [[names[a], names[b]] for a, b in found.edges],
        [[names[a], names[b]] for a, b in pairs],
    )
    pair_notes = dict.fromkeys(pairs, "to confirm: by name")
    pair_notes |= {p: f"to confirm: by symmetry, {100 * off:.0f} % off" for p, off in found.off.items()}
    edge_notes = {
        e: f"to confirm: length varies by {spread:.0f} %" for e, spread in zip(found.edges, found.spread, strict=True)
    }
    where = f"{int(people.sum())} people of category '{truth.category_name}' in {Path(source).name}"
    write_text(output, skeleton_draft.text(skeleton, _head(where, found.doubts), pair_notes, edge_notes))
    for doubt in found.doubts:
        print(f"to confirm: {doubt}")
    told, shown = len(pairs) - len(found.off), len(found.off)
    print(f"to confirm in {output}: {len(found.edges)} limbs, {told} mirrored pairs by name, {shown} by symmetry")
    _draw(config, skeleton, found.shape)
    return _said(skeleton, output)


def _head(where: str, doubts: tuple[str, ...]) -> list[str]:
    return [
        f"Guessed from {where}. To confirm, line by line: flip_pairs (what changes places when a picture is mirrored) "
        "and edges (a tree of the most rigid distances). Percentages are of the figure's size. Draw it: armature data "
        "skeleton file=THIS output=it.png",
        "There are no sigmas: armature data sigmas estimates some from people annotated twice.",
        *(f"To confirm: {doubt}." for doubt in doubts),
    ]


def _truth(source: str, category: str | int | None) -> Truth:
    """Labelled people of COCO annotations, or of a folder or file in any other format that is known."""
    if not Path(source).exists():
        raise DataError(f"{source}: cannot be read: no such file or folder")
    name, reason = recognising.recognise(source)
    if name == "coco" and Path(source).is_file():
        return Truth.from_coco(source, category)
    print(f"{source}: {reason}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "coco"
        recognising.write(recognising.read(source, name, {}), "coco", written, "none", False)
        # Of several parts the largest says enough of names and lengths.
        return Truth.from_coco(max(written.rglob("*.json"), key=lambda file: file.stat().st_size), category)


def _joined(config: DictConfig) -> int:
    """The union or the intersection of several skeletons."""
    if not isinstance(config.join, ListConfig) or len(config.join) < 2:
        raise ConfigError(f"join={config.join}: give two or more skeletons, join=[coco_person,mpii]")
    if config.how not in _WAYS:
        raise ConfigError(f"how={config.how}: known are {' and '.join(_WAYS)}")
    several = [skeletons.load(config_folders.skeleton_file(str(name))) for name in config.join]
    output = Path(config.output)
    skeleton = _WAYS[config.how](several, output.stem)
    head = [f"The {config.how} of {', '.join(s.name for s in several)}, matched by name."]
    if skeleton.sigmas is None and (having := [s.name for s in several if s.sigmas is not None]):
        head.append(f"Not every point has a sigma, so that there are none here; {', '.join(having)} have theirs.")
    write_text(output, skeleton_draft.text(skeleton, head))
    for other in several:
        known = skeleton_mapping.between(other, skeleton).known
        print(f"{other.name}: has {sum(known)} of the {skeleton.count}")
    _draw(config, skeleton, None)
    return _said(skeleton, output)


def _draw(config: DictConfig, skeleton: Skeleton, shape: object) -> None:
    """The picture that was asked for besides; a point that nobody labelled has no place and spoils the mean figure."""
    import numpy as np

    if config.picture:
        whole = shape is not None and bool(np.isfinite(np.asarray(shape)).all())
        skeleton_picture.save(skeleton, config.picture, np.asarray(shape) if whole else None)
        print(f"drawn: {config.picture}")


def _said(skeleton: Skeleton, written: Path) -> int:
    pairs = sum(i < f for i, f in enumerate(skeleton.flip))
    sigmas = "sigmas" if skeleton.sigmas is not None else "no sigmas"
    counts = f"{skeleton.count} keypoints, {len(skeleton.edges)} limbs, {pairs} mirrored pairs, {sigmas}"
    print(f"{skeleton.name}: {counts}; written to {written}")
    return 0
