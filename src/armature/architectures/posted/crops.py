"""The spatial transformer: from people's boxes to upright crops, differentiable in both (Jaderberg et al. 2015).

A crop is an affine map (2x3) from crop units, 0 to 1 from its left and upper edge to its right and lower one, to canvas
px. It may be turned. Pixel i of n is centred at (i + 0.5) / n, on the canvas and in the crop. Everything here is
computed in the precision it is given in: under autocast a product of matrices would round places to half a pixel.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.layers.convolutions import conv_norm_relu

Aspect = Literal["stretch", "keep"]
Border = Literal["border", "zeros"]
_Function = TypeVar("_Function", bound=Callable[..., Any])


def _exact(function: _Function) -> _Function:
    """The function without autocast on the devices of its tensors."""

    @functools.wraps(function)
    def without(*args: Any, **kwargs: Any) -> Any:
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        with torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return without  # type: ignore[return-value]


def crops_of(
    boxes: Float[Tensor, "R 4"], enlarge: float, size: tuple[int, int], aspect: Aspect
) -> Float[Tensor, "R 2 3"]:
    """Upright crops around boxes (xyxy, canvas px), ``enlarge`` times as large.

    Args:
        size: (h, w) of the crops. aspect: ``stretch`` the box to it, or ``keep`` its shape by taking in more around it.
    """
    middle, wide = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=1.0)
    if aspect == "keep":
        ratio = size[1] / size[0]
        wide = torch.stack(
            [torch.maximum(wide[:, 0], wide[:, 1] * ratio), torch.maximum(wide[:, 1], wide[:, 0] / ratio)], 1
        )
    return _affine(middle, torch.diag_embed(wide * enlarge))


class Jitter:
    """Crops as a careless detector would place them, for training on true boxes.

    Args:
        shift: up to so much of the crop's own size, either way, in x and in y (uniform).
        scale: a factor of (1 - scale) to (1 + scale) (uniform). rotation: degrees, either way (uniform).
    """

    def __init__(self, shift: float = 0.05, scale: float = 0.3, rotation: float = 0.0) -> None:
        if not (0 <= scale < 1 and shift >= 0 and rotation >= 0):
            raise ConfigError(f"Jitter: 0 <= scale < 1, shift and rotation at least 0; found {scale, shift, rotation}")
        self.shift, self.scale, self.rotation = shift, scale, rotation

    @_exact
    def __call__(self, crops: Float[Tensor, "R 2 3"]) -> Float[Tensor, "R 2 3"]:
        draw = torch.rand(len(crops), 4, device=crops.device) * 2 - 1
        size = crops[:, :, :2].norm(dim=1)
        middle = crops[:, :, :2].sum(-1) / 2 + crops[:, :, 2] + draw[:, :2] * self.shift * size
        angle = draw[:, 3] * math.radians(self.rotation)
        cos, sin = angle.cos(), angle.sin()
        turn = torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2) * (1 + draw[:, 2] * self.scale)[:, None, None]
        return _affine(middle, turn @ crops[:, :, :2])


class Refiner(nn.Module):
    """A learned correction of crops: a small network looks at each and moves, scales and, if allowed, turns it.

    The localisation network of Jaderberg et al. 2015, section 3.1, on top of the box; it begins as the identity.

    Args:
        size: (h, w) at which it looks. kind: ``axis`` moves and scales in x and y, ``affine`` is free.
        reach: the largest change of any number of theta, whose frame is -1 to 1 over the crop. width: channels.
    """

    def __init__(
        self,
        size: tuple[int, int] = (32, 32),
        kind: Literal["axis", "affine"] = "axis",
        reach: float = 0.3,
        width: int = 32,
    ) -> None:
        super().__init__()
        if kind not in ("axis", "affine"):
            raise ConfigError(f"Refiner: kind={kind!r}; known are 'axis' and 'affine'")
        self.size, self.reach = (int(size[0]), int(size[1])), reach
        self.look = nn.Sequential(conv_norm_relu(3, width, 5, 2), conv_norm_relu(width, width, 3, 2))
        self.say = nn.Linear(width * math.ceil(self.size[0] / 4) * math.ceil(self.size[1] / 4), 6)
        nn.init.zeros_(self.say.weight)
        nn.init.zeros_(self.say.bias)
        free = torch.tensor([[1.0, 0, 1], [0, 1, 1]]) if kind == "axis" else torch.ones(2, 3)
        self.register_buffer("free", free, persistent=False)

    free: Tensor

    def forward(self, pictures: Float[Tensor, "R 3 h w"]) -> Float[Tensor, "R 2 3"]:
        """From the refined crop's units to the given crop's units."""
        said = self.say(self.look(pictures - 0.5).flatten(1)).float().tanh().view(-1, 2, 3)
        theta = torch.eye(2, 3, device=said.device) + said * self.free * self.reach
        # theta maps -1..1 to -1..1; units are 0..1: u' = (theta (2u - 1) + 1) / 2.
        linear = theta[:, :, :2]
        return torch.cat([linear, ((1 + theta[:, :, 2] - linear.sum(-1)) / 2)[..., None]], -1)


@_exact
def sample(
    images: Float[Tensor, "B c H W"],
    crops: Float[Tensor, "R 2 3"],
    which: Int[Tensor, " R"],
    size: tuple[int, int],
    border: Border = "border",
) -> Float[Tensor, "R c h w"]:
    """The pictures in crops of images ``which``, bilinear; gradients reach images and crops."""
    grid = _grid(crops, images.shape[-2], images.shape[-1], size)
    # All crops of an image in one call: its pixels are not copied for each.
    before = (which[:, None] == which).tril(-1).sum(1)
    side_by_side = grid.new_zeros(len(images), int(before.max()) + 1, *grid.shape[1:])
    side_by_side = side_by_side.index_put((which, before), grid)
    seen = F.grid_sample(images.float(), side_by_side.flatten(1, 2), padding_mode=border, align_corners=False)
    return seen.unflatten(2, (-1, size[0])).movedim(2, 1)[which, before]


@_exact
def sample_slots(
    images: Float[Tensor, "B c H W"], crops: Float[Tensor, "B*n 2 3"], size: tuple[int, int], border: Border = "border"
) -> Float[Tensor, "B*n c h w"]:
    """``sample`` for equally many crops of each image, image by image."""
    grid = _grid(crops, images.shape[-2], images.shape[-1], size).unflatten(0, (images.shape[0], -1))
    seen = F.grid_sample(images.float(), grid.flatten(1, 2), padding_mode=border, align_corners=False)
    return seen.unflatten(2, (-1, size[0])).movedim(2, 1).flatten(0, 1)


def _grid(crops: Float[Tensor, "R 2 3"], height: int, width: int, size: tuple[int, int]) -> Float[Tensor, "R h w 2"]:
    """Where the pixels of crops lie on a canvas, in ``grid_sample``'s frame."""
    scale = crops.new_tensor([2 / width, 2 / height])[:, None]
    # Crop units are (x + 1) / 2 of affine_grid's, canvas px likewise of grid_sample's: both without corners aligned.
    linear = crops[:, :, :2] / 2
    shift = crops[:, :, 2:] + linear.sum(-1, keepdim=True)
    theta = torch.cat([linear, shift], -1) * scale - crops.new_tensor([[0.0, 0, 1], [0, 0, 1]])
    return F.affine_grid(theta, [crops.shape[0], 1, *size], align_corners=False)


@_exact
def compose(outer: Float[Tensor, "R 2 3"], inner: Float[Tensor, "R 2 3"]) -> Float[Tensor, "R 2 3"]:
    """First ``inner``, then ``outer``."""
    linear, shift = outer[:, :, :2], outer[:, :, 2:]
    return torch.cat([linear @ inner[:, :, :2], linear @ inner[:, :, 2:] + shift], -1)


@_exact
def apply(maps: Float[Tensor, "R 2 3"], points: Float[Tensor, "*s R n 2"]) -> Float[Tensor, "*s R n 2"]:
    """Points of crop units on the canvas."""
    return points @ maps[:, :, :2].mT + maps[:, None, :, 2]


def inverse(maps: Float[Tensor, "R 2 3"]) -> Float[Tensor, "R 2 3"]:
    """From canvas px to crop units."""
    (a, b, c), (d, e, f) = (row.unbind(-1) for row in maps.unbind(1))
    scale = 1 / (a * e - b * d)
    rows = [e, -b, b * f - e * c, -d, a, d * c - a * f]
    return torch.stack([r * scale for r in rows], -1).view(-1, 2, 3)


def _affine(middle: Float[Tensor, "R 2"], linear: Float[Tensor, "R 2 2"]) -> Float[Tensor, "R 2 3"]:
    """The crop with this middle."""
    return torch.cat([linear, (middle - linear.sum(-1) / 2)[..., None]], -1)
