"""Classical interest point detectors as models: images to points with scores, scales, orientations and descriptors.

Every one of them emits, for N slots an image: ``points`` (B N 2) xy in continuous canvas pixels, ``scores`` (B N) in
[0, 1], ``scales`` (B N) px, ``angles`` (B N) radians, ``found`` (B N) bool, and, where it describes its points,
``descriptors`` (B N D) of unit length. Points come best first.

A score is a contrast, as a share of the strongest in the picture: a response that grows with the n-th power of the
contrast is given by its n-th root, so that 0.3 means the same for all of them.
"""

from __future__ import annotations

import kornia.feature as features
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from kornia.color import rgb_to_grayscale
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Instances, Outputs

#: Extent of the classical corner detectors' window: the sigma of kornia's gaussian over gradients.
WINDOW = 1.0


class Detector(nn.Module):
    """The part that all detectors share: a grey picture in, the best points out.

    Args:
        points: slots an image. border: px beside the picture's edge where nothing is found.

    Raises:
        ConfigError: no slots, or a negative border.
    """

    def __init__(self, points: int, border: int) -> None:
        super().__init__()
        if points < 1 or border < 0:
            raise ConfigError(
                f"interest points: points must be at least 1 and border at least 0; found {points}, {border}"
            )
        self.slots, self.border = points, border
        # Nothing here is learned. A model has a parameter, though: by it everybody knows its device, and an optimizer
        # has something to hold.
        self.still = nn.Parameter(torch.zeros(()))

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        with torch.autocast(images.device.type, enabled=False):
            outputs = self.detect(rgb_to_grayscale(images.float()))
        return outputs | {"scores": outputs["scores"] + 0 * self.still}

    def detect(self, grey: Float[Tensor, "B 1 H W"]) -> Outputs:
        """What the class says it emits."""
        raise NotImplementedError


class Corners(Detector):
    """Local maxima of a corner response, refined by a parabola each way.

    Args:
        points, border: see ``Detector``. radius: px around a corner in which no weaker one is taken.
        quality: least score; corners with less contrast are left out.
        power: of the contrast with which the response grows.
    """

    def __init__(
        self, points: int = 300, border: int = 4, radius: int = 4, quality: float = 0.1, power: int = 4
    ) -> None:
        super().__init__(points, border)
        if radius < 1 or not 0 <= quality < 1:
            raise ConfigError(
                f"interest points: radius must be at least 1 px, quality in [0, 1); found {radius}, {quality}"
            )
        self.radius, self.quality, self.power = radius, quality, power

    def response(self, grey: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        """How much of a corner every pixel is."""
        raise NotImplementedError

    def detect(self, grey: Float[Tensor, "B 1 H W"]) -> Outputs:
        response = self.response(grey)
        values, cells, found = _peaks(response, self.radius, self.border, self.slots)
        top = values.amax(1, keepdim=True).clamp(min=1e-20)
        scores = (values / top).clamp(0, 1) ** (1 / self.power)
        found &= scores >= self.quality
        points = _refined(response, cells)
        return _outputs(points, scores * found, torch.full_like(scores, WINDOW), torch.zeros_like(scores), found)


class Harris(Corners):
    """det M - k tr^2 M of the gradients' second moments M (Harris & Stephens 1988), kornia's.

    Args:
        k: how much an edge costs. Others: see ``Corners``.
    """

    def __init__(
        self, points: int = 300, k: float = 0.04, border: int = 4, radius: int = 4, quality: float = 0.1
    ) -> None:
        super().__init__(points, border, radius, quality, power=4)
        self.k = k

    def response(self, grey: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        answer: Tensor = features.harris_response(grey, self.k)
        return answer


class ShiTomasi(Corners):
    """The smaller eigenvalue of the gradients' second moments (Shi & Tomasi 1994), kornia's ``gftt_response``.

    Args: see ``Corners``.
    """

    def __init__(self, points: int = 300, border: int = 4, radius: int = 4, quality: float = 0.1) -> None:
        super().__init__(points, border, radius, quality, power=2)

    def response(self, grey: Float[Tensor, "B 1 H W"]) -> Float[Tensor, "B 1 H W"]:
        answer: Tensor = features.gftt_response(grey)
        return answer


class SIFT(Detector):
    """Extrema of differences of gaussians over scales, oriented and described (Lowe 2004), kornia's.

    kornia's has neither the contrast nor the edge rejection of the paper and gives each point one orientation
    (``kornia.feature.SIFTFeatureScaleSpace``, backend ``pyramid``); ``quality`` takes the place of the former.

    Args:
        points, border: see ``Detector``. quality: least score.
        describe: False leaves orientations and descriptors out: the detector alone (DoG).
        root: RootSIFT (Arandjelovic & Zisserman 2012).
    """

    def __init__(
        self, points: int = 300, border: int = 4, quality: float = 0.1, describe: bool = True, root: bool = True
    ) -> None:
        super().__init__(points, border)
        self.quality, self.describe = quality, describe
        spare = max(50, points // 3)  # for those at the border
        self.sift = features.SIFTFeatureScaleSpace(
            points + spare, upright=not describe, rootsift=root, descriptor_backend="pyramid"
        )

    def detect(self, grey: Float[Tensor, "B 1 H W"]) -> Outputs:
        # One picture at a time: what is found in a picture must not depend on those beside it.
        each = [self._one(grey[b : b + 1]) for b in range(len(grey))]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _one(self, grey: Float[Tensor, "1 1 H W"]) -> Outputs:
        frames, strength, descriptors = self.sift(grey)
        height, width = grey.shape[-2:]
        # kornia counts pixel centres as whole numbers; a frame is 6 sigma wide.
        points = frames[0, :, :, 2] + 0.5
        scales = features.get_laf_scale(frames)[0].flatten() / 6
        angles = torch.deg2rad(features.get_laf_orientation(frames)[0].flatten())
        top = strength[0].amax().clamp(min=1e-20) if strength.numel() else strength.new_ones(())
        scores = (strength[0] / top).clamp(0, 1)
        inside = (points >= self.border) & (points <= points.new_tensor([width, height]) - self.border)
        keep = inside.all(-1) & (scores >= self.quality) & (strength[0] > 0)
        order = (scores * keep).argsort(descending=True)[: self.slots]
        parts = [points[order], scores[order] * keep[order], scales[order], angles[order], keep[order]]
        padded = [_padded(part, self.slots) for part in parts]
        outputs = _outputs(*padded)
        if self.describe:
            outputs["descriptors"] = _padded(descriptors[0][order], self.slots)
        return outputs


def _outputs(points: Tensor, scores: Tensor, scales: Tensor, angles: Tensor, found: Tensor) -> Outputs:
    return {"points": points, "scores": scores, "scales": scales, "angles": angles, "found": found}


def _padded(values: Tensor, slots: int) -> Tensor:
    """Zeros behind the last, up to the number of slots."""
    missing = slots - len(values)
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])]) if missing > 0 else values


def _peaks(
    maps: Float[Tensor, "B 1 H W"], radius: int, border: int, count: int
) -> tuple[Float[Tensor, "B N"], Tensor, Bool[Tensor, "B N"]]:
    """Values, flat cells and whether it is one of the best ``count`` positive maxima of a (2 radius + 1)^2 window."""
    height, width = maps.shape[-2:]
    highest = F.max_pool2d(maps, 2 * radius + 1, 1, radius)
    is_peak = (maps == highest) & (maps > 0)
    inner = torch.zeros_like(is_peak)
    inner[..., border : height - border, border : width - border] = True
    values = maps.where(is_peak & inner, maps.new_zeros(())).flatten(1)
    values, cells = values.topk(min(4 * count, values.shape[1]), 1)
    # A corner between pixels is a plateau of equal values: the first of them stands for all.
    x, y = cells % width, cells // width
    near = torch.maximum((x[:, :, None] - x[:, None]).abs(), (y[:, :, None] - y[:, None]).abs()) <= radius
    values = values * ~(near & (values[:, None] > 0)).tril(-1).any(-1)
    values, order = values.topk(min(count, values.shape[1]), 1)
    cells = cells.gather(1, order)
    if values.shape[1] < count:
        values = F.pad(values, (0, count - values.shape[1]))
        cells = F.pad(cells, (0, count - cells.shape[1]))
    return values, cells, values > 0


def _refined(maps: Float[Tensor, "B 1 H W"], cells: Tensor) -> Float[Tensor, "B N 2"]:
    """Continuous xy of the vertex of a parabola through each peak and its two neighbours, each way."""
    height, width = maps.shape[-2:]
    flat = maps.flatten(1)
    x, y = cells % width, cells // width

    def at(dx: int, dy: int) -> Tensor:
        return flat.gather(1, (y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1))

    def vertex(before: Tensor, after: Tensor) -> Tensor:
        bend = before - 2 * at(0, 0) + after
        step = (before - after) / (2 * bend.where(bend < 0, bend.new_full((), -torch.inf)))
        return step.clamp(-0.5, 0.5)

    return torch.stack([x + 0.5 + vertex(at(-1, 0), at(1, 0)), y + 0.5 + vertex(at(0, -1), at(0, 1))], -1)
