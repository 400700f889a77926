"""What a network is told of a sample: the codec's targets, drawn as the codec declares them, or by their shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from armature.data.source import Picture
from armature.evaluation.keypoint_groups import keypoint_groups
from armature.module import PoseModule
from armature.ops import drawable
from armature.ops.drawable import Boxes, Drawable, Fields, Maps, Places
from armature.ops.grids import stride_of
from armature.reports.overlays import People
from armature.showing import panels
from armature.showing.panels import Panel
from armature.structures import Batch, Instances, Poses, Skeleton

#: More groups than this are not drawn one by one.
_MOST_GROUPS = 12
#: A person found is no labelled one if points are apart by more than this share of its box's longer side.
_ELSEWHERE = 0.3


class ReadBack(NamedTuple):
    """The labelled people of an image as they come back from their own targets.

    Attributes:
        people: those that are found, with the points that are labelled. sought: how many there are to be found.
        away: px on the canvas between each such point and where it is labelled.
    """

    people: People
    sought: int
    away: NDArray[np.float64]


class Told(NamedTuple):
    """What a network is told of a batch.

    Attributes:
        drawable: what can be looked at, by the target's name.
        back: of each image its labelled people as a perfect network would be decoded to them.
        learns: whether there is anything that a network is told: a detector of interest points learns nothing.
    """

    drawable: dict[str, Drawable]
    back: list[ReadBack]
    learns: bool = True


@torch.no_grad()
def tell(module: PoseModule, batch: Batch, skeleton: Skeleton, seed: int) -> Told:
    """The targets of a batch, and what a network that says just these would be decoded to.

    Second stages look where the people are, as in training. ``seed``: of what is sampled.
    """
    module.eval()
    torch.manual_seed(seed)
    said = module.model(batch.images, batch.instances)
    outputs = {name: value.float() if value.is_floating_point() else value for name, value in said.items()}
    targets = module.encode(outputs, batch)
    height, width = batch.images.shape[-2:]
    declared = getattr(module.codec, "drawable", None)
    shown = declared(outputs, targets, (height, width)) if declared else drawable.by_shape(targets, skeleton.count)
    found = module.codec.decode(module.codec.ideal(outputs, targets), (len(batch.images), height, width))
    learns = any(bool((target.weight > 0).any()) for target in targets.values())
    return Told(shown, [_back(poses, batch.instances, i) for i, poses in enumerate(found)], learns)


def _back(found: Poses, people: Instances, image: int) -> ReadBack:
    """For each labelled person the one found whose points are nearest, unless it is somewhere else altogether."""
    truth = [
        values[image].cpu().numpy() for values in (people.keypoints, people.visibility, people.boxes, people.valid)
    ]
    points, flags, boxes, valid = truth
    decoded = found.keypoints.detach().cpu().float().numpy()
    slots = np.flatnonzero((flags > 0).any(1) & valid)
    kept: list[tuple[int, int]] = []
    away = [np.zeros(0)]
    for slot in slots if len(decoded) else ():
        apart = np.linalg.norm(decoded - points[slot], axis=-1)[:, flags[slot] > 0]
        nearest = int(apart.mean(1).argmin())
        if apart[nearest].mean() <= _ELSEWHERE * np.ptp(boxes[slot].reshape(2, 2), axis=0).max():
            kept.append((int(slot), nearest))
            away.append(apart[nearest])
    at, rows = ([pair[i] for pair in kept] for i in (0, 1))
    return ReadBack(People(decoded[rows], flags[at], boxes[at]), len(slots), np.concatenate(away))


def draw(told: Told, image: Picture, skeleton: Skeleton, index: int, side: int) -> list[Panel]:
    """A panel for everything that the network is told of the index-th image of the batch, the people read back last.

    ``image``: on the canvas, (H, W, 3).
    """
    shown = told.drawable.items()
    found = [panel for name, what in shown for panel in _panels(name, what, image, skeleton, index, side)]
    back = told.back[index]
    drawn = panels.labelled(image, back.people, skeleton, side)
    return [*found, Panel(f"read back: {_words(back)}", drawn)]


def _words(back: ReadBack) -> str:
    if not back.sought:
        return "nobody is labelled"
    off = f", at most {back.away.max():.1f} px off" if len(back.away) else ""
    return f"{len(back.people.keypoints)} of {back.sought}{off}"


def _panels(name: str, what: Drawable, image: Picture, skeleton: Skeleton, index: int, side: int) -> list[Panel]:
    if isinstance(what, Maps):
        return _maps(name, what, image, skeleton, index, side)
    if isinstance(what, Fields):
        vectors = _array(what.vectors[index])
        stride = stride_of(image.shape[1], vectors.shape[-1])
        return [
            Panel(
                f"{name}: {_count(len(vectors), 'field')}, stride {stride:g}",
                panels.fields(image, vectors, stride, side),
            )
        ]
    mine = (what.images == index).cpu()
    if isinstance(what, Boxes):
        boxes = _array(what.boxes)[mine.numpy()]
        return [Panel(f"{name}: {_count(len(boxes), 'box', 'boxes')}", panels.boxes(image, boxes, side))]
    return [_places(name, what, mine, image, skeleton, side)]


def _places(name: str, what: Places, mine: Tensor, image: Picture, skeleton: Skeleton, side: int) -> Panel:
    rows = mine.numpy()
    points = _array(what.points)[rows]
    learners = None if what.learners is None else _array(what.learners)[rows]
    colours = panels.shades(what.keypoints.cpu()[mine].tolist(), skeleton)
    by = "" if learners is None else f" from {_count(len(np.unique(learners.round(2), axis=0)), 'place')}"
    return Panel(f"{name}: {_count(len(points), 'point')}{by}", panels.places(image, points, colours, side, learners))


def _maps(name: str, what: Maps, image: Picture, skeleton: Skeleton, index: int, side: int) -> list[Panel]:
    """All channels together and, where they are of several groups of keypoints, each group."""
    values = _array(what.values[index])
    weight = None if what.weight is None else _array(what.weight.expand_as(what.values)[index])
    stride = stride_of(image.shape[1], values.shape[-1])
    colours = panels.shades(what.keypoints, skeleton)

    def drawn(chosen: Sequence[int]) -> Picture:
        on = None if weight is None else weight[list(chosen)]
        return panels.maps(image, values[list(chosen)], [colours[c] for c in chosen], stride, side, on)

    count = f", {len(values)} maps" if len(values) > 1 else ""
    whole = Panel(f"{name}{count}, stride {stride:g}", drawn(range(len(values))))
    parts = {group: [c for c, k in enumerate(what.keypoints) if k in members] for group, members in _groups(skeleton)}
    parts = {group: chosen for group, chosen in parts.items() if chosen and values[chosen].any()}
    if not 1 < len(parts) <= _MOST_GROUPS:
        return [whole]
    return [whole, *(Panel(f"{name}: {group}", drawn(chosen)) for group, chosen in parts.items())]


def _groups(skeleton: Skeleton) -> list[tuple[str, tuple[int, ...]]]:
    return list(keypoint_groups(skeleton).items())


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _array(values: Tensor) -> np.ndarray:
    return values.detach().cpu().float().numpy()
