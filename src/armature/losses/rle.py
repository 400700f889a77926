"""Residual log-likelihood estimation: a loss that learns the shape of the errors (Li et al. 2021)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armature.losses.reduction import weighted_mean
from armature.structures import Skeleton, Target


class RLE(nn.Module):
    """The mean over supervised coordinates of the negative log-likelihood of the truth under mu, sigma and a flow.

    With e = (mu - truth) / sigma, per coordinate: log sigma - log phi(e) + log(2 sigma) + abs(e), the last two being
    the Laplace base of which the flow phi learns the residual (Li et al. 2021, "Human Pose Regression with Residual
    Log-likelihood Estimation", eq. 9 and 10). As in the released code log sigma counts twice, and phi, a density of
    both coordinates, in each of them; that code sums over people and divides by the batch, here a mean is taken.

    Reads outputs (..., K, 4, *grid): mu as xy, then the logits of sigma's x and y (sigma = sigmoid). Outputs without a
    sigma, (..., K, 2, *grid), get one learned sigma per keypoint. Targets are (..., K, 2, *grid). The flow and that
    sigma are parameters of the loss and must be given to the optimizer; a decoder needs neither.

    Args:
        skeleton: gives K. grid: how many dimensions follow the xy dimension (2 for dense maps, 0 for lists of people).
        unit: length, in the output's unit, that sigma = 1 stands for; the largest error a network can say it expects
            (1 in the paper, where coordinates run from -0.5 to 0.5 over the crop).
        layers: coupling layers of the flow. hidden: width of their networks.
    """

    def __init__(self, skeleton: Skeleton, grid: int = 2, unit: float = 1.0, layers: int = 6, hidden: int = 64) -> None:
        super().__init__()
        self.xy, self.unit = -1 - grid, unit
        self.flow = RealNVP(layers, hidden)
        self.sigma = nn.Parameter(torch.zeros(skeleton.count, 1))

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        count, grid, here = len(self.sigma), -self.xy - 1, tuple(output.shape)
        if len(here) < grid + 2 or here[self.xy - 1] != count or here[self.xy] not in (2, 4):
            return f"it reads points (..., {count}, 2 or 4{', h, w'[: 3 * grid]}), not {here}"
        points = (*here[: self.xy], 2, *here[len(here) + self.xy + 1 :])
        value = tuple(target.value.shape)
        fits = value == points[len(points) - len(value) :]
        return "" if fits else f"its targets are points like {points}, not {value}"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        points = output.float().movedim(self.xy, -1)
        mu, logits = points[..., :2], points[..., 2:]
        if not logits.shape[-1]:
            logits = self.sigma.view(-1, *[1] * (-self.xy - 1), 1)
        value = target.value.movedim(self.xy, -1).expand_as(mu)
        weight = target.weight.expand_as(target.value).movedim(self.xy, -1).expand_as(mu)
        # The flow is a network: it sees supervised points only, of dense maps one in hundreds.
        on = (weight > 0).any(-1)
        logits, weight = logits.expand_as(mu)[on], weight[on]
        sigma = logits.sigmoid() + 1e-9
        error = (mu[on] - value[on]).where(weight > 0, 0.0) / (self.unit * sigma)
        log_sigma = sigma.log()
        residual = log_sigma - self.flow(error)[:, None]
        return weighted_mean(residual + log_sigma + math.log(2) + error.abs(), weight)


class RealNVP(nn.Module):
    """The log-density of points under a flow that maps them to a standard normal distribution (Dinh et al. 2017).

    Coupling layers that leave x and y as they are in turn; scales through tanh, networks of two hidden layers.
    """

    keep: Tensor

    def __init__(self, layers: int = 6, hidden: int = 64) -> None:
        super().__init__()
        self.scale = nn.ModuleList(_network(hidden, nn.Tanh()) for _ in range(layers))
        self.move = nn.ModuleList(_network(hidden, nn.Identity()) for _ in range(layers))
        kept = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(math.ceil(layers / 2), 1)[:layers]
        self.register_buffer("keep", kept, persistent=False)

    def forward(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        log_volume = points.new_zeros(len(points))
        for scale, move, keep in reversed(list(zip(self.scale, self.move, self.keep, strict=True))):
            kept = points * keep
            s, t = scale(kept) * (1 - keep), move(kept) * (1 - keep)
            points = kept + (1 - keep) * (points - t) * torch.exp(-s)
            log_volume = log_volume - s.sum(1)
        return log_volume - 0.5 * points.square().sum(1) - math.log(2 * math.pi)


def _network(hidden: int, last: nn.Module) -> nn.Sequential:
    layers = [nn.Linear(2, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU(), nn.Linear(hidden, 2)]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)  # the flow begins as the identity
    return nn.Sequential(*layers, last)
