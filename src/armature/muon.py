"""Muon (Jordan et al. 2024): momentum whose singular values are made equal, for kernels and matrices.

Ours and not timm's, because timm's multiplies in bfloat16 whatever the hardware: on a CPU without bfloat16 instructions
nine tenths of a step of the default network went there (experiments/LOG.md). Ours takes bfloat16 for large matrices
where the hardware multiplies it, and float32 elsewhere. The rule is the same, and tested to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from armature import hardware
from armature.sharing import shared_out

#: Odd polynomials a x + b x^3 + c x^5 which, one after the other, bring singular values from (0, 1] close to 1 (the
#: five steps of Cesista, "Squeezing 1-2% efficiency gains out of Muon", 2025).
_POLYNOMIALS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
    (2.8366, -3.0525, 1.2012),
)
#: Below this many rows or columns there is nothing to orthogonalise, and above this ratio hardly anything.
_LEAST_SIDE, _LONGEST = 4, 128
#: From this many rows on a product costs more than its conversion to bfloat16 and back.
_LARGE = 256


class Muon(Optimizer):
    """Orthogonalised Nesterov momentum for kernels and matrices, AdamW for everything else.

    A kernel (out, in, h, w) is the matrix (out, in*h*w). The update's root mean square is 0.2, as AdamW's is, so that
    both share one learning rate (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4). Weight decay is
    decoupled.

    Args:
        params: parameters or groups of them. lr, weight_decay, momentum: of all. nesterov: look ahead by one step.
        betas, eps: of AdamW. scalar_lr: factor of lr for what AdamW trains.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.02,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        nesterov: bool = True,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-7,
        scalar_lr: float = 1.0,
    ) -> None:
        own = {"momentum": momentum, "nesterov": nesterov, "betas": tuple(betas), "eps": eps, "scalar_lr": scalar_lr}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **own})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Changes the parameters; returns what ``closure`` returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [p for p in group["params"] if p.grad is not None]
            self._orthogonalised([p for p in trained if _is_matrix(p)], group)
            self._adapted([p for p in trained if not _is_matrix(p)], group)
        return loss

    def _orthogonalised(self, params: list[Tensor], group: dict[str, Any]) -> None:
        if not params:
            return
        momenta = [_wide(self._momentum(p, group)) for p in params]
        for p, update in zip(params, shared_out(momenta, _alike), strict=True):
            flat = update.mT if len(p) > p[0].numel() else update
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(flat.reshape(p.shape), alpha=-0.2 * max(update.shape) ** 0.5 * group["lr"])

    def _momentum(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        grad, beta = p.grad, group["momentum"]
        assert grad is not None
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        average: Tensor = state["momentum"].lerp_(grad, 1 - beta)
        return grad.lerp(average, beta) if group["nesterov"] else average

    def _adapted(self, params: list[Tensor], group: dict[str, Any]) -> None:
        if not params:
            return
        for p in params:
            if not self.state[p]:
                zeros = {name: torch.zeros_like(p) for name in ("exp_avg", "exp_avg_sq")}
                self.state[p].update(zeros, step=torch.zeros((), dtype=torch.float32))
        states = [self.state[p] for p in params]
        adamw(
            params,
            [p.grad for p in params if p.grad is not None],
            [s["exp_avg"] for s in states],
            [s["exp_avg_sq"] for s in states],
            [],
            [s["step"] for s in states],
            amsgrad=False,
            foreach=True,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"] * group["scalar_lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _alike(matrices: list[Tensor]) -> list[Tensor]:
    """Each made orthogonal; those of one shape go through the iteration together."""
    places = defaultdict(list)
    for i, matrix in enumerate(matrices):
        places[tuple(matrix.shape), matrix.dtype, matrix.device].append(i)
    found: dict[int, Tensor] = {}
    for ((rows, _), _, device), same in places.items():
        half = rows >= _LARGE and hardware.multiplies_bf16(device.type)
        found |= zip(same, orthogonal(torch.stack([matrices[i] for i in same]), half=half), strict=True)
    return [found[i] for i in range(len(matrices))]


def orthogonal(matrices: Float[Tensor, "n r c"], eps: float = 1e-7, half: bool = False) -> Float[Tensor, "n r c"]:
    """The matrices with all singular values brought near 1 (0.7 to 1.2), r <= c; float32, singular vectors unchanged.

    Newton-Schulz, but on the small side: every iterate is Q X with Q a polynomial of X X^T, so that only r x r matrices
    are multiplied in between. For a 3x3 kernel that is about a third of the multiplications.

    Args:
        half: multiply in bfloat16, whose rounding moves singular values by a hundredth.
    """
    x = matrices.float()
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=eps)
    x = x.bfloat16() if half else x
    gram = x @ x.mT
    total = factor = _factor(gram, _POLYNOMIALS[0])
    for coefficients in _POLYNOMIALS[1:]:
        gram = factor @ gram @ factor
        factor = _factor(gram, coefficients)
        total = factor @ total
    return (total @ x).to(matrices.dtype)


def _factor(gram: Tensor, coefficients: tuple[float, float, float]) -> Tensor:
    """a + b gram + c gram^2: what one step multiplies the matrices by."""
    a, b, c = coefficients
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=-2, dim2=-1).add_(a)
    return factor


def _is_matrix(p: Tensor) -> bool:
    """Whether orthogonalising makes sense: not for biases, norms, depthwise kernels and nearly one-dimensional ones."""
    if p.ndim < 2 or 1 in p.shape[:2]:
        return False
    sides = sorted((len(p), p[0].numel()))
    return sides[0] >= _LEAST_SIDE and sides[1] <= _LONGEST * sides[0]


def _wide(p: Tensor) -> Tensor:
    """(out, in, h, w) -> (out, in*h*w), transposed where that is taller than wide."""
    flat = p.reshape(len(p), -1)
    return flat.mT if flat.shape[0] > flat.shape[1] else flat
