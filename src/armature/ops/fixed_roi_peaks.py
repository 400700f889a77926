"""``ops.roi_heatmaps`` for exported graphs: as many pixels are computed whatever the maps hold."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from armature.ops.fixed_people import every_peak
from armature.ops.roi_heatmaps import cubic_kernel

#: Local maxima of a map around which its highest pixel is looked for.
_PLACES = 3


def fixed_heatmap_peaks(
    maps: Float[Tensor, "R K h w"], boxes: Float[Tensor, "R 4"]
) -> tuple[Float[Tensor, "R K 2"], Float[Tensor, "R K"]]:
    """xy of each map's peak, in the unit of the boxes, and the peak's value, as ``heatmap_peaks`` gives them.

    Of the resized map as many pixels as the map has cells are computed, across and down, around each of its three
    highest local maxima: all pixels of boxes up to that size, and for larger ones all that are anywhere near a peak.
    Where ``heatmap_peaks`` finds the highest pixel elsewhere, four maxima were all but equal.

    Args:
        boxes: xyxy.
    """
    height, width = maps.shape[-2:]
    size = (boxes[:, 2:] - boxes[:, :2]).float().clamp(min=1)
    whole = size.ceil()
    cells = every_peak(maps, _PLACES)[1]  # (R K T)
    across, columns = _kernel(cells % width, width, whole[:, 0])
    down, rows = _kernel(cells // width, height, whole[:, 1])
    values, at = (down @ maps[:, :, None] @ across.mT).flatten(2).max(2)
    place, row, column = at // (height * width), at // width % height, at % width
    x = columns.flatten(2).gather(2, (place * width + column)[..., None])[..., 0]
    y = rows.flatten(2).gather(2, (place * height + row)[..., None])[..., 0]
    return (torch.stack([x, y], -1) + 0.5) * (size / whole)[:, None] + boxes[:, None, :2].float(), values


def _kernel(place: Tensor, cells: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (R K T m cells) of all cells for m pixels around a place, and the pixels' numbers (R K T m); m = cells.

    A last pixel is repeated where there are fewer.
    """
    pixels = pixels[:, None, None]
    along = torch.arange(cells, device=place.device)
    middle = ((place + 0.5) * (pixels / cells)).floor()
    first = torch.minimum(middle - cells // 2, pixels - cells).clamp(min=0)
    index = torch.minimum(first[..., None] + along, pixels[..., None] - 1)
    centre = (index + 0.5) * (cells / pixels)[..., None] - 0.5
    weight = cubic_kernel((centre[..., None] - along).abs())
    # Beyond the border the border's cells go on: their weights are those cells' too.
    for edge, step in ((0, -1), (cells - 1, 1)):
        beyond = sum(cubic_kernel((centre - (edge + step * far)).abs()) for far in (1, 2))
        weight = weight + beyond[..., None] * (along == edge)  # type: ignore[index]
    return weight, index
