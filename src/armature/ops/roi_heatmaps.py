"""Places of the peaks of heatmaps that are resized to the boxes they belong to, without resizing them.

Keypoint R-CNN's decoding (He et al. 2017; Heckbert 1990 for the half pixel): a map of a box is resized bicubically to
whole pixels, and its highest pixel is the answer. Here only pixels near the highest cell are computed, and those that a
bound on what bicubic interpolation can do with the surrounding cells does not exclude.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Parameter of the cubic kernel, as in torch and OpenCV.
_A = -0.75
#: Between two cells the kernel's weights of the outer two cells sum to at least -_N.
_N = -_A / 4
#: Largest sums of weights, of the four middle cells of 4x4 and of its four corners.
_MIDDLE, _CORNERS = (1 + _N) ** 2, _N**2
#: From four values to the Bezier control points of the curve between the middle two.
_CONTROL = ((0.0, 1.0, 0.0, 0.0), (_A / 3, 1.0, -_A / 3, 0.0), (0.0, -_A / 3, 1.0, _A / 3), (0.0, 0.0, 1.0, 0.0))
#: Boxes decoded at a time: their maps stay in the cache, and the calls are few.
_CHUNK = 32
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
        at[some], values[some] = _peaks(maps.index_select(0, some).float(), whole[some])
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
    hot = _above(flat, _threshold(near.value - slack, top, bottom))
    squares, many = _squares(hot, all_maps.values.shape, column, row)
    best = _best(near, _elsewhere(all_maps, squares, near.value - slack))
    for person in torch.unique(many // count).tolist():
        some = many[many // count == person]
        best.x[some], best.y[some], best.value[some] = _whole(all_maps, some)
    return torch.stack([best.x, best.y], 1).view(len(maps), count, 2), best.value.view(len(maps), count)


def _highest(flat: Float[Tensor, "n c"]) -> Int[Tensor, " n"]:
    """The number of each row's highest value; by numpy on a CPU, where torch takes eight times as long."""
    return flat.argmax(1) if flat.device.type != "cpu" else torch.from_numpy(flat.detach().numpy().argmax(1))


def _above(flat: Float[Tensor, "n c"], limit: Float[Tensor, " n"]) -> Int[Tensor, " m"]:
    """The places, in all rows one after another, of what is higher than its row's limit; by numpy as above."""
    if flat.device.type != "cpu":
        return (flat > limit[:, None]).flatten().nonzero()[:, 0]
    return torch.from_numpy(np.flatnonzero(flat.detach().numpy() > limit.detach().numpy()[:, None]))


def _places(mask: Bool[Tensor, " n"]) -> Int[Tensor, " m"]:
    """Where a mask is true; by numpy as above."""
    return mask.nonzero()[:, 0] if mask.device.type != "cpu" else torch.from_numpy(np.flatnonzero(mask.numpy()))


def _threshold(needed: Tensor, top: Tensor, bottom: Tensor) -> Tensor:
    """Between four cells that are all lower than this there is nothing as high as ``needed``."""
    return (needed - _CORNERS * top - (1 - _MIDDLE - _CORNERS) * bottom) / _MIDDLE


def _squares(
    hot: Int[Tensor, " m"], shape: torch.Size, column: Tensor, row: Tensor
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Squares between cells (map, x and y of their first cell) with a hot corner, and maps with too many of them.

    Without the four around the highest cell, whose pixels are known.

    Args:
        hot: places of the hot cells in all maps. shape: (n, h, w) of the maps. column, row: of the highest cells.
    """
    count, height, width = shape
    # Squares begin at cell -1, in front of the border: there is one more of them than of cells, across and down.
    across, each = width + 1, (height + 1) * (width + 1)
    line = hot // width
    # A cell is a corner of four squares; this is the first. Few cells are hot, so that maps are not looked through.
    first = hot + line + line // height * across
    known = torch.arange(count, device=hot.device) * each + row * across + column
    touched = torch.zeros(count * each, dtype=torch.bool, device=hot.device)
    for corners, open_ in ((first, True), (known, False)):
        for step in (0, 1, across, across + 1):
            touched[corners + step] = open_
    at = _places(touched)
    number = at // each
    many = torch.bincount(number, minlength=count) > _MANY
    if bool(many.any()):
        few = ~many[number]
        at, number = at[few], number[few]
    place = at - number * each
    down = place // across
    return (number, place - down * across - 1, down - 1), _places(many)


def _elsewhere(maps: _Maps, squares: tuple[Tensor, Tensor, Tensor], needed: Tensor) -> _Found:
    """Pixels in those of the squares that may hold something as high as ``needed``."""
    number, x, y = squares
    open_ = _places(_bound(_block(maps.values, number, x - 1, y - 1, 4)) > needed.index_select(0, number))
    return _evaluate(maps, number[open_], x[open_], y[open_], 1)


def _bound(block: Float[Tensor, "4 4 m"]) -> Float[Tensor, " m"]:
    """Nothing between the middle four of 4x4 cells is higher: a Bezier patch lies within its control points."""
    control = torch.tensor(_CONTROL, device=block.device)
    # Along both axes at once: one product of matrices instead of very many small ones.
    return (torch.kron(control, control) @ block.flatten(0, 1)).amax(0)


def _block(values: Tensor, number: Tensor, x: Tensor, y: Tensor, side: int) -> Float[Tensor, "side side m"]:
    """Squares of cells from (x, y) on, row by row; beyond the border the border's cells."""
    height, width = values.shape[1:]
    along = torch.arange(side, device=values.device)[:, None]
    columns = (x + along).clamp_(0, width - 1)
    rows = (y + along).clamp_(0, height - 1).mul_(width).add_(number * (height * width))
    at = rows[:, None] + columns
    # By far the fastest way to look things up on a CPU.
    return values.flatten().index_select(0, at.flatten()).view_as(at)


def _evaluate(maps: _Maps, number: Tensor, x: Tensor, y: Tensor, span: int) -> _Found:
    """The highest pixel whose middle lies between cells (x, y) and (x + span, y + span), for each of m squares.

    -inf where there is none.
    """
    if not len(number):
        return _Found(number, *(maps.width.new_zeros(0) for _ in range(3)))
    height, width = maps.values.shape[1:]
    across, columns = _kernel(x, width, maps.width[number], span)
    down, rows = _kernel(y, height, maps.height[number], span)
    block = _block(maps.values, number, x - 1, y - 1, span + 3).permute(2, 0, 1)
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
    return cubic_kernel(away), index.masked_fill_((last < first)[:, None], -1)


def cubic_kernel(t: Tensor) -> Tensor:
    """The cubic convolution kernel (Keys 1981) at distances t >= 0, in cells; writes over t.

    As powers of what is left to two cells and to one, u = max(2 - t, 0) and v = max(1 - t, 0): no case is told apart.
    A u^2 (1 - u) + v^2 (3 + 4 A - 2 v).
    """
    u = t.neg_().add_(2).clamp_(min=0)
    v = (u - 1).clamp_(min=0)
    inner = (3 + 4 * _A - 2 * v).mul_(v).mul_(v)
    return inner.add_((_A - _A * u).mul_(u).mul_(u))


def _best(near: _Found, far: _Found) -> _Found:
    """The better of what was found, for each map."""
    value = near.value.scatter_reduce(0, far.number, far.value, "amax")
    better = (far.value == value[far.number]) & (far.value > near.value[far.number])
    x, y = near.x.clone(), near.y.clone()
    x[far.number[better]], y[far.number[better]] = far.x[better], far.y[better]
    return _Found(near.number, value, x, y)


def _whole(maps: _Maps, some: Int[Tensor, " m"]) -> tuple[Tensor, Tensor, Tensor]:
    """Column, row and value of the highest pixels of some maps of one person, all pixels computed."""
    size = (int(maps.height[some[0]]), int(maps.width[some[0]]))
    pixels = F.interpolate(maps.values[some][None], size, mode="bicubic", align_corners=False)[0].flatten(1)
    at = _highest(pixels)
    values = pixels.gather(1, at[:, None])[:, 0]
    return (at % size[1]).to(values), (at // size[1]).to(values), values
