"""What changes pixels but not places, on the device, a batch at a time (geometry is done once, in the loader)."""

from __future__ import annotations

from collections.abc import Sequence

import kornia.augmentation as K
import torch
from jaxtyping import Float
from torch import Tensor, nn

#: Principal components of the colours of ImageNet's pixels in [0, 1]: variances, and directions as columns (RGB), as
#: CornerNet and CenterNet have them (there in the order BGR).
VARIANCES = (0.2141788, 0.01817699, 0.00341571)
DIRECTIONS = (
    (-0.56089297, 0.71832671, 0.41158938),
    (-0.5832747, 0.00994535, -0.81221408),
    (-0.58752847, -0.69563484, 0.41340352),
)


class Photometric(nn.Module):
    """Images in [0, 1] with changed colours, light, blur, noise and grey, drawn anew for every image.

    Without arguments nothing is changed.

    Args:
        brightness, contrast, saturation, hue: half-ranges of a colour jitter, applied with probability ``jitter``.
        lighting: deviation of ``Lighting``.
        blur: probability of a gaussian blur; sigma: its range in pixels.
        noise: probability of gaussian noise; deviation: its standard deviation, of 1.
        grey: probability of a grey image.
    """

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        jitter: float = 0.0,
        lighting: float = 0.0,
        blur: float = 0.0,
        sigma: Sequence[float] = (0.3, 1.5),
        noise: float = 0.0,
        deviation: float = 0.03,
        grey: float = 0.0,
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        if jitter:
            steps.append(K.ColorJiggle(brightness, contrast, saturation, hue, p=jitter))
        if lighting:
            steps.append(Lighting(lighting))
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


class Lighting(nn.Module):
    """Images with one colour added to each, drawn along the principal components of natural colours.

    The colour is the sum over components of direction x variance x a draw from N(0, deviation) (Krizhevsky et al. 2012,
    section 4.1). The result may leave [0, 1].

    Args:
        deviation: 0.1 is published.
    """

    def __init__(self, deviation: float = 0.1) -> None:
        super().__init__()
        self.deviation = deviation
        self.components: Tensor
        # Not saved: a checkpoint has the same keys with and without.
        self.register_buffer("components", torch.tensor(DIRECTIONS) * torch.tensor(VARIANCES), persistent=False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        draws = self.deviation * torch.randn(len(images), 3, device=images.device, dtype=images.dtype)
        return images + (draws @ self.components.to(images).T)[:, :, None, None]
