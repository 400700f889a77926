"""What changes pixels but not places, on the device, a batch at a time (geometry is done once, in the loader)."""

from __future__ import annotations

from collections.abc import Sequence

import kornia.augmentation as K
import torch
from jaxtyping import Float
from torch import Tensor, nn


class Photometric(nn.Module):
    """Images in [0, 1] with changed colours, blur, noise and grey, drawn anew for every image.

    Args:
        brightness, contrast, saturation, hue: half-ranges of a colour jitter, applied with probability ``jitter``.
        blur: probability of a gaussian blur; sigma: its range in pixels.
        noise: probability of gaussian noise; deviation: its standard deviation, of 1.
        grey: probability of a grey image.
    """

    def __init__(
        self,
        brightness: float = 0.3,
        contrast: float = 0.3,
        saturation: float = 0.3,
        hue: float = 0.03,
        jitter: float = 0.8,
        blur: float = 0.1,
        sigma: Sequence[float] = (0.3, 1.5),
        noise: float = 0.1,
        deviation: float = 0.03,
        grey: float = 0.05,
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        if jitter:
            steps.append(K.ColorJiggle(brightness, contrast, saturation, hue, p=jitter))
        if blur:
            steps.append(K.RandomGaussianBlur((5, 5), (sigma[0], sigma[1]), p=blur))
        if noise:
            steps.append(K.RandomGaussianNoise(0.0, deviation, p=noise))
        if grey:
            steps.append(K.RandomGrayscale(p=grey))
        self.steps = nn.Sequential(*steps)

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        return self.steps(images).clamp(0, 1)
