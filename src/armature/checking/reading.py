"""A data set of a config as the checks see it: read tolerantly where possible, as training reads it otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from armature.building import build, locate
from armature.checking import skeleton_choice
from armature.checking.coco_entries import CocoReader
from armature.checking.findings import ERROR, Finding
from armature.checking.people import Rows
from armature.checking.subject import Group, Picture, Subject
from armature.data import recognising
from armature.data.coco import CocoKeypoints
from armature.data.coco_file import Entry
from armature.data.dlc import DeepLabCut
from armature.data.folder import folder_data, splits
from armature.data.formats import coco as coco_format
from armature.data.joined import Joined
from armature.data.labels import files
from armature.data.labels.checking import tolerant
from armature.data.labels.form import Category, Labels
from armature.errors import ConfigError, DataError, UserError
from armature.structures import Record, Skeleton

Node = Mapping[str, Any]
_PARTS = ("train", "val", "source")


def read(data: Node, skeleton: Node | None, title: str = "data") -> Subject:
    """The subject of a data config: the node ``data``, and the config's skeleton where it has one.

    Raises:
        ConfigError: data that are generated. DataError: there is nothing where they are said to lie.
    """
    subject = Subject(title)
    wanted = build(skeleton) if skeleton and skeleton.get("keypoints") else None
    if locate(data["_target_"], "data") is folder_data:
        _folder(subject, data, wanted)
    else:
        for part in _PARTS:
            if data.get(part):
                _source(subject, data[part], part if part != "source" else "", wanted)
    if not subject.pictures and not subject.found:
        raise ConfigError(f"{title}: has no pictures in files that could be checked; is it generated?")
    subject.groups = _joined_groups(subject.groups)
    if subject.groups and (data.get("split") or data.get("fold") is not None):
        _divide(subject, data)
    return subject


def _joined_groups(groups: list[Group]) -> list[Group]:
    """People of the same category and keypoints as one group, whatever file they are from: statistics need many."""
    kinds: dict[tuple[str, tuple[str, ...]], list[Group]] = {}
    for group in groups:
        kinds.setdefault((group.category, group.skeleton.keypoints), []).append(group)
    arrays = [f.name for f in fields(Group) if f.name not in ("category", "skeleton")]
    joined: list[Group] = []
    for own in kinds.values():
        changes: dict[str, Any] = {name: np.concatenate([getattr(g, name) for g in own]) for name in arrays}
        joined.append(replace(own[0], **changes))
    return joined


def _source(subject: Subject, node: Node, split: str, wanted: Skeleton | None) -> None:
    """The readers by what builds the source; any other is read as training reads it."""
    known: dict[Any, Callable[[Subject, Node, str, Skeleton | None], None]] = {CocoKeypoints: _coco, Joined: _joined}
    known[DeepLabCut] = _project
    known.get(locate(node["_target_"]), _built)(subject, node, split, wanted)


def _coco(subject: Subject, node: Node, split: str, wanted: Skeleton | None) -> None:
    images = Path(node["images"])
    _there(images, Path(node["annotations"]))
    if not images.is_dir():
        _refused(subject, f"{images}: no such folder of pictures (images of {node['annotations']})", split)
    own = build(node["skeleton"]) if node.get("skeleton") else wanted
    reader = CocoReader(subject, Path(node["annotations"]), images, split, _chooser(own), str, node.get("category"))
    start = len(subject.pictures)
    reader.read()
    _look_for_others(subject, images, {p.file for p in subject.pictures[start:]})


def _project(subject: Subject, node: Node, split: str, wanted: Skeleton | None) -> None:
    """A DeepLabCut project, by its own names of points: the config's skeleton need not be its."""
    _there(Path(node["root"]))
    try:
        _tolerantly(subject, Path(node["root"]), "deeplabcut", None, wanted)
    except UserError as error:
        _refused(subject, str(error), split)
    _look_for_others(subject, Path(node["root"]), {p.file for p in subject.pictures})


def _joined(subject: Subject, node: Node, split: str, wanted: Skeleton | None) -> None:
    sources = node["sources"]
    for inner in sources.values() if isinstance(sources, Mapping) else sources:
        _source(subject, inner, split, None)


def _built(subject: Subject, node: Node, split: str, wanted: Skeleton | None) -> None:
    try:
        source = build(node)
    except UserError as error:
        _refused(subject, str(error), split)
        return
    root = getattr(source, "root", None)
    if root is None:
        return
    _records(subject, source.records, source.skeleton, Path(root), split)
    _look_for_others(subject, Path(root), {r.file for r in source.records})


def _records(subject: Subject, records: list[Record], skeleton: Skeleton, root: Path, split: str) -> None:
    rows = Rows(skeleton.name, skeleton)
    for record in records:
        place = len(subject.pictures)
        subject.pictures.append(Picture(record.file, root / record.file, record.size, split, record.image_id))
        for i in range(len(record.keypoints)):
            rows.add(
                place,
                record.keypoints[i],
                record.visibility[i],
                record.boxes[i],
                float(record.areas[i]),
                bool(record.crowd[i]),
                int(record.annotation_ids[i]),
            )
    if len(rows):
        subject.groups.append(rows.group())


def _folder(subject: Subject, node: Node, wanted: Skeleton | None) -> None:
    path = Path(node["path"]).expanduser()
    root = path if path.is_dir() else path.parent
    _there(path)
    try:
        name = node.get("format") or recognising.recognise(path)[0]
        tolerant = name == coco_format.__name__.rpartition(".")[2] and not node.get("options")
        if tolerant:
            _coco_folder(subject, path, root, wanted)
        else:
            _tolerantly(subject, path, name, node.get("options"), wanted)
    except UserError as error:
        _refused(subject, str(error), "")
    if not node.get("own_splits", True):
        subject.pictures = [replace(p, split="") for p in subject.pictures]
    _look_for_others(subject, root, {p.file for p in subject.pictures})


def _tolerantly(subject: Subject, path: Path, name: str, options: Node | None, wanted: Skeleton | None) -> None:
    """What a reader gives; a finding for each record that it skipped, and for each file of labels of no picture."""
    without_picture = getattr(recognising.get(name), "without_picture", None)
    for label in without_picture(path) if without_picture is not None else ():
        what, fix = f"labels without a picture: {label}", "bring the picture back, correct the name, or remove the file"
        subject.found.append(Finding(ERROR, "labels_without_picture", what, fix))
    with tolerant() as skipped:
        try:
            labels = recognising.read(path, name, options)
        finally:
            for problem in dict.fromkeys(skipped):
                if not problem.split(": ")[0].lower().endswith(files.PICTURES):  # a check of its own looks at pictures
                    subject.found.append(Finding(ERROR, "invalid_annotation", problem, "mend it; it was left out here"))
    _labels(subject, labels, wanted)


def _coco_folder(subject: Subject, path: Path, root: Path, wanted: Skeleton | None) -> None:
    subject.tree = root
    for file in coco_format.candidates(path):
        split = files.split_of(file.stem, *reversed(file.parent.relative_to(root).parts))
        names = _names_in(file)
        folder = files.folder_of_pictures(root, file.parent, names, split)
        start = "" if folder == root else files.below(folder, root) + "/"
        name: Callable[[str], str] = start.__add__
        CocoReader(subject, file, folder, split, _chooser(wanted), name).read()


def _names_in(file: Path) -> list[str]:
    try:
        images = files.read_json(file)["images"]
        return [i["file_name"] for i in images[:20] if isinstance(i.get("file_name"), str)]
    except (UserError, KeyError, TypeError, AttributeError):
        return []


def _labels(subject: Subject, labels: Labels, wanted: Skeleton | None) -> None:
    if any(image.load is not None for image in labels.images):
        raise DataError(
            f"{labels.root}: its pictures are frames of a video, which is not trained on; write them as files first: "
            "armature data convert from=... to=FOLDER to_format=coco"
        )
    kinds = [Rows(c.name, skeleton_choice.choose(c, wanted)) if c.keypoints else None for c in labels.categories]
    parts = splits(labels)
    for image in labels.images:
        place = len(subject.pictures)
        split = image.split if parts is not None else ""
        subject.pictures.append(Picture(image.file, labels.root / image.file, image.size, split, image.ident))
        for person in image.people:
            rows = kinds[person.category]
            if rows is not None:
                ident = -1 if person.ident is None else person.ident
                rows.add(place, person.keypoints, person.visibility, person.box, person.area, person.crowd, ident)
    subject.groups += [rows.group() for rows in kinds if rows is not None and len(rows)]


def _chooser(wanted: Skeleton | None) -> Callable[[Entry, int], Skeleton]:
    """For each category of a COCO file its skeleton."""

    def chosen(category: Entry, count: int) -> Skeleton:
        name, names = str(category.get("name", category["id"])), category.get("keypoints") or ()
        plain = tuple(str(n) for n in names)
        if len(plain) != count or len(set(plain)) != len(plain):
            return skeleton_choice.choose(skeleton_choice.of_count(name, count), wanted)
        pairs = [p for p in category.get("skeleton") or () if isinstance(p, list) and len(p) == 2]
        edges = tuple((a - 1, b - 1) for a, b in pairs if all(isinstance(i, int) and 0 < i <= count for i in (a, b)))
        return skeleton_choice.choose(Category(name, plain, edges), wanted)

    return chosen


def _there(*paths: Path) -> None:
    """Nothing at all is a mistake in what was asked for, not in the data."""
    if not any(path.exists() for path in paths):
        listing = ", ".join(str(path) for path in paths)
        raise DataError(f"{listing}: no such file or folder; name the place of the data with data.path or data.root")


def _refused(subject: Subject, message: str, split: str) -> None:
    """What a reader that gives up at the first mistakes has said, a finding a line."""
    head, *lines = message.splitlines()
    fix = "mend it; what lies behind it could not be checked yet"
    for line in lines or [head]:
        what = line.strip() if not lines else f"{head.split(':')[0]}: {line.strip()}"
        subject.found.append(Finding(ERROR, "unreadable_labels", what, fix, split=split))


def _look_for_others(subject: Subject, root: Path, listed: set[str]) -> None:
    """Pictures on the disk that no label names; where nothing could be read, all are pictures to look at."""
    if not root.is_dir():
        return
    found = [files.below(path, root) for path in files.find_all(root, *files.PICTURES)]
    already = subject.unlisted.get(root)
    others = [name for name in found if name not in listed]
    subject.unlisted[root] = others if already is None else [name for name in already if name not in listed]
    if not subject.pictures:
        subject.pictures = [Picture(name, Path(os.path.join(root, name))) for name in found]
        subject.unlisted[root] = []


def _divide(subject: Subject, data: Node) -> None:
    """Splits of the pictures as training would divide them; where it would refuse to, by their number alone."""
    try:
        built = build(data)
    except UserError:
        _divide_by_number(subject, data.get("split"))
        return
    where: dict[str, str] = {}
    for part in ("train", "val"):
        source = getattr(built, part, None)
        where |= {record.file: part for record in source.records} if source is not None else {}
    if where:
        subject.pictures = [replace(p, split=where.get(p.file, p.split)) for p in subject.pictures]


def _divide_by_number(subject: Subject, split: Node | None) -> None:
    if split is None or split.get("by") is not None or any(p.split for p in subject.pictures):
        return
    try:
        kept = set(build(split)(len(subject.pictures))[0])
    except UserError:
        return
    subject.pictures = [replace(p, split="train" if i in kept else "val") for i, p in enumerate(subject.pictures)]


def counts(subject: Subject) -> dict[str, int]:
    """Pictures, and people with labelled points."""
    people = sum(int(np.sum(group.people)) for group in subject.groups)
    return {"pictures": len(subject.pictures), "people": people}
