"""How a map of losses becomes one number."""

from __future__ import annotations

from torch import Tensor

from armature.structures import Target


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """sum(weight * value) / sum(weight), weight broadcast to value; zero, still attached, where no weight is left.

    Unsupervised values are replaced before the product, so that an infinite one does not become NaN.
    """
    weight = weight.to(values.dtype).expand_as(values)
    return (values.where(weight > 0, 0.0) * weight).sum() / weight.sum().clamp(min=1e-6)


def supervised(output: Tensor, target: Target, each: int) -> tuple[Tensor, Target]:
    """What is supervised of a list, row by row: of thousands of anchors some dozens learn somebody.

    Args:
        output, target: (..., n, *row). each: dimensions of a row.

    Returns:
        output (rows, *row) and its target, only rows in which any weight is above 0.
    """
    lead = output.shape[: output.ndim - each]

    def spread(field: Tensor) -> Tensor:
        return field.expand(*lead, *field.shape[field.ndim - each :])

    weight = spread(target.weight)
    on = weight.flatten(-each).amax(-1) > 0
    scale = None if target.scale is None else spread(target.scale)[on]
    return output[on], Target(spread(target.value)[on], weight[on], scale)
