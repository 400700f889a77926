"""Between people and OpenPose's heatmaps and fields (Cao et al. 2017, 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from armature.architectures.openpose import drawn
from armature.architectures.openpose.parts import Limbs, make_parts
from armature.errors import ConfigError
from armature.ops.drawable import Drawable
from armature.ops.fixed_people import FixedPeople
from armature.ops.grids import stride_of
from armature.ops.part_assembly import Crowd, Decoder
from armature.ops.part_maps import Overlap, limb_fields, part_maps, unsupervised
from armature.ops.part_peaks import Peaks
from armature.structures import Batch, Outputs, Poses, Skeleton, Target


class OpenPoseCodec:
    """Encodes people as gaussians at parts and unit vectors along limbs; decodes by peaks and line integrals.

    ``decode(ideal(encode(people)))`` gives every part of a person alone back to 0.01 px, at borders too, because the
    logarithm of a gaussian is a parabola; where people's gaussians of one part meet, to a fraction of a cell. Parts
    closer than about two cells to the same part of another person merge with it, a person with fewer than
    ``decoder.min_parts`` labelled parts is lost, and so are parts that no labelled limb ties to the rest.

    Args:
        skeleton: gives K and the flip order. derived, limbs: see ``parts.make_parts``; as the model's. Derived parts
            help to put people together and are left out of what is decoded.
        sigma: of the gaussians, canvas px (7). overlap: ``max`` of people's gaussians (the paper) or their ``sum``.
        width: how far from a limb its field reaches, cells (1).
        field_offset: how far, in cells, the middle of a field's cell lies from that of a heatmap's. 0 is our one
            convention: both at (i + 0.5) * stride. The released weights have -0.4375 (-3.5 px at stride 8): their
            heatmaps are at pixel index 8 i + 3.5, which is the same as ours, their fields at 8 i.
        decoder: thresholds.
        score: of a person: the ``sum`` of its peaks and limbs, their ``mean`` over parts (the paper's threshold), or
            the sum times the parts beyond the first (``sum*parts``, the light network's evaluation).
        missing: where a joint that was not found is said to be, with a score of 0: at the canvas' ``origin`` (released
            code), or with its nearest ``neighbour`` along the limbs that was.

    Raises:
        ConfigError: an unknown choice, or names that ``make_parts`` refuses.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        derived: Mapping[str, Sequence[str]] | None = None,
        limbs: Limbs = None,
        sigma: float = 7.0,
        overlap: Overlap = "max",
        width: float = 1.0,
        field_offset: float = 0.0,
        decoder: Decoder | None = None,
        score: Literal["sum", "mean", "sum*parts"] = "mean",
        missing: Literal["origin", "neighbour"] = "neighbour",
    ) -> None:
        for name, value, known in (
            ("overlap", overlap, ("max", "sum")),
            ("score", score, ("sum", "mean", "sum*parts")),
            ("missing", missing, ("origin", "neighbour")),
        ):
            if value not in known:
                raise ConfigError(f"codec.{name}={value}: known values are {', '.join(known)}")
        self.parts = make_parts(skeleton, derived, limbs)
        self.sigma, self.overlap, self.width, self.field_offset = sigma, overlap, width, field_offset
        self.decoder, self.score, self.missing = decoder or Decoder(), score, missing
        self.nearest = _nearest(self.parts.limbs, self.parts.count)

    @property
    def protocol(self) -> dict[str, str]:
        """How people come about, for the protocol card."""
        d = self.decoder
        kept = f"{d.min_parts} parts and {d.min_score} a part"
        return {
            "box_source": "bounds of the joints found",
            "score_rule": f"peaks and limb integrals: {self.score}",
            "nms": f"3x3 maxima above {d.peak}; limbs {d.fraction} of samples above {d.field}; people of {kept}",
        }

    @property
    def tolerance(self) -> float:
        """Canvas px; see above."""
        return 0.05

    # ------------------------------------------------------------------ people -> maps

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets of heatmaps and fields; nothing is supervised under ``ignore`` and on unlabelled people.

        Nor are parts and limbs of keypoints that the data set does not label, and the background beside any of those.
        """
        size = (outputs["heatmaps"].shape[-2], outputs["heatmaps"].shape[-1])
        stride = stride_of(batch.images.shape[-1], size[1])
        people = batch.instances
        labelled = (people.visibility > 0) & people.valid[..., None]
        points, on = self.parts.place(people.keypoints / stride, labelled)
        heat = part_maps(points, on, self.sigma / stride, size, self.overlap)
        fields = limb_fields(points - self.field_offset, on, self.parts.limbs, self.width, size)
        silent = people.valid & ~labelled.any(-1)
        weight = (~unsupervised(batch.ignore, people.boxes / stride, silent, size)).float()
        parts, limbs = self._known(batch)
        return {
            "heatmaps": Target(heat, weight[:, None] * parts[:, :, None, None]),
            "pafs": Target(fields, weight[:, None, None] * limbs[:, :, None, None, None]),
        }

    def _known(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B P+1) and (B E): 1 for the parts, the background last, and the limbs that an image's data set labels."""
        known = batch.knows()[:, None]
        parts = self.parts.place(known[..., None].expand(-1, -1, -1, 2).float(), known)[1][:, 0]
        ends = torch.tensor(self.parts.limbs, dtype=torch.long, device=parts.device).view(-1, 2)
        return torch.cat([parts, parts.all(1, keepdim=True)], 1).float(), parts[:, ends].all(-1).float()

    # ------------------------------------------------------------------ maps -> people

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """People in canvas pixels, by the last stage; a keypoint's score is its peak's heat, 0 where there is none."""
        heat, fields = _last_stages(outputs)
        stride = stride_of(canvas[2], heat.shape[-1])
        peaks, crowd = self.decoder(
            heat[:, :-1],
            fields,
            self.parts.limbs,
            self.sigma / stride,
            stride,
            canvas[1:],
            self.field_offset,
        )
        return [Poses(*(v.to(heat.device) for v in each)) for each in self._people(peaks, crowd, stride, canvas[0])]

    def fixed(self, outputs: Outputs, size: tuple[int, int]) -> FixedPeople:
        """Refuses: a graph can hold the network, not what this decoder does.

        Raises:
            ConfigError: always; says why.
        """
        raise ConfigError(
            "its people are put together limb by limb, a search whose next step depends on what the last one found"
        )

    def _people(self, peaks: Peaks, crowd: Crowd, stride: float, images: int) -> Iterator[tuple[Tensor, ...]]:
        """Keypoints, their scores, boxes and scores of the people of every image."""
        # Behind the last peak comes one at the origin with no score, which -1 finds.
        xy = np.zeros((len(peaks.scores) + 1, 2), np.float32)
        heat = np.zeros(len(xy), np.float32)
        xy[:-1], heat[:-1] = peaks.xy.T * np.float32(stride), peaks.scores
        found, slots = crowd.peaks >= 0, crowd.peaks
        low = np.where(found[..., None], xy[slots], np.inf).min(1)
        high = np.where(found[..., None], xy[slots], -np.inf).max(1)
        if self.missing == "neighbour":
            known = found[:, self.nearest].argmax(2)  # (N P): place in the order of the first that was found
            points = xy[np.take_along_axis(slots, np.take_along_axis(self.nearest, known.T, 1).T, 1)]
        else:
            points = xy[slots]
        number, count = found.sum(1), self.parts.keypoints
        factor = {"sum": np.ones_like(number), "mean": 1 / number, "sum*parts": number - 1}[self.score]
        boxes, scores = np.concatenate([low, high], 1), (crowd.scores * factor).astype(np.float32)
        each = (points[:, :count], heat[slots[:, :count]], boxes.astype(np.float32), scores)
        counts = np.bincount(crowd.image, minlength=images).tolist()
        return zip(*(torch.from_numpy(v).split(counts) for v in each), strict=True)

    # ------------------------------------------------------------------ mirrored images, ceilings

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """The mean of both views; limbs whose mirror image is no limb from the upright view. The last stages only."""
        (heat, fields), (other_heat, other_fields) = _last_stages(outputs), _last_stages(flipped)
        count = self.parts.count
        back = other_heat.flip(-1)[:, [*self.parts.flip, count]]
        mirrored = self._unflip_fields(other_fields)
        sign = torch.tensor(self.parts.limb_sign, device=fields.device).view(-1, 1, 1, 1)
        both = torch.where(sign == 0, fields, (fields + mirrored * sign) / 2)
        return outputs | {"heatmaps": (heat + back) / 2, "pafs": both}

    def _unflip_fields(self, fields: Tensor) -> Tensor:
        back = fields.flip(-1)[:, list(self.parts.limb_flip)]
        back = torch.stack([-back[:, :, 0], back[:, :, 1]], 2)
        # Cells whose middles are off to one side are off to the other in the mirror: twice as far from their twins.
        shift = round(-2 * self.field_offset)
        return back.roll(shift, -1) if shift else back

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """The targets themselves as outputs, as a single stage."""
        return {name: target.value.to(outputs[name].dtype)[None] for name, target in targets.items()}

    def drawable(self, outputs: Outputs, targets: dict[str, Target], canvas: tuple[int, int]) -> dict[str, Drawable]:
        """What can be looked at of the targets; canvas (H, W)."""
        return drawn.of_targets(targets, self.parts.keypoints)


def _last_stages(outputs: Outputs) -> tuple[Tensor, Tensor]:
    """Heatmaps (B P+1 h w) and fields (B E 2 h w) of the last stage, or as they are where there are no stages."""
    heat, fields = outputs["heatmaps"], outputs["pafs"]
    return heat[-1] if heat.ndim > 4 else heat, fields[-1] if fields.ndim > 5 else fields


def _nearest(limbs: Sequence[tuple[int, int]], count: int) -> NDArray[np.int64]:
    """(P P): all parts in the order of their distance along limbs from each part, itself first."""
    hops = torch.full((count, count), float(count))
    hops.fill_diagonal_(0)
    for a, b in limbs:
        hops[a, b] = hops[b, a] = 1
    for via in range(count):
        hops = torch.minimum(hops, hops[:, via, None] + hops[via])
    return hops.argsort(dim=1, stable=True).numpy()
