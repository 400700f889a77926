"""Company: a person pasted before another, nearer and nearer; what is found of both?

The newcomers are drawn (``data.synthetic``) for the subject's skeleton and have exact labels. What they cover is still
labelled, as hidden (visibility 1), as COCO does. On photographs they are drawn figures among photographed people, so
that a network that has never seen one may overlook them for that alone: compare networks of one training there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import map_points, translation
from armature.data.source import Picture
from armature.data.synthetic import Synthetic
from armature.errors import ConfigError, DataError
from armature.structures import Poses, Record, Skeleton
from armature.suites import strips
from armature.suites.accuracy import accuracy, judge_of, usable
from armature.suites.drawn import Draws, Values, mean, relative
from armature.suites.result import Curve, Result
from armature.suites.scenes import Scene, View, identity, show, within
from armature.suites.subject import Subject, look

#: How tall a newcomer is beside the other, and the annotation id of every newcomer.
_TALL, _ID = (0.85, 1.15), 10**9


class Crowding:
    """A newcomer in every picture that has a labelled person.

    Args:
        overlaps: shares of the person's box that the newcomer's box covers; 0 stands beside, 1 right before.
        resamples, seed, shown: as in ``Equivariance``.

    Raises:
        ConfigError: an overlap outside 0 to 1.
    """

    def __init__(
        self, overlaps: Sequence[float] = (0.0, 0.25, 0.5, 0.75), resamples: int = 1000, seed: int = 0, shown: int = 2
    ) -> None:
        if not overlaps or any(not 0 <= overlap <= 1 for overlap in overlaps):
            raise ConfigError(f"suite.overlaps: shares between 0 and 1; found {list(overlaps)}")
        self.overlaps = [float(overlap) for overlap in overlaps]
        self.resamples, self.seed, self.shown = resamples, seed, shown

    def card(self) -> dict[str, object]:
        """The settings, for the protocol card."""
        return dict(vars(self))

    def __call__(self, subject: Subject, scenes: Sequence[Scene]) -> Result:
        """The result of a subject that finds named keypoints.

        Raises:
            ConfigError: its points have no names. DataError: nobody is labelled.
        """
        subject.named("crowding")
        if not usable([scene.record for scene in scenes]):
            raise DataError(f"suite crowding: nobody is labelled in these {len(scenes)} pictures; give other data")
        draws, judge = Draws.of(len(scenes), self.resamples, self.seed), judge_of(subject.skeleton)
        plain = View("unchanged", 0.0, identity())
        donors = figures(subject.skeleton, subject.canvas, len(scenes), self.seed)
        crowds = [scenes, *([pasted(s, d, o) for s, d in zip(scenes, donors, strict=True)] for o in self.overlaps)]
        values, found = [], []
        for crowd in crowds:
            found.append(look(subject, crowd, plain, self.seed))
            values.append(accuracy(found[-1], [scene.record for scene in crowd], judge, draws, ("AP", "AR")))
        result = self._result(subject, draws, values)
        result.pictures = _pictures(crowds, found, self.shown, subject.skeleton)
        return result

    def _result(self, subject: Subject, draws: Draws, values: Sequence[dict[str, Values]]) -> Result:
        alone, crowded = values[0]["AP"], mean([v["AP"] for v in values[1:]])
        named = {"alone": alone, "crowded": crowded, "drop": 1 - relative(crowded, alone)}
        named |= {"recall/alone": values[0]["AR"], "recall/crowded": mean([v["AR"] for v in values[1:]])}
        named |= {f"AP/overlap {o:g}": v["AP"] for o, v in zip(self.overlaps, values[1:], strict=True)}
        result = Result("crowding", subject.name, draws.intervals(named), card=self.card())
        points = tuple(draws.interval(v["AP"]) for v in values[1:])
        result.curves = [Curve("overlap", "AP", "share of the box", tuple(self.overlaps), points)]
        return result


def figures(
    skeleton: Skeleton, canvas: tuple[int, int], count: int, seed: int
) -> list[tuple[Picture, NDArray[np.bool_], Record]]:
    """Drawn people: picture, mask and record of one person each; nobody is cut off."""
    source = Synthetic(skeleton, 20 * count, canvas, seed, False, (1, 1), (0.6, 0.8), 0.0, 0.0)
    found: list[tuple[Picture, NDArray[np.bool_], Record]] = []
    for index in range(len(source)):
        picture, labels, record = source.render(index)
        mask = (labels >> 8) == 1
        touches = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
        if len(record.areas) == 1 and not touches and (record.visibility[0] > 0).sum() * 2 > skeleton.count:
            found.append((picture, mask, record))
        if len(found) == count:
            return found
    raise DataError(f"suite crowding: skeleton {skeleton.name} could not be drawn {count} times in {canvas} whole")


def pasted(scene: Scene, donor: tuple[Picture, NDArray[np.bool_], Record], overlap: float) -> Scene:
    """The scene with the donor before its largest person: both boxes' upper edges level, the newcomer moved sideways
    until its box covers ``overlap`` of the other's width; the side with more room. Nobody labelled: unchanged."""
    record, size = scene.record, scene.record.size
    labelled = np.flatnonzero((record.visibility > 0).any(1) & ~record.crowd)
    picture = show(scene, View("unchanged", 0.0, identity()), 0)
    if not len(labelled):
        return Scene(picture, identity(), record)
    target = record.boxes[labelled[np.argmax(record.areas[labelled])]]
    matrix = _place(target, donor[2].boxes[0], overlap, size, record.image_id)
    turned = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    shape = (size[1], size[0])
    moved = cv2.warpAffine(donor[0], turned[:2], shape, flags=cv2.INTER_LINEAR)
    soft = cv2.warpAffine(donor[1].astype(np.float32), turned[:2], shape, flags=cv2.INTER_LINEAR)[..., None]
    together = np.clip(picture * (1 - soft) + moved * soft + 0.5, 0, 255).astype(np.uint8)
    return Scene(together, identity(), _joined(record, donor[2], matrix, soft[..., 0] > 0.5))


def _place(
    target: NDArray[np.float64], box: NDArray[np.float64], overlap: float, size: tuple[int, int], number: int
) -> NDArray[np.float64]:
    """Donor px -> canvas px."""
    low, high = _TALL
    tall = low + (high - low) * np.random.default_rng((number, 77)).random()
    scale = tall * (target[3] - target[1]) / max(1.0, box[3] - box[1])
    wide = scale * (box[2] - box[0])
    covered = overlap * (target[2] - target[0])
    right = target[0] + target[2] < size[1]
    left_edge = target[2] - covered if right else target[0] + covered - wide
    matrix = np.diag([scale, scale, 1.0])
    return np.asarray(translation(left_edge, target[1]) @ matrix @ translation(-box[0], -box[1]))


def _joined(record: Record, donor: Record, matrix: NDArray[np.float64], mask: NDArray[np.bool_]) -> Record:
    """Both records' people; who is covered is hidden, what lies outside is not labelled, and who is cut off entirely
    is no one."""
    points = map_points(donor.keypoints, matrix)
    shown = donor.visibility * within(points, record.size)
    height, width = record.size
    x, y = (np.clip(record.keypoints[..., i], 0, n - 1).astype(int) for i, n in ((0, width), (1, height)))
    covered = mask[y, x] & (record.visibility > 0)
    before = replace(record, visibility=np.where(covered, 1, record.visibility))
    if not (shown > 0).any():
        return before
    box = map_points(donor.boxes.reshape(1, 2, 2), matrix).reshape(1, 4)
    box = np.clip(box, 0, [width, height, width, height])
    return replace(
        before,
        keypoints=np.concatenate([record.keypoints, points]),
        visibility=np.concatenate([before.visibility, shown]),
        boxes=np.concatenate([record.boxes, box]),
        areas=np.append(record.areas, float(mask.sum())),
        crowd=np.append(record.crowd, False),
        annotation_ids=np.append(record.annotation_ids, _ID + record.image_id),
        regions=(*record.regions, ()) if record.regions else (),
    )


def _pictures(
    crowds: Sequence[Sequence[Scene]], found: Sequence[Sequence[Poses]], count: int, skeleton: Skeleton
) -> list[tuple[str, Picture]]:
    plain = View("unchanged", 0.0, identity())
    rows = []
    for row in range(min(count, len(crowds[0]))):
        parts = [strips.strip(c[row], plain, f[row], skeleton, 0) for c, f in zip(crowds, found, strict=True)]
        rows.append((f"image {crowds[0][row].record.image_id}: alone, then nearer and nearer", strips.beside(parts)))
    return rows
