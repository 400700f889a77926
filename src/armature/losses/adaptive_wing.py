"""Adaptive wing loss."""

from __future__ import annotations

from torch import Tensor, nn

from armature.losses.foreground import foreground, no_heatmap
from armature.losses.reduction import weighted_mean
from armature.structures import Target


class AdaptiveWing(nn.Module):
    """The mean over supervised cells of a wing whose curve follows the heat: steep at peaks, flat in the background.

    omega ln(1 + |d / epsilon|^(alpha - y)) below |d| = theta and linear above, y being the target; cells whose
    3x3 surroundings reach 0.2 count ``foreground`` + 1 times (Wang et al. 2019, "Adaptive Wing Loss for Robust Face
    Alignment via Heatmap Regression", eq. 3, 4 and 8). Reads maps (..., h, w) with targets in [0, 1].

    Args:
        alpha, omega, epsilon, theta: as in the paper. foreground: its W; 0 leaves the weighted map out.
        logits: the heat is the sigmoid of the output.
    """

    def __init__(
        self,
        alpha: float = 2.1,
        omega: float = 14.0,
        epsilon: float = 1.0,
        theta: float = 0.5,
        foreground: float = 10.0,
        logits: bool = False,
    ) -> None:
        super().__init__()
        self.alpha, self.omega, self.epsilon, self.theta = alpha, omega, epsilon, theta
        self.foreground, self.logits = foreground, logits

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        if output.ndim < 3 or not target.fits(output):
            return (
                f"it reads maps (..., h, w) of equal shapes, not {tuple(output.shape)} and {tuple(target.value.shape)}"
            )
        return no_heatmap(target)

    def forward(self, output: Tensor, target: Target) -> Tensor:
        heat = output.float().sigmoid() if self.logits else output.float()
        value = target.value.where(target.weight > 0, 0.0)
        away = (heat - value).where(target.weight > 0, 0.0).abs()
        power = self.alpha - value
        edge = (self.theta / self.epsilon) ** power
        slope = self.omega / (1 + edge) * power * edge / self.theta
        step = self.theta * slope - self.omega * edge.log1p()
        near = self.omega * ((away / self.epsilon) ** power).log1p()
        each = near.where(away < self.theta, slope * away - step)
        return weighted_mean(each * (1 + self.foreground * foreground(target)), target.weight)
