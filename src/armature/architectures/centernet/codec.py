"""Between people and CenterNet's six maps (Zhou et al. 2019, sections 3-5).

Everything inside is in cells of the centres' maps but what concerns the joints' own, which may be finer.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from armature.architectures.centernet import drawn
from armature.ops.drawable import Drawable
from armature.ops.fixed_people import FixedPeople
from armature.ops.gaussians import Radius, peaks_of_people, unless_ignored
from armature.ops.grids import (
    cell_corner,
    cells_inside,
    corners,
    flat_cell,
    ignored_cells,
    on_grid,
    owners,
    stride_of,
)
from armature.ops.peaks import centroids, surely_below
from armature.ops.snapping import FIXED, LISTED, Search, Snap
from armature.structures import Batch, Outputs, Poses, Skeleton, Target

_EPS = 1e-4
#: Weight of a cell beside a joint's own, in learning where the joint is.
_NEIGHBOUR = 0.2


class CenterNetCodec:
    """Encodes people as gaussians and regressions per cell; decodes peaks, snapping regressed joints to joint peaks.

    Args:
        skeleton: gives K and the flip order.
        radius: ``corrected`` or ``released`` gaussians (see ``ops.gaussians.box_radius``).
        overlap: the IoU that the gaussian's radius must preserve.
        reach: size, offset and joints are learned at all cells up to this far from the centre, inside the box, and
            joint_offset up to this far from each joint. 0 is the paper's one cell; 1 and more learn faster, as TTFNet
            does for boxes (Liu et al. 2020, section 4.3), and do not mind a peak that is found one cell off.
        max_people: centres decoded per image. max_joints: peaks considered per joint heatmap.
        min_score: people below this centre score are dropped; 0 keeps all, as the paper's evaluation does.
        snap_score: a joint peak must reach this (0.1).
        snap_distance: and lie within this share of the box's longer side (0.3).
        subcell: where a joint peak is within its cell: its learned ``offset`` (the paper), or the ``centroid`` of the
            heatmap around it, which needs no further training and is closer while training is short.
        score: of a person: the centre's (the paper), or times the mean of the joints' scores, which ranks people whose
            joints were not found behind others.
        convention: ``released`` is for weights of the released code, whose keypoints are pixel indices (half a pixel
            less) and whose flip test negates x where the mirror of a cell's left edge is its right edge.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        radius: Radius = "corrected",
        overlap: float = 0.7,
        reach: int = 0,
        max_people: int = 100,
        max_joints: int = 100,
        min_score: float = 0.0,
        snap_score: float = 0.1,
        snap_distance: float = 0.3,
        subcell: Literal["offset", "centroid"] = "offset",
        score: Literal["center", "center*joints"] = "center",
        convention: Literal["continuous", "released"] = "continuous",
    ) -> None:
        self.flip = list(skeleton.flip)
        self.radius, self.overlap, self.reach = radius, overlap, reach
        self.max_people, self.min_score, self.subcell = max_people, min_score, subcell
        self.snap = Snap(snap_score, snap_distance, max_joints)
        self.score = score
        #: Of keypoints, canvas px; and where in its cell the mirror of a cell's corner is.
        self.shift, self.edge = (0.5, 0) if convention == "released" else (0.0, 1)

    @property
    def protocol(self) -> dict[str, str]:
        """How people come about, for the protocol card."""
        reach = f"above {self.snap.score} and within {self.snap.reach} of the longer side"
        snap = f"joints snap to peaks ({self.subcell}) {reach}"
        return {
            "box_source": "the network's own centres",
            "score_rule": "centre heatmap" if self.score == "center" else "centre heatmap x mean joint score",
            "nms": f"3x3 maxima, best {self.max_people} centres above {self.min_score}; {snap}",
        }

    @property
    def tolerance(self) -> float:
        """Exact where every joint has a cell of its own; a centroid of ideal heat is the middle of a cell of 4 px."""
        return 0.05 if self.subcell == "offset" else 0.5 * 4 * 2**0.5

    # ------------------------------------------------------------------ people -> maps

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets of all six maps; regressions are supervised near centres, heatmaps outside ``ignore``."""
        people = batch.instances
        labelled = (people.visibility > 0) & people.valid[..., None]
        return self._of_centres(outputs, batch, labelled) | self._of_joints(outputs, batch, labelled)

    def _of_centres(self, outputs: Outputs, batch: Batch, labelled: Tensor) -> dict[str, Target]:
        """Targets of centres, and of size, offset and joints around them."""
        size, stride = _grid(outputs["center"], batch)
        people = batch.instances
        boxes, joints = people.boxes / stride, (people.keypoints - self.shift) / stride
        centres = (boxes[..., :2] + boxes[..., 2:]) / 2
        heat = self._heat(boxes, centres[:, :, None], people.valid[..., None], size)
        areas = people.areas / stride**2
        return {"center": Target(heat, unless_ignored(heat, ignored_cells(batch.ignore, size)))} | self._at_centre(
            boxes, centres, joints, labelled, areas, people.valid, size
        )

    def _of_joints(self, outputs: Outputs, batch: Batch, labelled: Tensor) -> dict[str, Target]:
        """Targets of the joints' heatmaps and of where they lie in their cells."""
        size, stride = _grid(outputs["heatmaps"], batch)
        people = batch.instances
        boxes, joints = people.boxes / stride, (people.keypoints - self.shift) / stride
        heat = self._heat(boxes, joints, labelled, size)
        # Joints are in the box of a person without any labelled one, but nobody said where.
        silent = people.valid & ~labelled.any(-1)
        unlabelled = ignored_cells(batch.ignore, size) | cells_inside(boxes, silent, size)
        return {
            "heatmaps": Target(heat, unless_ignored(heat, unlabelled) * batch.knows()[:, :, None, None]),
            "joint_offset": _joint_offsets(joints, labelled, size, self.reach),
        }

    def _heat(self, boxes: Tensor, points: Tensor, on: Tensor, size: tuple[int, int]) -> Tensor:
        """(B C h w): gaussians at the people's points (B M C 2), all with the person's own radius."""
        return peaks_of_people(boxes, points, on, size, self.overlap, self.radius)

    def _at_centre(
        self,
        boxes: Tensor,
        centres: Tensor,
        joints: Tensor,
        labelled: Tensor,
        areas: Tensor,
        valid: Tensor,
        size: tuple[int, int],
    ) -> dict[str, Target]:
        """Size, offset and joints at the cells that belong to a centre, distances from each cell's own corner."""
        owner = owners(centres, boxes, valid, size, self.reach).flatten(1)
        corner = corners(size, boxes)
        owned = (owner >= 0).float().unflatten(1, size)[:, None]

        def dense(values: Tensor) -> Tensor:
            """Per-person values (B M *c) laid out at the cells their persons own (B *c h w), 0 elsewhere."""
            flat = values.flatten(2)
            at = owner.clamp(min=0)[..., None].expand(-1, -1, flat.shape[2])
            return (flat.gather(1, at).mT.unflatten(2, size) * owned).unflatten(1, values.shape[2:])

        return {
            "size": Target(dense(boxes[..., 2:] - boxes[..., :2]), owned),
            "offset": Target((dense(centres) - corner) * owned, owned),
            "joints": Target(
                (dense(joints) - corner) * owned[:, None],
                dense(labelled[..., None].float()),
                dense(areas[..., None, None]),
            ),
        }

    # ------------------------------------------------------------------ maps -> people

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """People in canvas pixels; the score is the centre's, a keypoint's score its joint heatmap's at that place.

        Of several stages the last one speaks. Numbers become float32 where they are picked, not map by map.
        """
        found = self._people(outputs, canvas[2], LISTED)
        keep = found.scores > self.min_score
        return [Poses(*(values[b][keep[b]] for values in found)) for b in range(canvas[0])]

    def fixed(self, outputs: Outputs, size: tuple[int, int]) -> FixedPeople:
        """The people of ``decode`` on a canvas of ``size`` (H, W), in ``max_people`` slots an image."""
        found = self._people(outputs, size[1], FIXED)
        return found.best(found.scores > self.min_score, self.max_people)

    def _people(self, outputs: Outputs, canvas_width: int, search: Search) -> FixedPeople:
        """Everybody at a peak of the centres, canvas px."""
        outputs = _last_stage(outputs)
        width = outputs["center"].shape[-1]
        stride = stride_of(canvas_width, width)
        logits, cells = search.peaks(outputs["center"].float(), self.max_people, surely_below(self.min_score))
        scores, cells = logits[:, 0].sigmoid(), cells[:, 0]
        corner, at = cell_corner(cells, width), _places(cells, width)
        half = outputs["size"][at].float().clamp(min=0) / 2
        centre = corner + outputs["offset"][at].float()
        boxes = torch.cat([centre - half, centre + half], -1)
        joints = corner[:, :, None] + outputs["joints"][at].float()
        finer = stride / stride_of(canvas_width, outputs["heatmaps"].shape[-1])
        within = partial(self._within_cells, outputs)
        joints, joint_scores = self.snap(outputs["heatmaps"], joints * finer, boxes * finer, within, search)
        if self.score == "center*joints":
            scores = scores * joint_scores.mean(-1)
        return FixedPeople(joints * (stride / finer) + self.shift, joint_scores, boxes * stride, scores)

    def _within_cells(self, outputs: Outputs, cells: Tensor) -> Tensor:
        """(B K P 2): where in and around their cells the joint peaks are."""
        if self.subcell == "centroid":
            return centroids(outputs["heatmaps"], cells, logits=True)
        width = outputs["heatmaps"].shape[-1]
        offsets = outputs["joint_offset"][_places(cells.flatten(1), width)].float()
        return cell_corner(cells, width) + offsets.unflatten(1, cells.shape[1:])

    # ------------------------------------------------------------------ mirrored images, ceilings

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """The mean of both views for heatmaps, size and joints; offsets from the upright view. The last stage only."""
        outputs, flipped = _last_stage(outputs), _last_stage(flipped)
        back = {name: value.flip(-1) for name, value in flipped.items()}
        joints = back["joints"][:, self.flip]
        # Distances are from the cell's left edge, which is its right edge in the mirror: x becomes 1 - x.
        joints = torch.stack([self.edge - joints[:, :, 0], joints[:, :, 1]], 2)
        return outputs | {
            "center": _mean_logit(outputs["center"], back["center"]),
            "heatmaps": _mean_logit(outputs["heatmaps"], back["heatmaps"][:, self.flip]),
            "size": (outputs["size"] + back["size"]) / 2,
            "joints": (outputs["joints"] + joints) / 2,
        }

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """The targets themselves as outputs, heatmaps as logits."""
        values = {name: target.value.to(outputs[name].dtype) for name, target in targets.items()}
        return values | {name: values[name].clamp(_EPS, 1 - _EPS).logit() for name in ("center", "heatmaps")}

    def drawable(self, outputs: Outputs, targets: dict[str, Target], canvas: tuple[int, int]) -> dict[str, Drawable]:
        """What can be looked at of the targets; canvas (H, W)."""
        return drawn.of_targets(targets, canvas[1], self.shift)


def _grid(maps: Tensor, batch: Batch) -> tuple[tuple[int, int], float]:
    """(h, w) of maps, and canvas px of their cells."""
    height, width = maps.shape[-2:]
    return (height, width), stride_of(batch.images.shape[-1], width)


def _joint_offsets(joints: Tensor, labelled: Tensor, size: tuple[int, int], reach: int) -> Target:
    """The place of joints relative to the corners of the cells in and around which they lie.

    Cells that several joints claim learn their weighted mean and weigh as much as all of them. A joint's own cell has
    weight 1, a neighbour up to ``reach`` cells away ``_NEIGHBOUR``: few enough to leave another joint's own cell alone.
    """
    near = torch.arange(-reach, reach + 1, device=joints.device)
    shifts = torch.cartesian_prod(near, near).to(joints)
    share = torch.where((shifts == 0).all(-1), 1.0, _NEIGHBOUR)[:, None]
    corner = joints.floor()[..., None, :] + shifts  # (B M K S 2)
    on = (labelled[..., None] & on_grid(corner, size))[..., None] * share
    cells = flat_cell(corner, size).flatten(1)[..., None]
    both = torch.cat([(joints[..., None, :] - corner) * on, on], -1).flatten(1, 3)
    sums = both.new_zeros(len(joints), size[0] * size[1], 3).scatter_add_(1, cells.expand_as(both), both)
    value, weight = sums.mT.unflatten(2, size).split([2, 1], dim=1)
    return Target(value / weight.clamp(min=_NEIGHBOUR), weight)


def _places(cells: Tensor, width: int) -> tuple[Any, ...]:
    """The index that picks flat cells (B n) out of dense maps (B *c h w) as (B n *c), without copying a whole map."""
    image = torch.arange(cells.shape[0], device=cells.device)[:, None]
    return image, ..., cells // width, cells % width


def _last_stage(outputs: Outputs) -> Outputs:
    """The last of several stages of every output, where there are several."""
    return {name: value[-1] for name, value in outputs.items()} if outputs["center"].ndim > 4 else outputs


def _mean_logit(a: Tensor, b: Tensor) -> Tensor:
    """Probabilities are averaged, not logits."""
    return ((a.float().sigmoid() + b.float().sigmoid()) / 2).clamp(1e-7, 1 - 1e-7).logit()
