"""Where on a picture the network looks: each view is a canvas and the matrix that fills it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from armature.data.geometry import Matrix, Size, letterbox
from armature.data.keep_resolution import place
from armature.errors import ConfigError


class View(NamedTuple):
    """One canvas of (H, W), and the matrix from the picture's pixels to the canvas's."""

    canvas: Size
    matrix: Matrix


class Views(Protocol):
    """The views of a picture of (H, W)."""

    def __call__(self, size: Size) -> list[View]: ...


@dataclass(frozen=True)
class Whole:
    """The whole picture fitted into one canvas of (H, W), as in evaluation."""

    canvas: Size

    def __call__(self, size: Size) -> list[View]:
        return [View(self.canvas, letterbox(size, self.canvas))]


@dataclass(frozen=True)
class Tight:
    """The whole picture as large as in the canvas, without the empty margins: sides are multiples of ``divisor``.

    Faster, but what stands beside a picture is seen by the network, so that answers are not to the last digit those
    that evaluation judges.

    Raises:
        ConfigError: a divisor below 1.
    """

    canvas: Size
    divisor: int = 32

    def __post_init__(self) -> None:
        if self.divisor < 1:
            raise ConfigError(f"tight={self.divisor}: the sides of a canvas must be multiples of 1 or more")

    def __call__(self, size: Size) -> list[View]:
        scale = float(letterbox(size, self.canvas)[0, 0])
        height, width = (
            min(math.ceil(round(scale * side, 3) / self.divisor) * self.divisor, most)
            for side, most in zip(size, self.canvas, strict=True)
        )
        x, y = (width - scale * size[1]) / 2, (height - scale * size[0]) / 2
        return [View((height, width), np.array([[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]]))]


@dataclass(frozen=True)
class AsLarge:
    """The whole picture at its own resolution, on the next larger canvas whose sides ``divisor`` divides."""

    divisor: int

    def __call__(self, size: Size) -> list[View]:
        return [View(*place(size, self.divisor))]
