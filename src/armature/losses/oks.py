"""Object keypoint similarity as a loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.reduction import supervised, weighted_mean
from armature.skeletons import sigmas_or_default
from armature.structures import Skeleton, Target


class OKS(nn.Module):
    """The mean of 1 - exp(-d^2 / (2 area (2 sigma)^2)) over supervised points (Maji et al. 2022, eq. 3).

    Reads outputs of shape (..., K, 2, *grid) with ``Target.scale`` the person's area in the output's unit squared.

    Args:
        skeleton: gives K and the sigmas.
        grid: how many dimensions follow the xy dimension (2 for dense maps, 0 for lists of people).
        sigmas: the ``skeleton``'s, or ``1/K`` for every point: what YOLOv8 takes for all but COCO's 17 points, and more
            lenient than any that were measured.

    Raises:
        ConfigError: other ``sigmas``.
    """

    variances: Tensor

    def __init__(self, skeleton: Skeleton, grid: int = 2, sigmas: str = "skeleton") -> None:
        super().__init__()
        if sigmas not in ("skeleton", "1/K"):
            raise ConfigError(f"OKS: sigmas={sigmas!r}; known are 'skeleton' and '1/K'")
        count = skeleton.count
        values = torch.tensor(sigmas_or_default(skeleton) if sigmas == "skeleton" else [1 / count] * count)
        self.register_buffer("variances", (2 * values).square().view(-1, *[1] * (grid + 1)), persistent=False)
        self.xy = -1 - grid

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        count, here = len(self.variances), tuple(output.shape)
        if len(here) < 1 - self.xy or here[self.xy - 1 :][:2] != (count, 2) or target.value.ndim < 1 - self.xy:
            return f"it reads points (..., {count}, 2{', h, w'[: 3 * (-1 - self.xy)]}), not {here}"
        if not target.fits(output):
            return f"its targets must have the output's shape {here}, not {tuple(target.value.shape)}"
        return "" if target.scale is not None else "it needs Target.scale (the person's area), and the codec gives none"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        if target.scale is None:
            raise ValueError(
                "the OKS loss needs Target.scale (the person's area); this codec gives none for this output"
            )
        if self.xy == -1:
            output, target = supervised(output, target, 2)
        squared = (output - target.value).square().sum(self.xy, keepdim=True)
        # The area is clamped: a person squeezed to nothing by a crop would divide by zero.
        assert target.scale is not None
        exponent = squared / (2 * target.scale.clamp(min=1e-3) * self.variances)
        return weighted_mean(1 - torch.exp(-exponent), target.weight.amax(self.xy, keepdim=True))
