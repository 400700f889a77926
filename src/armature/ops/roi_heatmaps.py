"""Places of the peaks of heatmaps that are resized to the boxes they belong to, without resizing them.

Keypoint R-CNN's decoding (He et al. 2017; Heckbert 1990 for the half pixel): a map of a box is resized bicubically to
whole pixels, and its highest pixel is the answer. Here only pixels near the highest cell are computed, and those that a
bound on what bicubic interpolation can do with the surrounding cells does not exclude.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

#: Parameter of the cubic kernel, as in torch and OpenCV.
_A = -0.75
#: Between two cells the kernel's weights of the outer two cells sum to at least -_N.
_N = -_A / 4
#: Largest sums of weights, of the four middle cells of 4x4 and of its four corners.
_MIDDLE, _CORNERS = (1 + _N) ** 2, _N**2
#: From four values to the Bezier control points of the curve between the middle two.
_CONTROL = ((0.0, 1.0, 0.0, 0.0), (_A / 3, 1.0, -_A / 3, 0.0), (0.0, -_A / 3, 1.0, _A / 3), (0.0, 0.0, 1.0, 0.0))
#: Boxes decoded at a time: their maps stay in the cache.
_CHUNK = 16
#: Maps with more squares in question than this are resized as a whole.
_MANY = 400
#: A bound must be below the peak by this share of the map's range, for rounding.
_ROUNDING = 1e-5


class _Maps(NamedTuple):
    """n maps and the sizes (W, H) in whole pixels that they are resized to."""

    values: Float[Tensor, "n h w"]
    width: Float[Tensor, " n"]
    height: Float[Tensor, " n"]


class _Found(NamedTuple):
    """Pixels of resized maps: number of the map, value, column and row."""

    number: Int[Tensor, " m"]
    value: Float[Tensor, " m"]
    x: Float[Tensor, " m"]
    y: Float[Tensor, " m"]


def heatmap_peaks(
    maps: Float[Tensor, "P K h w"], boxes: Float[Tensor, "P 4"]
) -> tuple[Float[Tensor, "P K 2"], Float[Tensor, "P K"]]:
    """xy of each map's peak, in the unit of the boxes, and the peak's value.

    The result of resizing every map to ceil(width) x ceil(height) of its box (at least one pixel), taking the highest
    pixel (i, j) and answering (i + 0.5) * width / ceil(width) from the box' left edge, and likewise down.

    Args:
        boxes: xyxy.
    """
    size = (boxes[:, 2:] - boxes[:, :2]).float().clamp(min=1)
    whole = size.ceil()
    order = whole.prod(1).argsort()  # boxes of a chunk are alike: they are computed at the size of the largest
    at, values = maps.new_zeros(*maps.shape[:2], 2, dtype=torch.float32), maps.new_zeros(maps.shape[:2]).float()
    for some in order.split(_CHUNK):
        at[some], values[some] = _peaks(maps[some].float(), whole[some])
    return (at + 0.5) * (size / whole)[:, None] + boxes[:, None, :2].float(), values


def _peaks(maps: Float[Tensor, "p K h w"], whole: Float[Tensor, "p 2"]) -> tuple[Tensor, Tensor]:
    """Column and row of the highest pixel, and its value."""
    count = maps.shape[1]
    width, height = whole.repeat_interleave(count, 0).unbind(1)
    all_maps = _Maps(maps.flatten(0, 1), width, height)
    flat = all_maps.values.flatten(1)
    top, bottom, cell = flat.amax(1), flat.amin(1), _highest(flat)
    row, column = cell // maps.shape[-1], cell % maps.shape[-1]
    near = _evaluate(all_maps, torch.arange(len(flat), device=maps.device), column - 1, row - 1, 2)
    slack = _ROUNDING * (top - bottom)
    hot = (flat > _threshold(near.value - slack, top, bottom)[:, None]).view_as(all_maps.values)
    squares, many = _squares(hot, column, row)
    best = _best(near, _elsewhere(all_maps, squares, near.value - slack))
    for i in many.tolist():
        best.x[i], best.y[i], best.value[i] = _whole(all_maps, i)
    return torch.stack([best.x, best.y], 1).view(len(maps), count, 2), best.value.view(len(maps), count)


def _highest(flat: Float[Tensor, "n c"]) -> Int[Tensor, " n"]:
    """The number of each row's highest value; by numpy on a CPU, where torch takes ten times as long."""
    return flat.argmax(1) if flat.device.type != "cpu" else torch.from_numpy(flat.detach().numpy().argmax(1))


def _threshold(needed: Tensor, top: Tensor, bottom: Tensor) -> Tensor:
    """Between four cells that are all lower than this there is nothing as high as ``needed``."""
    return (needed - _CORNERS * top - (1 - _MIDDLE - _CORNERS) * bottom) / _MIDDLE


def _squares(hot: Tensor, column: Tensor, row: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Squares between cells (map, x and y of their first cell) with a hot corner, and maps with too many of them.

    Without the four around the highest cell, whose pixels are known.
    """
    height, width = hot.shape[1:]
    side = width + 2
    # A border of cold cells, and one more row: the four corners are shifts of one flat array.
    framed = hot.new_zeros(len(hot), height + 3, side)
    framed[:, 1 : height + 1, 1 : width + 1] = hot
    flat, size = framed.view(-1), (len(hot) * (height + 3) - 2) * side
    touched = flat[:size] | flat[1 : size + 1] | flat[side : size + side] | flat[side + 1 : size + side + 1]
    at = touched.nonzero().flatten()
    number, place = at // (side * (height + 3)), at % (side * (height + 3))
    x, y = place % side - 1, place // side - 1
    right, down = x - column[number], y - row[number]
    known = (right >= -1) & (right <= 0) & (down >= -1) & (down <= 0)
    many = torch.bincount(number, minlength=len(hot)) > _MANY
    # Squares that the frame's extra cells pretend to are outside of every map.
    open_ = ~known & ~many[number] & (x < width) & (y < height)
    return (number[open_], x[open_], y[open_]), many.nonzero().flatten()


def _elsewhere(maps: _Maps, squares: tuple[Tensor, Tensor, Tensor], needed: Tensor) -> _Found:
    """Pixels in those of the squares that may hold something as high as ``needed``."""
    number, x, y = squares
    open_ = _bound(_block(maps.values, number, x - 1, y - 1, 4)) > needed[number]
    return _evaluate(maps, number[open_], x[open_], y[open_], 1)


def _bound(block: Float[Tensor, "m 4 4"]) -> Float[Tensor, " m"]:
    """Nothing between the middle four of 4x4 cells is higher: a Bezier patch lies within its control points."""
    control = torch.tensor(_CONTROL, device=block.device)
    # Along both axes at once: one product of matrices instead of very many small ones.
    return (block.flatten(1) @ torch.kron(control, control).T).amax(1)


def _block(values: Tensor, number: Tensor, x: Tensor, y: Tensor, side: int) -> Float[Tensor, "m side side"]:
    """Squares of cells from (x, y) on; beyond the border the border's cells."""
    height, width = values.shape[1:]
    along = torch.arange(side, device=values.device)
    columns = (x[:, None] + along).clamp_(0, width - 1)
    rows = (y[:, None] + along).clamp_(0, height - 1) * width + (number * (height * width))[:, None]
    return values.flatten().take(rows[:, :, None] + columns[:, None])


def _evaluate(maps: _Maps, number: Tensor, x: Tensor, y: Tensor, span: int) -> _Found:
    """The highest pixel whose middle lies between cells (x, y) and (x + span, y + span), for each of m squares.

    -inf where there is none.
    """
    if not len(number):
        return _Found(number, *(maps.width.new_zeros(0) for _ in range(3)))
    height, width = maps.values.shape[1:]
    across, columns = _kernel(x, width, maps.width[number], span)
    down, rows = _kernel(y, height, maps.height[number], span)
    block = _block(maps.values, number, x - 1, y - 1, span + 3)
    pixels = (down @ block @ across.mT).flatten(1)
    value, at = pixels.max(1)
    i, j = at // columns.shape[1], at % columns.shape[1]
    pick = torch.arange(len(at), device=at.device)
    column, row = columns[pick, j], rows[pick, i]
    return _Found(number, value.where((column >= 0) & (row >= 0), -torch.inf), column, row)


def _kernel(start: Tensor, cells: int, pixels: Tensor, span: int) -> tuple[Tensor, Tensor]:
    """Weights (m n span+3) of cells from start - 1 on for the pixels of a span, and the numbers (m n) of the pixels.

    Where a span has fewer pixels than others its last one is repeated; -1 where it has none.
    """
    step = cells / pixels
    first = ((start + 0.5) / step - 0.5).ceil().clamp(min=0)
    last = torch.minimum(((start + span + 0.5) / step - 0.5).floor(), pixels - 1)
    most = max(1, int((last - first).max()) + 1)
    index = torch.minimum(first[:, None] + torch.arange(most, device=start.device), last[:, None])
    offset = (index + 0.5) * step[:, None] + (0.5 - start)[:, None]
    away = (offset[:, :, None] - torch.arange(span + 3, device=start.device)).abs_()
    return _cubic(away), index.masked_fill_((last < first)[:, None], -1)


def _cubic(t: Tensor) -> Tensor:
    """The cubic convolution kernel (Keys 1981) at distances t >= 0, in cells."""
    near = ((_A + 2) * t - (_A + 3)) * t * t + 1
    far = ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A
    return torch.where(t <= 1, near, far.where(t < 2, 0.0))


def _best(near: _Found, far: _Found) -> _Found:
    """The better of what was found, for each map."""
    value = near.value.scatter_reduce(0, far.number, far.value, "amax")
    better = (far.value == value[far.number]) & (far.value > near.value[far.number])
    x, y = near.x.clone(), near.y.clone()
    x[far.number[better]], y[far.number[better]] = far.x[better], far.y[better]
    return _Found(near.number, value, x, y)


def _whole(maps: _Maps, i: int) -> tuple[Tensor, Tensor, Tensor]:
    """Column, row and value of one map's highest pixel, all pixels computed."""
    size = (int(maps.height[i]), int(maps.width[i]))
    pixels = F.interpolate(maps.values[i][None, None], size, mode="bicubic", align_corners=False)[0, 0]
    value, at = pixels.flatten().max(0)
    return at % size[1], at // size[1], value
