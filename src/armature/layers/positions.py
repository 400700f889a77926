"""Where a cell of a map is, as numbers that attention can compare."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from armature.errors import ConfigError


def sine_positions(
    size: tuple[int, int], width: int, temperature: float = 10000.0, like: Tensor | None = None
) -> Float[Tensor, "h w width"]:
    """Sines and cosines of each cell's place, first those of y, then those of x, in turn.

    Places run from 0 to 2 pi over the map, taken at the cells' centres (Carion et al. 2020, "DETR", appendix A.4;
    the released code takes the cells' far edges). Frequencies fall geometrically from 1 to 1/temperature.

    Args:
        size: (h, w). width: numbers per cell. like: gives device and dtype; None is float32 on the CPU.

    Raises:
        ConfigError: a width that is no multiple of four.
    """
    if width % 4:
        raise ConfigError(
            f"sine positions need a width that is a multiple of 4 (sin and cos of x and y); found {width}"
        )
    device = like.device if like is not None else None
    exponent = torch.arange(0, width // 2, 2, device=device) / (width // 2)
    coded = []
    for count in size:
        place = (torch.arange(count, device=device) + 0.5) * (2 * math.pi / count)
        angle = place[:, None] / temperature**exponent
        coded.append(torch.stack([angle.sin(), angle.cos()], -1).flatten(1))
    height, width_cells = size
    y = coded[0][:, None].expand(-1, width_cells, -1)
    x = coded[1][None].expand(height, -1, -1)
    both = torch.cat([y, x], -1)
    return both.to(like.dtype) if like is not None else both
