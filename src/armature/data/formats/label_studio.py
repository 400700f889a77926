"""Label Studio's JSON (and JSON-MIN) export of ``KeyPointLabels``, with boxes, polygons and vector skeletons.

Places are per cent of the picture's width and height from its corner: continuous, nothing is added.
What belongs together: regions tied to a box (``parentID``), else points in the only or smallest box around them, else
all points of a picture. A point with the per-region choice "hidden" or "occluded" has visibility 1.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import listed, mapped, number, point, size, skippable, text
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.data.labels.grouping import Mark, Outline, Somebody, gather, named_categories, nameless, person
from armature.errors import DataError

TITLE = "Label Studio's JSON"
LOOKS_FOR = "a json list of tasks with keypointlabels or vectorlabels"
HOLDS = {"hidden", "unlabelled", "boxes", "polygons", "bare", "several", "empty", "image ids", "categories", "names"}

_KINDS = ("keypointlabels", "rectanglelabels", "polygonlabels", "vectorlabels")
_HIDDEN = {"hidden", "occluded", "not visible", "invisible"}


def detect(path: Path) -> str | None:
    """The first such json."""
    found = _file(path)
    return f"{found.name} with tasks and keypoint labels: {TITLE}" if found else None


def _file(path: Path) -> Path | None:
    def fits(content: str) -> bool:
        labels = '"keypointlabels"' in content or '"vectorlabels"' in content
        return labels and content.lstrip("\ufeff \n\r\t").startswith("[")

    return next((f for f in files.find(path, ".json", most=50) if fits(files.glance(f))), None)


def read(path: Path) -> Labels:
    """The labels of one export; of several annotations of a task, the ground truth or the first one."""
    file = _file(path)
    if file is None:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    index = files.PictureIndex(path if path.is_dir() else file.parent)
    tasks = listed(files.read_json(file), "tasks")
    images: list[LabelledImage] = []
    gathered: list[list[Somebody]] = []
    several = 0
    for place, task in enumerate(tasks):
        name = f"task {task.get('id', place) if isinstance(task, dict) else place}"
        regions: list[Mapping[str, Any]] = []
        with skippable(file, name):
            regions, more = _regions(mapped(task, "task"))
            several += more
        with skippable(file, name):
            images.append(_image(mapped(task, "task"), regions, index))
            gathered.append([])
            gathered[-1] = _people(regions, images[-1].size)
    if several:
        warnings.warn(f"{file}: {several} tasks were labelled more than once; one round of each is used", stacklevel=4)
    categories = named_categories(gathered, _order(file.parent / "config.xml"))
    whole = tuple(_with(image, people, categories) for image, people in zip(images, gathered))
    return Labels(index.root, categories, whole)


def _with(image: LabelledImage, people: Sequence[Somebody], categories: Sequence[Category]) -> LabelledImage:
    found = tuple(person(one, categories) for one in people)
    return LabelledImage(image.file, image.size, found, image.split, image.ident)


def _regions(task: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], bool]:
    """The labelled regions of a task, and whether others were left out."""
    rounds = task.get("annotations", task.get("completions"))
    if rounds is None:  # JSON-MIN: regions stand in the task itself, by the name of their tag
        found = [r for v in task.values() if isinstance(v, list) for r in v if isinstance(r, dict)]
        kinds = [(r, next((k for k in _KINDS if k in r), None)) for r in found]
        return [{**r, "type": k, "value": r} for r, k in kinds if k], False
    rounds = [mapped(r, "annotations") for r in listed(rounds, "annotations")]
    kept = [r for r in rounds if not r.get("was_cancelled")]
    if not kept:
        return [], False
    chosen = next((r for r in kept if r.get("ground_truth")), kept[0])
    return [mapped(r, "result") for r in listed(chosen.get("result") or [], "result")], len(kept) > 1


def _image(task: Mapping[str, Any], regions: Sequence[Mapping[str, Any]], index: files.PictureIndex) -> LabelledImage:
    data = mapped(task.get("data", task), "data")
    named = [v for v in data.values() if isinstance(v, str) and v.lower().split("?")[0].endswith(files.PICTURES)]
    local = [v for v in data.values() if isinstance(v, str) and "?d=" in v]
    names = [*([data["image"]] if isinstance(data.get("image"), str) else []), *local, *named]
    if not names:
        raise DataError("field 'data' names no picture")
    file = _find(index, text(names[0], "image"))
    sized = next((r for r in regions if r.get("original_width")), None)
    shape = size(sized["original_height"], sized["original_width"]) if sized else files.size_of(index.root / file)
    ident = task.get("id")
    return LabelledImage(
        file,
        shape,
        split=files.split_of(*reversed(file.split("/")[:-1])),
        ident=ident if isinstance(ident, int) and ident > 0 else None,
    )


def _find(index: files.PictureIndex, name: str) -> str:
    """The picture on the disk: served under an address, with eight letters before the names of uploads."""
    parsed = urlparse(name)
    name = unquote(parse_qs(parsed.query).get("d", [parsed.path or name])[0])
    found = index.find(name)
    last = name.replace("\\", "/").rpartition("/")[2]
    if not (index.root / found).is_file() and (plain := re.sub(r"^[0-9a-f]{8}-", "", last)) != last:
        return index.find(plain)
    return found


def _people(regions: Sequence[Mapping[str, Any]], shape: tuple[int, int]) -> list[Somebody]:
    hidden = {r.get("id") for r in regions if r.get("type") == "choices" and _HIDDEN & _choices(r)}
    marks: list[Mark] = []
    outlines: list[Outline] = []
    parents = {r.get("parentID") or r.get("parent_id") for r in regions} - {None}
    for r in regions:
        kind = r.get("type")
        if kind not in _KINDS:
            continue
        if number(r.get("image_rotation") or 0, "image_rotation") % 360:
            raise DataError("the picture was turned in the tool (image_rotation); turn the file instead")
        value = mapped(r["value"], "value")
        label = text((listed(value[kind], kind) or [""])[0], kind)
        scale = np.array([shape[1], shape[0]]) / 100
        group = r.get("parentID") or r.get("parent_id") or (r.get("id") if r.get("id") in parents else None)
        if kind == "keypointlabels":
            x, y = np.array([number(value["x"], "x"), number(value["y"], "y")]) * scale
            marks.append(Mark(label, (x, y), 1 if r.get("id") in hidden else 2, group))
        elif kind == "vectorlabels":
            group = group or f"vector {len(outlines)} of {label}"
            marks += _vertices(value, scale, group)
            outlines.append(Outline(label, group=group))
        else:
            outlines.append(_outline(kind, value, label, scale, group))
    return gather(marks, outlines)


def _choices(region: Mapping[str, Any]) -> set[str]:
    return {str(c).lower() for c in mapped(region["value"], "value").get("choices") or ()}


def _vertices(value: Mapping[str, Any], scale: np.ndarray, group: str) -> list[Mark]:
    places = [
        np.array([number(v["x"], "x"), number(v["y"], "y")]) * scale for v in listed(value["vertices"], "vertices")
    ]
    return [Mark(name, (p[0], p[1]), 2, group) for name, p in zip(placeholders(len(places)), places)]


def _outline(kind: str, value: Mapping[str, Any], label: str, scale: np.ndarray, group: Any) -> Outline:
    if kind == "polygonlabels":
        polygon = np.array([point(p, "points") for p in listed(value["points"], "points")]) * scale
        return Outline(label, polygon=polygon, group=group)
    if number(value.get("rotation") or 0, "rotation"):
        raise DataError("a box is turned (rotation); boxes here are upright")
    x, y, width, height = (number(value[f], f) for f in ("x", "y", "width", "height"))
    return Outline(label, np.array([x, y, x + width, y + height]) * np.tile(scale, 2), group=group)


def _order(config: Path) -> list[str]:
    """The points in the order of the labelling interface, where its file lies beside the export."""
    if not config.is_file():
        return []
    return [e.get("value", "") for k in files.read_xml(config).iter("KeyPointLabels") for e in k.iter("Label")]


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``tasks.json``, ``config.xml`` (the labelling interface) and ``images/``, served from local files."""
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures) + nameless(labels)
    tasks = [_task(n, image, place, labels) for n, (image, place) in enumerate(zip(labels.images, where), 1)]
    writing.write_json(folder / "tasks.json", tasks)
    (folder / "config.xml").write_text(_interface(labels), encoding="utf-8")
    lacking = sum(not max(i.size) for i in labels.images)
    return gone + ([f"{lacking} pictures of unknown size: their places in per cent"] if lacking else [])


def _task(ordinal: int, image: LabelledImage, place: str, labels: Labels) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for n, one in enumerate(image.people if max(image.size) else ()):
        found += _region_entries(f"{ordinal}-{n}", one, labels.categories[one.category], image.size)
    data = {"image": f"/data/local-files/?d={place}"}
    return {"id": image.ident or ordinal, "data": data, "annotations": [{"id": ordinal, "result": found}]}


def _region_entries(name: str, one: Person, category: Category, shape: tuple[int, int]) -> list[dict[str, Any]]:
    frame = {"original_width": shape[1], "original_height": shape[0], "image_rotation": 0, "to_name": "image"}
    scale = 100 / np.array([shape[1], shape[0]])
    found = []
    if one.box is not None:
        low, high = one.box[:2] * scale, one.box[2:] * scale
        value = dict(zip(("x", "y", "width", "height"), map(float, (*low, *(high - low)))))
        found.append(frame | _region(f"{name}", "rectanglelabels", value | {"rotation": 0}, category.name))
    for i, polygon in enumerate(one.polygons):
        value = {"points": (polygon * scale).tolist(), "closed": True}
        found.append(frame | _region(f"{name}-s{i}", "polygonlabels", value, category.name, name))
    for i in np.flatnonzero(one.visibility).tolist():
        x, y = map(float, one.keypoints[i] * scale)
        ident = f"{name}-{i}"
        found.append(
            frame | _region(ident, "keypointlabels", {"x": x, "y": y, "width": 0.5}, category.keypoints[i], name)
        )
        if one.visibility[i] == 1:
            chosen = {"x": x, "y": y, "width": 0.5, "choices": ["hidden"]}
            found.append(frame | {"id": ident, "type": "choices", "from_name": "visibility", "value": chosen})
    return found


def _region(ident: str, kind: str, value: dict[str, Any], label: str, parent: str | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": ident, "type": kind, "from_name": kind, "value": value | {kind: [label]}}
    return entry | ({"parentID": parent} if parent else {})


def _interface(labels: Labels) -> str:
    def tag(name: str, kind: str, values: Sequence[str]) -> str:
        inner = "".join(f'    <Label value="{html.escape(v)}"/>\n' for v in dict.fromkeys(values))
        return f'  <{name} name="{kind}" toName="image">\n{inner}  </{name}>\n'

    points = [p for c in labels.categories for p in c.keypoints]
    kinds = [c.name for c in labels.categories]
    body = '  <Image name="image" value="$image"/>\n' + tag("KeyPointLabels", "keypointlabels", points)
    body += tag("RectangleLabels", "rectanglelabels", kinds) + tag("PolygonLabels", "polygonlabels", kinds)
    choices = '  <Choices name="visibility" toName="image" perRegion="true"><Choice value="hidden"/></Choices>\n'
    return f"<View>\n{body}{choices}</View>\n"
