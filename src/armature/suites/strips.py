"""Pictures to look at: a row for each scene, a column for each view, the people found drawn on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from armature.data.source import Picture
from armature.reports import overlays
from armature.structures import Poses, Skeleton
from armature.suites.consistency import best
from armature.suites.scenes import Scene, View, identity, show

#: Views drawn beside the unchanged picture, and the height of a drawn picture in px.
COLUMNS, TALL = 6, 256


def equivariance(
    scenes: Sequence[Scene],
    views: Sequence[View],
    base: Sequence[Poses],
    found: Sequence[Sequence[Poses]],
    skeleton: Skeleton,
    seed: int,
) -> list[tuple[str, Picture]]:
    """One strip a scene: the unchanged picture and a few views, each with who was found in it."""
    chosen = spread(views)
    strips = []
    for row, scene in enumerate(scenes):
        drawn = [(view, found[views.index(view)][row]) for view in chosen]
        pictures = [strip(scene, View("unchanged", 0.0, identity()), base[row], skeleton, seed)]
        pictures += [strip(scene, view, people, skeleton, seed) for view, people in drawn]
        names = ["unchanged", *(f"{v.kind} {v.strength:g}" if v.kind != "flip" else "flip" for v in chosen)]
        strips.append((f"image {scene.record.image_id}: {', '.join(names)}", beside(pictures)))
    return strips


def kinds(
    scenes: Sequence[Scene],
    views: Sequence[View],
    found: Sequence[Sequence[Poses]],
    skeleton: Skeleton,
    seed: int,
    across: int = 7,
) -> list[tuple[str, Picture]]:
    """One sheet a scene: all of these views in rows of ``across``, each with who was found in it."""
    sheets = []
    for row, scene in enumerate(scenes):
        pictures = [strip(scene, view, found[i][row], skeleton, seed) for i, view in enumerate(views)]
        rows = [beside(pictures[i : i + across]) for i in range(0, len(pictures), across)]
        names = ", ".join(view.kind.replace("_", " ") for view in views)
        sheets.append((f"image {scene.record.image_id}: {names}", below(rows)))
    return sheets


def spread(views: Sequence[View]) -> list[View]:
    """The strongest view of each kind, then more, up to ``COLUMNS``."""
    kinds = list(dict.fromkeys(view.kind for view in views))
    strong = [max((v for v in views if v.kind == k), key=lambda v: abs(v.strength)) for k in kinds]
    chosen = strong[:COLUMNS]
    for view in views:
        if len(chosen) < min(COLUMNS, len(views)) and view not in chosen:
            chosen.append(view)
    return [view for view in views if view in chosen]


def strip(scene: Scene, view: View, people: Poses, skeleton: Skeleton, seed: int) -> Picture:
    """One view with the best people on it; ``people`` in px of the unchanged canvas."""
    picture = show(scene, view, seed)
    keep = torch.from_numpy(best(people, scene.record).copy())
    points = people.keypoints[keep] @ torch.from_numpy(view.matrix[:2, :2].T).float()
    points = points + torch.from_numpy(view.matrix[:2, 2]).float()
    scores = people.keypoint_scores[keep].clamp(0, 1).numpy()
    # drawn as sure as they are counted: everything that was found
    return sized(overlays.draw(picture, points.numpy(), (scores > 0).astype(int) * 2, skeleton, readable=0))


def sized(picture: Picture, tall: int = TALL) -> Picture:
    """Enlarged or reduced to one height."""
    import cv2

    height, width = picture.shape[:2]
    size = (max(1, round(width * tall / height)), tall)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if tall < height else cv2.INTER_LINEAR))


def beside(pictures: Sequence[Picture], gap: int = 4) -> Picture:
    """Pictures of one height in a row."""
    blank = np.full((pictures[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, blank)][:-1]
    return np.concatenate(parts, 1)


def below(rows: Sequence[Picture], gap: int = 4) -> Picture:
    """Rows of pictures, padded to one width."""
    width = max(row.shape[1] for row in rows)
    full = [np.pad(row, ((0, gap), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return np.concatenate(full, 0)
