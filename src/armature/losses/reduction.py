"""How a map of losses becomes one number."""

from __future__ import annotations

from torch import Tensor


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """sum(weight * value) / sum(weight), weight broadcast to value; zero, still attached, where no weight is left.

    Unsupervised values are replaced before the product, so that an infinite one does not become NaN.
    """
    weight = weight.to(values.dtype).expand_as(values)
    return (values.where(weight > 0, 0.0) * weight).sum() / weight.sum().clamp(min=1e-6)
