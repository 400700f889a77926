"""The same picture turned, enlarged, shifted, mirrored and relit: does each keypoint stay where it is?

Two questions of every view. Consistency: how far has a keypoint moved from where the unchanged picture has it, after
mapping back (``consistency.py``; no labels)? Accuracy: what do the labels say of it? Views that turn or mirror the
picture also show a constant offset of the detector (``offset.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from armature.data.geometry import Matrix, map_points, translation
from armature.data.source import Picture
from armature.evaluation.bootstrap import Interval
from armature.structures import Poses, Record
from armature.suites import offset, strips
from armature.suites.accuracy import accuracy, judge_of, usable
from armature.suites.consistency import Moves, moves
from armature.suites.drawn import Draws, Values, mean
from armature.suites.result import Curve, Result, by_keypoint, shown
from armature.suites.scenes import Change, Scene, View, identity, mirror, rotation, scaling, seen
from armature.suites.subject import Subject, look

_UNITS = {"rotation": "degrees", "scale": "factor", "shift": "px", "flip": "", "light": "factor"}
#: Draws of (1 + R + J,) values by name.
_Named = dict[str, Values]


class Equivariance:
    """Views of each picture, and what becomes of its keypoints.

    Args:
        rotations: degrees, clockwise. scales: factors. shifts: px to the right and down, whole and broken ones. flip:
            the mirror image too. lights: factors of the brightness.
        resamples: of the pictures, for intervals. seed: of everything random. shown: pictures drawn.
    """

    def __init__(
        self,
        rotations: Sequence[float] = (-90, -45, -20, -10, 10, 20, 45, 90, 180),
        scales: Sequence[float] = (0.5, 0.7, 0.85, 1.2, 1.5),
        shifts: Sequence[float] = (0.25, 0.5, 1, 2, 4, 8),
        flip: bool = True,
        lights: Sequence[float] = (0.4, 0.7, 1.4, 2.0),
        resamples: int = 1000,
        seed: int = 0,
        shown: int = 4,
    ) -> None:
        self.rotations, self.scales, self.shifts = list(rotations), list(scales), list(shifts)
        self.flip, self.lights = flip, list(lights)
        self.resamples, self.seed, self.shown = resamples, seed, shown

    def card(self) -> dict[str, object]:
        """The settings, for the protocol card."""
        return dict(vars(self))

    def views(self, canvas: tuple[int, int]) -> Iterator[View]:
        """Every view of a canvas of (H, W)."""
        makers: Mapping[str, tuple[Sequence[float], Callable[[float], Matrix]]] = {
            "rotation": (self.rotations, lambda degrees: rotation(degrees, canvas)),
            "scale": (self.scales, lambda factor: scaling(factor, canvas)),
            "shift": (self.shifts, lambda px: translation(px, px)),
            "flip": ([1.0] if self.flip else [], lambda _: mirror(canvas)),
            "light": (self.lights, lambda _: identity()),
        }
        for kind, (strengths, make) in makers.items():
            for strength in strengths:
                change = relit(strength) if kind == "light" else None
                yield View(kind, float(strength), make(strength), change)

    def __call__(self, subject: Subject, scenes: Sequence[Scene]) -> Result:
        """The result of a subject that finds named keypoints.

        Raises:
            ConfigError: its points have no names.
        """
        subject.named("equivariance")
        plain = View("unchanged", 0.0, identity())
        base = look(subject, scenes, plain, self.seed)
        draws = Draws.of(len(scenes), self.resamples, self.seed)
        records, judge = [scene.record for scene in scenes], judge_of(subject.skeleton)
        labelled = usable(records)
        before = accuracy(base, records, judge, draws) if labelled else {}
        followed: list[tuple[View, Moves]] = []
        values: list[_Named] = []
        examples: list[list[Poses]] = []
        for view in self.views(subject.canvas):
            after = look(subject, scenes, view, self.seed)
            followed.append((view, moves(base, after, records, view)))
            values.append(draws.ratios(followed[-1][1].ratios(subject.skeleton.keypoints)))
            if labelled:
                values[-1] |= accuracy(after, [seen(record, view) for record in records], judge, draws)
            examples.append(after[: self.shown])
        result = Result("equivariance", subject.name, {}, card=self.card())
        _numbers(result, draws, before, followed, values)
        _offsets(result, draws, followed, subject)
        if labelled:
            for axis, interval in zip("xy", label_offset(base, records, draws), strict=True):
                result.numbers[f"labels/offset/{axis}"] = interval
                result.units[f"labels/offset/{axis}"] = "px"
            told = (f"{a} {shown(result.numbers[f'labels/offset/{a}'], 'px')}" for a in "xy")
            result.remarks.append(f"offset by the labels of the unchanged pictures, px: {', '.join(told)}")
        result.curves = list(_curves(draws, [view for view, _ in followed], values))
        result.keypoints |= _keypoints(values, subject)
        views = [view for view, _ in followed]
        result.pictures = strips.equivariance(scenes[: self.shown], views, base, examples, subject.skeleton, self.seed)
        return result


def relit(factor: float) -> Change:
    """A change of the brightness by a factor, as of an exposure; highlights are cut off."""

    def change(picture: Picture, record: Record, rng: np.random.Generator) -> Picture:
        return np.clip(picture.astype(np.float32) * factor, 0, 255).astype(np.uint8)

    return change


def _numbers(
    result: Result, draws: Draws, before: _Named, followed: list[tuple[View, Moves]], values: list[_Named]
) -> None:
    """Means over the strengths of each kind, and the accuracy before and after."""
    kinds = list(dict.fromkeys(view.kind for view, _ in followed))
    for measure in ("moved", "jumps"):
        each = [mean([v[measure] for (view, _), v in zip(followed, values) if view.kind == k]) for k in kinds]
        result.numbers[measure] = draws.interval(mean(each))
        result.numbers |= {f"{measure}/{k}": draws.interval(e) for k, e in zip(kinds, each)}
        result.units |= {name: "px" for name in (measure, *(f"moved/{k}" for k in kinds)) if name.startswith("moved")}
    for name, clean in before.items():
        changed = mean([mean([v[name] for (w, _), v in zip(followed, values) if w.kind == k]) for k in kinds])
        result.numbers |= draws.intervals({f"{name}/unchanged": clean, f"{name}/changed": changed})
        result.numbers[f"{name}/difference"] = draws.interval(changed - clean)
        if name.startswith("error"):
            result.units |= {f"{name}/{part}": "px" for part in ("unchanged", "changed", "difference")}


def _offsets(result: Result, draws: Draws, followed: list[tuple[View, Moves]], subject: Subject) -> None:
    found = offset.label_free(followed, draws.counts)
    x, y = (draws.interval(found[:, axis]) for axis in (0, 1))
    result.numbers |= {"offset/x": x, "offset/y": y}
    result.units |= {"offset/x": "px", "offset/y": "px"}
    if np.isfinite(found[0]).all():
        result.remarks.append(offset.named(x.estimate, y.estimate, (x.low, y.low), (x.high, y.high)))
    for axis, name in enumerate(("offset x", "offset y")):
        once = np.ones((1, draws.counts.shape[1]), np.int32)
        each = {k: offset.label_free(followed, once, i)[0, axis] for i, k in enumerate(subject.skeleton.keypoints)}
        result.keypoints[name] = {k: float(v) for k, v in each.items()}


def _curves(draws: Draws, views: Sequence[View], values: Sequence[_Named]) -> Iterator[Curve]:
    for kind in dict.fromkeys(view.kind for view in views):
        own = sorted((v.strength, i) for i, v in enumerate(views) if v.kind == kind)
        for measure in ("moved", "jumps", "AP", "PCK@0.1", "error/mean"):
            if measure in values[0]:
                points = tuple(draws.interval(values[i][measure]) for _, i in own)
                yield Curve(kind, measure, _UNITS[kind], tuple(s for s, _ in own), points)


def _keypoints(values: Sequence[_Named], subject: Subject) -> dict[str, dict[str, float]]:
    """Each keypoint's mean over all views."""
    found = {}
    for measure in ("moved", "jumps"):
        each = [by_keypoint(v, measure, subject.skeleton.keypoints) for v in values]
        found[measure] = {k: _mean([e[k] for e in each]) for k in subject.skeleton.keypoints}
    return found


def _mean(values: Sequence[float]) -> float:
    there = [v for v in values if np.isfinite(v)]
    return float(np.mean(there)) if there else float("nan")


def label_offset(found: Sequence[Poses], records: Sequence[Record], draws: Draws) -> tuple[Interval, Interval]:
    """The mean signed error x, y against the labels, of keypoints within ``JUMP`` of the person's size."""
    truth = [_as_poses(record) for record in records]
    moved = moves(truth, found, records, View("labels", 0.0, identity()))
    sums = np.zeros((len(records), 3))
    steady = moved.steady
    values = np.where(steady[..., None], moved.offset, 0.0).sum(1)
    np.add.at(sums, moved.image, np.column_stack([values, steady.sum(1)]))
    total = draws.counts.astype(np.float64) @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = total[:, 0] / total[:, 2], total[:, 1] / total[:, 2]
    return draws.interval(x), draws.interval(y)


def _as_poses(record: Record) -> Poses:
    import torch

    people = ~record.crowd
    points = torch.from_numpy(map_points(record.keypoints[people], identity())).float()
    scores = torch.from_numpy((record.visibility[people] > 0).astype(np.float32))
    boxes = torch.from_numpy(record.boxes[people]).float()
    return Poses(points, scores, boxes, scores.mean(1))
